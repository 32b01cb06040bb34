"""Time programming a layer of arrays, and multiplying by it compared with eight float32 matrix products.

    python benchmarks/bench_crossbar.py --rounds 7

The layer is 4096 x 4096 and ternary, on differential pairs of 256 x 256 arrays with all rows driven together. The
8-bit activations are applied in eight bit planes, with an 8-bit conversion per column and plane. Every cell has its own
conductance (5 % variation), except in the cases with ideal cells. The reference is eight products of the whole layer by
BLAS, one per bit plane, without converters. Each round times all cases in sequence, first BLAS and then the arrays,
because two thread pools that alternate wait for each other. Ratios are of medians of the same run.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np
from measuring import Times, duration, print_circumstances, print_table
from threadpoolctl import threadpool_limits

from crossbar.params import CrossbarParams
from crossbar.programmed_matrix import ProgrammedMatrix, program_matrix
from pimsim import load_config

SIZE = 4096
SETTLE_S = 0.3
"""Pause in which the threads of one pool go idle before the other pool starts."""
WARM_S = 0.1
"""Time before a case is timed: after a pause, it takes tens of ms until threads are on cores of their own."""
IDEAL = (
    "noise.variation.lrs.sigma=0",
    "noise.variation.hrs.sigma=0",
    "noise.read={lrs: 0, hrs: 0}",
    "noise.faults={stuck_lrs: 0, stuck_hrs: 0}",
    "wires.model=none",
    "array.rows_at_once=256",
    "adc.bits=8",
    "adc.range=full",
)
VARIED = ("noise.variation.lrs.sigma=0.05", "noise.variation.hrs.sigma=0.05")
READ_NOISE = ("noise.read={lrs: 0.02, hrs: 0.02}",)
CASES = {
    "varied cells": (*IDEAL, *VARIED),
    "varied cells, read noise": (*IDEAL, *VARIED, *READ_NOISE),
    "ideal cells": IDEAL,
    "ideal cells, read noise": (*IDEAL, *READ_NOISE),
}


def chip(settings: tuple[str, ...]) -> CrossbarParams:
    pair = load_config("pim-llm", [f"machine.crossbar.pair.{setting}" for setting in settings]).machine.crossbar
    assert pair is not None
    return pair.pair


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def multiplications(matrices: dict[str, ProgrammedMatrix], weights: np.ndarray, rounds: int) -> None:
    generator = np.random.default_rng(1)
    rows = []
    for batch in (1, 64):
        x = generator.integers(-128, 128, (batch, SIZE))
        planes = [generator.integers(0, 2, (batch, SIZE)).astype(np.float32) for _ in range(8)]
        repeats = 8 if batch == 1 else 1
        for threads in (1, 2):
            times: dict[str, list[float]] = {name: [] for name in ("eight products", *matrices)}
            for _ in range(rounds):
                with threadpool_limits(threads, "blas"):
                    warm_until = time.perf_counter() + WARM_S
                    while time.perf_counter() < warm_until:
                        [plane @ weights for plane in planes]
                    times["eight products"] += [
                        timed(lambda given=planes: [plane @ weights for plane in given]) for _ in range(repeats)
                    ]
                time.sleep(SETTLE_S)
                for name, matrix in matrices.items():
                    warm_until = time.perf_counter() + WARM_S
                    while time.perf_counter() < warm_until:
                        matrix.multiply(x, threads=threads)
                    times[name] += [
                        timed(lambda m=matrix, v=x, t=threads: m.multiply(v, threads=t)) for _ in range(repeats)
                    ]
                time.sleep(SETTLE_S)
            base = statistics.median(times["eight products"])
            for name, seconds in times.items():
                all_times = Times(tuple(seconds))
                rate = batch / all_times.median
                rows.append((batch, threads, name, f"{rate:.0f}", all_times, f"{base / all_times.median:.2f}"))
    print_table(("batch", "threads", "case", "vectors/s", "time, median (min to max)", "rate / eight products"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print_circumstances("numpy", "numba")
    generator = np.random.default_rng(0)
    weights = generator.integers(-1, 2, (SIZE, SIZE))
    varied = chip(CASES["varied cells"])
    program_matrix(weights, varied)  # compiles the kernels
    table = []
    for threads in (1, 2):
        seconds = Times(
            tuple(timed(lambda t=threads: program_matrix(weights, varied, threads=t)) for _ in range(rounds))
        )
        table.append(("programming, varied cells", threads, seconds))
    print_table(("case", "threads", "time, median (min to max)"), table)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    matrices = {name: program_matrix(weights, chip(settings)) for name, settings in CASES.items()}
    held = matrices["varied cells"].nbytes / (4 * weights.size)
    print(f"\nA programmed layer with varied cells takes {held:.2f} times the memory of its float32 weights; ")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"programming four more layers raised the peak memory of the process by {(after - before) / 1024:.0f} MiB.\n")
    warm = timed(lambda: matrices["varied cells"].multiply(np.zeros((1, SIZE), np.int32)))
    print(f"First call, compiled or from the cache: {duration(warm)}.\n")
    multiplications(matrices, weights.astype(np.float32), rounds)


if __name__ == "__main__":
    main()
