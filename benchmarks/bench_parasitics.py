"""Time the exact and the approximate solution of resistive arrays, or print the error table of docs/wires.md.

    python benchmarks/bench_parasitics.py --runs 5
    python benchmarks/bench_parasitics.py --errors

The exact solution is compared with badcrossbar, which needs pycairo only for drawing:

    pip install --no-deps badcrossbar pathvalidate sigfig
"""

from __future__ import annotations

import argparse
import importlib
import logging
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from measuring import Times, duration, print_circumstances, print_table
from numpy.typing import NDArray

from crossbar.kernels.threads import max_threads, use_threads
from crossbar.parasitics import approximate_transfer_matrix, solve_currents, transfer_matrix

Floats = NDArray[np.float64]

SIZES = (32, 64, 128, 256)
LRS_OHM = (1e4, 1e5)
WIRE_OHM = (0.3, 1.0, 2.82)
ON_OFF = (10.0, 100.0, 1e4)
DENSITIES = (1 / 3, 1 / 2)
INPUTS = 200


def measured(runs: int, work: Callable[[], object]) -> Times:
    """Return wall-clock times, after one run that compiles and warms up."""
    seconds = []
    for run in range(runs + 1):
        start = time.perf_counter()
        work()
        if run:
            seconds.append(time.perf_counter() - start)
    return Times(tuple(seconds))


def random_cells(size: int, lrs_ohm: float, on_off: float, density: float, seed: int = 0) -> Floats:
    rng = np.random.default_rng([seed, size])
    return np.where(rng.random((size, size)) < density, 1 / lrs_ohm, 1 / lrs_ohm / on_off)


def print_times(runs: int) -> None:
    logging.disable()  # badcrossbar logs each step
    try:
        with warnings.catch_warnings(record=True):  # without pycairo it warns despite all filters
            compute = importlib.import_module("badcrossbar").compute
    except ModuleNotFoundError:
        compute = None
        print("badcrossbar is not installed, so it is not timed\n")
    rows = []
    for size, vectors in ((64, 1), (128, 1), (256, 1), (256, 64)):
        cells = random_cells(size, 1e4, 100.0, 1 / 3)
        voltages = np.random.default_rng(1).random((vectors, size))
        ours = measured(runs, lambda c=cells, v=voltages: solve_currents(c, v, 1.0, 1.0))
        row = [f"{size} x {size}", vectors, ours]
        if compute:
            theirs = measured(
                max(1, runs // 2),
                lambda c=cells, v=voltages: compute(v.T, 1 / c, 1.0, node_voltages=False, all_currents=False),
            )
            row += [theirs, f"{theirs.median / ours.median:.0f}"]
        rows.append(row)
    print_table(["array", "vectors", "solve_currents", "badcrossbar", "ratio"][: len(rows[0])], rows)
    print()
    cells = np.stack([random_cells(256, 1e4, 100.0, 1 / 3, seed) for seed in range(32)])
    rows = []
    for threads in sorted({1, max_threads()}):
        with use_threads(threads):
            exact = measured(runs, lambda: transfer_matrix(cells[:4], 1.0, 1.0)).median / 4
            approximate = measured(runs, lambda: approximate_transfer_matrix(cells, 1.0, 1.0)).median / len(cells)
        rows.append([threads, duration(exact), duration(approximate), f"{512 * approximate:.2g} s"])
    print_table(["threads", "transfer_matrix, 256 x 256", "approximate", "approximate, 512 arrays"], rows)


@dataclass(frozen=True)
class Errors:
    """Errors of the approximation for one array."""

    lost: float
    """Fraction of the current that is lost through wire resistance, with all inputs at 1."""
    current_max: float
    """Largest relative error of a column current, over random binary inputs."""
    current_rms: float
    current_of_mean: float
    """Largest error of a column current relative to the mean current; columns with all cells in HRS carry little."""
    lrs_max: float
    """Largest relative error of an element of T whose cell is in LRS."""
    hrs_max: float
    """Largest error of the other elements, relative to the mean element whose cell is in LRS."""


def errors(cells: Floats, wire_ohm: float) -> Errors:
    exact, approximate = (
        transfer_matrix(cells, wire_ohm, wire_ohm),
        approximate_transfer_matrix(cells, wire_ohm, wire_ohm),
    )
    inputs = (np.random.default_rng(2).random((INPUTS, len(cells))) < 0.5).astype(float)
    currents = inputs @ exact
    error = inputs @ approximate - currents
    lrs = cells == cells.max()
    return Errors(
        lost=1 - exact.sum() / cells.sum(),
        current_max=abs(error / currents).max(),
        current_rms=np.sqrt(((error / currents) ** 2).mean()),
        current_of_mean=abs(error).max() / currents.mean(),
        lrs_max=abs(approximate[lrs] / exact[lrs] - 1).max(),
        hrs_max=abs(approximate[~lrs] - exact[~lrs]).max() / exact[lrs].mean(),
    )


def print_errors() -> None:
    rows = []
    for lrs_ohm, wire_ohm, size in product(LRS_OHM[::-1], WIRE_OHM, SIZES):
        cases = [
            errors(random_cells(size, lrs_ohm, on_off, density), wire_ohm)
            for on_off, density in product(ON_OFF, DENSITIES)
        ]
        worst = [max(getattr(case, name) for case in cases) for name in Errors.__annotations__]
        rows.append([f"{lrs_ohm / 1e3:g} k", f"{wire_ohm:g}", size, *(f"{100 * value:.2g}" for value in worst)])
    head = ["LRS, ohm", "wire, ohm", "size", "lost %", "I max %", "I rms %", "I max % of mean", "T in LRS", "T in HRS"]
    print_table(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--errors", action="store_true", help="print the error table instead of times")
    arguments = parser.parse_args()
    if arguments.errors:
        print_errors()
    else:
        print_circumstances("numpy", "numba")
        print_times(arguments.runs)


if __name__ == "__main__":
    main()
