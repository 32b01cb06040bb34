"""Vectors per second through a layer on analog arrays, compared with CrossSim 3.2.0 and aihwkit 1.2.0.

    python benchmarks/bench_analog_peers.py --crosssim CROSSSIM-FOLDER
    python benchmarks/bench_analog_peers.py --aihwkit-python ENVIRONMENT/bin/python

CROSSSIM-FOLDER is a checkout of sandialabs/cross-sim, tag v3.2.0, which needs numpy and scipy. ENVIRONMENT is one of
Python with aihwkit 1.2.0. Both run in processes of their own on one thread, in turn with pimsim. Times are of the
processor.

The layer is 4096 x 4096 and ternary, on differential pairs of 256 x 256 arrays. pimsim and CrossSim do the same work:
eight bit planes, an 8-bit conversion per column and plane, and 5 % variation of each cell. aihwkit does less: its tile
converts each column of each array once for all bits (docs/validation.md has what else differs).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from bench_crossbar import CASES, SIZE, chip
from measuring import duration, print_circumstances, print_table
from threadpoolctl import threadpool_limits

from crossbar.programmed_matrix import program_matrix

BATCHES = (1, 64)
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
CASE = "varied cells"


def ours(case: str, rounds: int) -> dict[str, list[float]]:
    """Return the processor seconds of each round by batch."""
    generator = np.random.default_rng(0)
    matrix = program_matrix(generator.integers(-1, 2, (SIZE, SIZE)), chip(CASES[case]), threads=1)
    seconds: dict[str, list[float]] = {}
    for batch in BATCHES:
        x = generator.integers(-128, 128, (batch, SIZE))
        matrix.multiply(x, threads=1)  # compiled, or from the cache
        repeats = 10 if batch == 1 else 1  # the clock is coarse beside one vector
        seconds[str(batch)] = []
        for _ in range(rounds):
            start = time.process_time()
            for _ in range(repeats):
                matrix.multiply(x, threads=1)
            seconds[str(batch)].append((time.process_time() - start) / repeats)
    return seconds


def theirs(python: str, side: str, folder: Path | None, rounds: int) -> dict[str, Any]:
    """Return the answer of the other side."""
    environment = {**os.environ, **ONE_THREAD}
    environment.pop("PYTHONPATH", None)
    if folder is not None:
        environment["PYTHONPATH"] = str(folder)
    job = json.dumps({"size": SIZE, "batches": BATCHES, "rounds": rounds, "seed": 0})
    command = [python, str(Path(__file__).with_name(side))]
    done = subprocess.run(command, input=job, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{side} failed:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crosssim", type=Path, metavar="FOLDER", help="checkout of CrossSim 3.2.0")
    parser.add_argument("--crosssim-python", default=sys.executable, metavar="PYTHON", help="with numpy and scipy")
    parser.add_argument("--aihwkit-python", metavar="PYTHON", help="Python with aihwkit 1.2.0")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.crosssim is None and given.aihwkit_python is None:
        raise SystemExit("nothing to compare with: give --crosssim FOLDER or --aihwkit-python PYTHON")
    print_circumstances("numpy", "numba")
    peers: list[tuple[str, str, str, Path | None]] = []
    if given.crosssim is not None:
        peers.append(("CrossSim 3.2.0", given.crosssim_python, "crosssim_side.py", given.crosssim))
    if given.aihwkit_python is not None:
        peers.append(("aihwkit 1.2.0", given.aihwkit_python, "aihwkit_side.py", None))
    rows = []
    for name, python, side, folder in peers:
        # Half of our rounds are before the other program and half after it, so that a change of load is seen.
        with threadpool_limits(1):
            before = {case: ours(case, given.rounds) for case in (CASE, f"{CASE}, read noise")}
        answer = theirs(python, side, folder, given.rounds)
        with threadpool_limits(1):
            after = {case: ours(case, given.rounds) for case in before}
        for batch in BATCHES:
            for tile, seconds in (answer["tiles"] if "tiles" in answer else {name: answer["seconds"]}).items():
                peer_s = statistics.median(seconds[str(batch)])
                rows.append((batch, tile, f"{batch / peer_s:.3g}", duration(peer_s), "1"))
                for case, first in before.items():
                    our_s = statistics.median([*first[str(batch)], *after[case][str(batch)]])
                    label = f"pimsim, {case}"
                    rows.append((batch, label, f"{batch / our_s:.3g}", duration(our_s), f"{peer_s / our_s:.1f}"))
    print_table(("batch", "program", "vectors/s", "processor time, median", "rate / peer"), rows)


if __name__ == "__main__":
    main()
