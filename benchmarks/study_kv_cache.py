"""Perplexity of the shipped model by formats and policies of its KV cache; writes docs/reference/kv-quality.csv.

    python benchmarks/study_kv_cache.py    # evaluates all caches (minutes on one core), and writes the CSV and docs/

docs/kv-quality.md presents the results, with the bytes that `workloads.kv_cache` counts for the same caches.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pimsim.config.loading import load_config  # noqa: E402
from pimsim.studies.accuracy.evaluation import evaluate_accuracy  # noqa: E402

FILE = ROOT / "docs" / "reference" / "kv-quality.csv"
TOKENS, SEED = 2048, 0
BASE = ["machine.crossbar.pair.wires.model=none"]
FIGURES = ("exact_perplexity", "exact_perplexity_low", "exact_perplexity_high", "perplexity", "float_perplexity")
GROUP = {"group_size": 32, "scale_bits": 16}
PER_GROUP = {"key_scales": "per_group", "value_scales": "per_group", **GROUP}
KIVI = {"key_scales": "per_channel", "value_scales": "per_group", **GROUP}
SINKS = 4

Cache = dict[str, Any]


def bits(each: int) -> Cache:
    """Return the bits of keys and values."""
    return {"key_bits": each, "value_bits": each}


def cases() -> Iterator[tuple[str, str, str, Cache]]:
    """Yield group, line, value and the section `workload.kv` of each cache."""
    yield "bits", "float16", "16", bits(16)
    for number in (8, 6, 4, 3, 2):
        yield "bits", "per token", str(number), bits(number)
        yield "bits", "per group", str(number), bits(number) | PER_GROUP
        yield "bits", "KIVI", str(number), bits(number) | KIVI
    for keys, values in ((2, 4), (4, 2), (2, 8), (8, 2)):
        yield "uneven", "KIVI", f"{keys} and {values}", {"key_bits": keys, "value_bits": values} | KIVI
    for budget in (128, 64, 32, 16, 8):
        sinks = {"keep": "recent", "sinks": SINKS, "recent": budget - SINKS}
        yield "budget", "newest tokens", str(budget), {"keep": "recent", "recent": budget}
        yield "budget", "sinks and newest tokens", str(budget), sinks
        yield "budget", "heavy hitters", str(budget), {"keep": "heavy_hitters", "budget": budget}
        yield "budget", "random tokens", str(budget), {"keep": "random", "budget": budget, "recent": budget // 2}
    for budget in (64, 32):
        for number in (4, 2):
            hitters = {"keep": "heavy_hitters", "budget": budget}
            sinks = {"keep": "recent", "sinks": SINKS, "recent": budget - SINKS}
            yield (
                "both",
                "heavy hitters, per group",
                f"{budget} tokens, {number} bits",
                hitters | bits(number) | PER_GROUP,
            )
            yield "both", "sinks and newest, KIVI", f"{budget} tokens, {number} bits", sinks | bits(number) | KIVI


def evaluated() -> Iterator[dict[str, Any]]:
    """Evaluate all caches, and yield one row for each."""
    for group, line, value, kv in cases():
        start = time.perf_counter()
        config = load_config("pim-llm", [*BASE, f"workload.kv={json.dumps(kv)}"])
        flat = evaluate_accuracy(config, tokens=TOKENS, chips=1, seed=SEED, threads=1).flat()
        row = {"group": group, "line": line, "value": value, "kv": json.dumps(kv)}
        row |= {name: f"{flat[name]:.6g}" for name in FIGURES}
        seconds = time.perf_counter() - start
        print(
            f"{group:8} {line:26} {value:20} {row['exact_perplexity']:>8}  {seconds:.1f} s", file=sys.stderr, flush=True
        )
        yield row


def main() -> None:
    rows = list(evaluated())
    with FILE.open("w", encoding="utf-8", newline="") as file:
        file.write(
            "# kjv-bitnet with other KV caches; by benchmarks/study_kv_cache.py, explained in docs/kv-quality.md.\n"
        )
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    subprocess.run([sys.executable, "-m", "tools.generate_docs"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
