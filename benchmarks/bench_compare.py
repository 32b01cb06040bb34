"""Measure `pimsim compare` of five machines, seven models and six contexts: time of processor and wall, with the start.

    python benchmarks/bench_compare.py --runs 3

Beside it: the same 210 points as single calls of `load_config` and `simulate` in one process, and one `pimsim run`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from measuring import Times, duration, print_circumstances, print_table

DESIGNS = ("pim-llm", "tpu-llm", "pim-llm-near-memory", "pim-llm-sram-attention", "pim-llm-published")
MODELS = ("gpt2-small", "gpt2-medium", "opt-350m", "opt-1.3b", "opt-2.7b", "opt-6.7b", "llama-7b")
CONTEXTS = (128, 256, 512, 1024, 2048, 4096)
SINGLE = """
from pimsim import load_config, simulate
for design in {designs}:
    for model in {models}:
        for context in {contexts}:
            keys = [f"workload.model={{model}}", f"workload.context_length={{context}}"]
            simulate(load_config(design, keys), memo={{}})
"""


def timed(command: list[str]) -> tuple[float, float]:
    """Return wall time and processor time of a command, seconds."""
    began, before = time.perf_counter(), os.times()
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    after = os.times()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return time.perf_counter() - began, used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--designs", nargs="+", default=list(DESIGNS), metavar="CONFIG")
    arguments = parser.parse_args()
    program = [sys.executable, "-m", "pimsim"]
    lists = ["--models", ",".join(MODELS), "--contexts", ",".join(map(str, CONTEXTS))]
    single = SINGLE.format(designs=arguments.designs, models=MODELS, contexts=CONTEXTS)
    points = len(arguments.designs) * len(MODELS) * len(CONTEXTS)
    commands = {
        f"`pimsim compare`, {points} points": [*program, "compare", *arguments.designs, *lists],
        f"`load_config` and `simulate`, {points} times, no shared steps": [sys.executable, "-c", single],
        "`pimsim run`, one point": [*program, "run", arguments.designs[0]],
    }
    print_circumstances()
    rows = []
    for name, command in commands.items():
        times = [timed(command) for _ in range(arguments.runs)]
        wall, used = (Times(tuple(each)) for each in zip(*times, strict=True))
        rows.append((name, wall, used, duration(used.median / (points if "one" not in name else 1))))
    print_table(("command", "wall time", "processor time", "per point"), rows)


if __name__ == "__main__":
    main()
