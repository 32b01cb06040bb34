"""Processor time against size: context, requests, packets (contended tokens of a batch), and points of a sweep.

    python benchmarks/bench_growth.py

Each size is measured once, in this process, after a smaller one. `make bench` draws the table.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measuring import print_circumstances, print_table

from pimsim import load_config, load_sweep, poisson_requests, run_sweep, serve, simulate

SWEEP = """
name: growth
base: pim-llm-published
axes:
  workload.context_length: {{start: 1, stop: {points}, step: 1}}
"""
CASES: dict[str, tuple[int, ...]] = {
    "tokens of context": (128, 1024, 8192, 32768),
    "requests": (100, 400, 1600),
    "tokens of a batch, contended": (1, 4, 16),
    "points of a sweep": (100, 400, 1600),
}


def context(size: int) -> None:
    simulate(load_config("pim-llm", [f"workload.context_length={size}"]))


def requests(size: int) -> None:
    config = load_config("pim-llm", ["workload.model=gpt2-small", "serving.policy=mixed"])
    serve(config, poisson_requests(2.0, size, prompt="lognormal:128:0.8", output="lognormal:32:0.7", seed=1))


def packets(size: int) -> None:
    keys = ["workload.model=gpt2-small", "schedule=contended"]
    simulate(load_config("pim-llm-published", [*keys, f"workload.batch={size}", f"mapping.vector_chunks={size}"]))


def points(size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, "growth.yaml")
        spec.write_text(SWEEP.format(points=size), encoding="utf-8")
        run_sweep(load_sweep(spec), Path(folder, "growth.h5"), workers=1)


ACTIONS: dict[str, Callable[[int], None]] = dict(zip(CASES, (context, requests, packets, points), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=tuple(CASES), help="only this kind of growth")
    options = parser.parse_args()
    print_circumstances("simpy")
    rows = []
    for what, sizes in CASES.items():
        if options.only not in (None, what):
            continue
        ACTIONS[what](min(sizes) // 2 or 1)
        for size in sizes:
            start = time.process_time()
            ACTIONS[what](size)
            rows.append((what, f"{size:,}", f"{time.process_time() - start:.4g}"))
    print_table(("what grows", "size", "processor time, s"), rows)


if __name__ == "__main__":
    main()
