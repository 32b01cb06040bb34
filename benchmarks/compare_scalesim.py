"""Imported SCALE-Sim tables, run by SCALE-Sim 3.0.0 and by pimsim: cycles, and words that cross the memory interface.

    python benchmarks/compare_scalesim.py
    python benchmarks/compare_scalesim.py --scale-sim-python ENVIRONMENT/bin/python

Without an interpreter that has SCALE-Sim, a temporary environment is made and the pinned package is installed into it.
There are 12 tables, each in three dataflows. Every layer of every table must have the cycles that SCALE-Sim prints and
the words that it counts. Two differences are stated, by the import too: where the input of a convolution
with overlapping windows exceeds half of its buffer, SCALE-Sim reads shared elements again; where the results exceed
half of theirs, it counts the padding of drained lines as words. The exit code is 1 on any other difference.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from measuring import print_table

from pimsim import simulate
from pimsim.config.loading import load_config_text
from pimsim.importers.scalesim import import_config, table_options
from pimsim.importers.scalesim_tables import DRAINED_EARLY, READ_AGAIN, import_topology
from pimsim.studies.validation.peers import scalesim_runs
from pimsim.studies.validation.peers.peer_environment import peer_python
from workloads.trace import loads

DATAFLOWS = ("os", "ws", "is")
GEMMS, SPARSE = "Layer, M, N, K,\n", "Layer Name, M, N, K, Sparsity,\n"
CONVOLUTIONS = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"


@dataclass(frozen=True)
class Case:
    """A table of layers and the machine that computes it; buffers have `kb` kB each."""

    name: str
    table: str
    height: int = 32
    width: int = 32
    kb: int = 1024
    sparse: bool = False


CASES = (
    Case("FFN, 8 vectors", GEMMS + "ffn, 8, 512, 64,\n"),
    Case("one vector", GEMMS + "fc, 1, 256, 256,\n"),
    Case("sizes beside the array", GEMMS + "a, 100, 40, 64,\nb, 7, 3, 5,\nb, 7, 3, 5,\nc, 33, 31, 65,\n"),
    Case("single row, column, element", GEMMS + "a, 1, 1, 70,\nb, 70, 1, 1,\nc, 1, 70, 1,\nd, 1, 1, 1,\n"),
    Case("wide array, 16 x 64", GEMMS + "fc, 1, 256, 256,\nb, 70, 40, 33,\n", 16, 64),
    Case("tall array, 64 x 16", GEMMS + "fc, 1, 256, 256,\nb, 70, 40, 33,\n", 64, 16),
    Case("attention heads, 8 x 8", GEMMS + "QKT, 24, 24, 16,\nQKTV, 24, 16, 24,\nout, 24, 32, 32,\n", 8, 8),
    Case("sparsity 1:4", SPARSE + "G, 64, 64, 256, 1:4,\n", sparse=True),
    Case("sparsity, odd blocks", SPARSE + "a, 5, 7, 10, 2:4,\nb, 40, 9, 77, 3:8,\nc, 6, 9, 12, 1:1,\n", sparse=True),
    Case(
        "convolutions",
        CONVOLUTIONS + "c, 12, 10, 3, 3, 4, 8, 1,\nstride, 14, 13, 3, 3, 3, 16, 2,\ngaps, 11, 9, 1, 2, 2, 5, 3,\n",
    ),
    Case(
        "pointwise, depth-wise, FC",
        CONVOLUTIONS + "pw, 7, 7, 1, 1, 16, 24, 1,\nDP, 8, 8, 3, 3, 2, 1, 2,\nFC, 1, 1, 1, 1, 64, 40, 1,\n",
    ),
    Case("buffers of 1 kB", GEMMS + "cube, 64, 64, 64,\nflat, 24, 70, 13,\nsmall, 8, 8, 8,\n", 8, 8, kb=1),
)


def jobs(folder: Path) -> Iterator[tuple[Case, str, Path, Path]]:
    """Write the files of all cases.

    Args:
        folder: Folder for them.

    Yields:
        Case, dataflow, config and table.
    """
    for number, case in enumerate(CASES):
        table = folder / f"table-{number}.csv"
        table.write_text(case.table, encoding="utf-8")
        for dataflow in DATAFLOWS:
            config = folder / f"{number}-{dataflow}.cfg"
            values = {"height": case.height, "width": case.width, "kb": case.kb, "sparse": str(case.sparse).lower()}
            config.write_text(scalesim_runs.CONFIG.format(dataflow=dataflow, **values), encoding="utf-8")
            yield case, dataflow, config, table


def ours(config: Path, table: Path) -> tuple[list[list[int]], tuple[bool, bool]]:
    """Import and simulate a case.

    Args:
        config: The .cfg.
        table: The table of layers.

    Returns:
        Cycles, words read and words written by layer; and whether the import says that SCALE-Sim counts more words
        read, and more words written.
    """
    machine = load_config_text(import_config(config).text)
    imported = import_topology(table, table_options(config))
    result = simulate(machine, loads(imported.text))
    cycle_ps = round(1e12 / machine.machine.systolic.clock_hz)
    layers = [
        [op.parts_ps["systolic"] // cycle_ps, op.counts["memory.read_bit"] // 8, op.counts["memory.write_bit"] // 8]
        for op in result.ops
    ]
    more = tuple(any(what in note for note in imported.table.notes) for what in (READ_AGAIN, DRAINED_EARLY))
    return layers, (more[0], more[1])


def compare(python: str, folder: Path) -> int:
    """Run all cases by both simulators and print the table.

    Args:
        python: Interpreter that has SCALE-Sim.
        folder: Folder for files.

    Returns:
        Number of rows with a difference that is not the stated one.
    """
    cases = list(jobs(folder))
    listed: list[Mapping[str, object]] = [
        {"config": str(config), "table": str(table), "gemm": not case.table.startswith(CONVOLUTIONS)}
        for case, _, config, table in cases
    ]
    runs = scalesim_runs.run_tables(python, folder, listed)
    rows, wrong = [], 0
    for (case, dataflow, config, table), theirs in zip(cases, runs, strict=True):
        found, (more_read, more_written) = ours(config, table)
        stated = all(
            a == b and (c == d or (more_read and c < d)) and (e == f or (more_written and e < f))
            for (a, c, e), (b, d, f) in zip(found, theirs, strict=True)
        )
        verdict = "equal" if found == theirs else "as stated" if stated else "DIFFERENT"
        wrong += verdict == "DIFFERENT"
        sums = [sum(column) for side in (theirs, found) for column in zip(*side, strict=True)]
        pairs = (value for index in range(3) for value in (f"{sums[index]:,}", f"{sums[index + 3]:,}"))
        rows.append((case.name, dataflow, len(theirs), *pairs, verdict))
    head = ("table", "dataflow", "layers", "cycles", "pimsim", "words read", "pimsim", "words written", "pimsim", "")
    print_table(head, rows)
    return wrong


def main() -> None:
    """Compare; the exit code is 1 on a difference that is not stated."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale-sim-python", help="interpreter that has SCALE-Sim; default: a new environment")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        python = arguments.scale_sim_python or peer_python(Path(folder), "scalesim", (scalesim_runs.REQUIREMENTS,))
        wrong = compare(python, Path(folder))
    print(f"\n{wrong} of {len(CASES) * len(DATAFLOWS)} rows differ otherwise than stated")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
