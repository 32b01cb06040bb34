"""Processor time of a step under each schedule, and of a long one whose memory has a timing table.

    python benchmarks/bench_schedules.py --runs 5 --against CHECKOUT

Each measurement is a process of its own. Those that are compared take turns, so that other load on the machine affects
both. "SimPy" and "Python" are the readable versions of what is measured, which give the same results; with `--against`,
the same step is also simulated by the checkout of an earlier revision, such as 3e01c63. "After the first" is the median
of seven more simulations in one process, "the first" also loads what it needs (Numba with its compiled code).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import Times, duration, print_circumstances, print_table

ROOT = Path(__file__).parents[1]
CODE = """
import sys, time
from pathlib import Path
from statistics import median
from pimsim import load_config, simulate

folder, how, again, *options = sys.argv[1:]
source = Path(folder) / "run.yaml"
machine = "pim-llm-published" if (Path.cwd() / "configs" / "pim-llm-published.yaml").exists() else "pim-llm"
layers = [machine] + [each[1:] for each in options if each[0] == "+"]
source.write_text(f"extends: [{', '.join(layers)}]\\n", encoding="utf-8")
overrides = [each for each in options if each[0] != "+"]
if machine == "pim-llm-published":
    overrides.append("machine.memory.capacity_bytes=null")  # earlier revisions do not check it
if how == "simpy":
    from functools import partial
    from pimsim import simulation
    simulation.run = partial(simulation.run, stepped=True)
if how == "python":
    from pimsim.hardware.shared import dram
    dram.LEAST_COMPILED = 1 << 60
config = load_config(source, overrides)
seconds = []
for _ in range(1 + int(again)):
    start = time.process_time()
    result = simulate(config)
    seconds.append(time.process_time() - start)
print(median(seconds[1:] or seconds), result.latency_s, len(result.activities))
"""
STEPS = (
    ("contended, context 128", "simpy", 7, ["schedule=contended"]),
    ("dataflow, context 128", "simpy", 7, ["schedule=dataflow"]),
    ("dataflow, context 4,096", "simpy", 7, ["schedule=dataflow", "workload.context_length=4096"]),
    ("serial, context 128", "", 7, ["schedule=serial"]),
    (
        "contended, LPDDR5X with timing, context 131,072",
        "python",
        0,
        ["+memory-lpddr5x-timing", "schedule=contended", "workload.context_length=131072"],
    ),
)


def measured(root: Path, how: str, again: int, options: list[str]) -> tuple[float, str]:
    """Return the processor time of a simulation in a new process, seconds, and the latency and activities it prints."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", CODE, folder, how, str(again), *options],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        )
    seconds, _, result = done.stdout.strip().partition(" ")
    return float(seconds), result


def rows(runs: int, against: Path | None) -> list[tuple[str, ...]]:
    """Return a row per step: its time, and the time of each version that it is compared with, over its own."""
    found = []
    for name, oracle, again, options in STEPS:
        versions = [(ROOT, ""), *([(ROOT, oracle)] if oracle else []), *([(against, "")] if against else [])]
        turns = [[measured(root, how, again, options) for root, how in versions] for _ in range(runs)]
        assert len({result for turn in turns for _, result in turn}) == 1, f"{name}: the results differ"
        ratios = [Times(tuple(turn[index][0] / turn[0][0] for turn in turns)) for index in range(1, len(versions))]
        own = Times(tuple(turn[0][0] for turn in turns)).median
        cells = [f"{ratio.median:.2f} ({min(ratio.seconds):.2f} to {max(ratio.seconds):.2f})" for ratio in ratios]
        if not oracle:
            cells.insert(0, "")
        found.append((name, "after the first" if again else "the first", duration(own), *cells))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--against", type=Path, help="folder with the checkout of another revision")
    arguments = parser.parse_args()
    print_circumstances("simpy", "numba")
    head = ["step of OPT-6.7B", "which", "processor time", "SimPy or Python / this"]
    table = rows(arguments.runs, arguments.against and arguments.against.resolve())
    print_table(head + (["other revision / this"] if arguments.against else []), table)


if __name__ == "__main__":
    main()
