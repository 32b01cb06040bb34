"""Measure the time of a sweep over policies of the KV cache with the perplexity of the shipped network.

    python benchmarks/bench_kv_policies.py --budgets 10

Each point is another cache: heavy hitters or random tokens, a budget, and the bits of keys and of values. Its
perplexity is that of 1,024 characters on one chip without wire resistance. With 10 budgets there are 500 points.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench_sweep import run
from measuring import duration, print_circumstances, print_table

SWEEP = """\
name: kv-policies
base: pim-llm
set:
  workload.model: kjv-bitnet
  workload.context_length: 256
  machine.crossbar.pair.wires.model: none
  accuracy.tokens: 1024
  accuracy.chips: 1
axes:
  workload.kv.budget: {budgets}
  workload.kv.keep: [heavy_hitters, random]
  workload.kv.key_bits: [16, 8, 6, 4, 2]
  workload.kv.value_bits: [16, 8, 6, 4, 2]
metrics: [perplexity, kv_cache_bytes, tokens_per_s, tokens_per_j]
"""
PER_BUDGET = 2 * 5 * 5
GOAL_S = 240.0
"""Goal for 500 points on two cores, seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--budgets", type=int, default=10, help=f"budgets, each with {PER_BUDGET} points")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    print_circumstances("numpy", "numba")
    budgets = [256 * (number + 1) // (options.budgets + 1) for number in range(options.budgets)]
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, "kv.yaml")
        spec.write_text(SWEEP.format(budgets=budgets), encoding="utf-8")
        words = ["sweep", str(spec), "--out", str(Path(folder, "kv.h5")), "--json", "--workers", str(options.workers)]
        measured = run(words)
    points = PER_BUDGET * options.budgets
    goal = GOAL_S * points / 500
    each = duration(measured.processor / points)
    head = ("points", "workers", "wall time", "goal", "processor time", "processor time per point")
    row = (points, options.workers, duration(measured.seconds), duration(goal), duration(measured.processor), each)
    print_table(head, [row])


if __name__ == "__main__":
    main()
