"""Selection and computation of the rows of `pimsim validate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path

from pimsim.studies.validation.comparison import KINDS, Reference, ValidationRow
from pimsim.studies.validation.reference_data import GROUPS, references
from pimsim.studies.validation.workbench import Maker, Workbench

Progress = Callable[[int, int], None]

_OURS: Mapping[str, str] = {
    "paper": "paper_figures",
    "systolic": "systolic_cycles",
    "tiles": "mnsim_tiles",
    "arrays": "array_points",
    "macros": "macro_points",
    "sram": "sram_points",
    "logic": "logic_points",
    "memory": "memory_points",
    "workloads": "model_sizes",
    "queueing": "queue_waits",
    "devices": "device_speeds",
    "hardsea": "hardsea_figures",
    "transpim": "transpim_points",
    "rom": "rom_points",
    "dram_pim": "dram_pim_points",
}
"""Module of `pimsim.studies.validation.ours` that computes each group; imported when a row of it is needed."""


def row_names() -> tuple[str, ...]:
    """List what `--only` accepts.

    Returns:
        Names of groups, kinds and rows.
    """
    return (*GROUPS, *KINDS, *references())


def selected(names: Iterable[str] = ()) -> tuple[Reference, ...]:
    """Select rows.

    Args:
        names: Names of rows, groups or kinds; none means all rows.

    Returns:
        The rows that have one of the names, in the order of the table.

    Raises:
        ValueError: If a name is unknown.
    """
    wanted = set(names)
    if unknown := sorted(wanted - set(row_names())):
        raise ValueError(f"unknown row {unknown[0]!r}")
    rows = references().values()
    return tuple(row for row in rows if not wanted or wanted & {row.name, row.group, row.kind})


@dataclass(slots=True)
class Live:
    """Other programs that are run again.

    Attributes:
        folder: Folder of their environments.
        notes: Programs that could not be run, and why; filled while rows are computed.
    """

    folder: Path
    notes: list[str] = field(default_factory=list)

    def again(self, reference: Reference) -> tuple[Reference, int]:
        """Run the program of a row.

        Args:
            reference: The row.

        Returns:
            The row with the values that the program computes now, and their number; with the stored values and 0 if
            the row has no program or if it does not run here.
        """
        from pimsim.studies.validation.peers.peer_environment import PeerUnavailableError
        from pimsim.studies.validation.peers.peer_programs import PEERS, live_values

        if not reference.peer:
            return reference, 0
        try:
            values = live_values(reference.peer, list(reference.values), self.folder)
        except PeerUnavailableError as problem:
            self.notes.append(f"{PEERS[reference.peer].title}: {problem}; {reference.name} has the stored values")
            return reference, 0
        return reference.with_values(values), len(values)


def validate(
    names: Iterable[str] = (),
    progress: Progress | None = None,
    bench: Workbench | None = None,
    live: Live | None = None,
) -> tuple[ValidationRow, ...]:
    """Compute rows.

    Args:
        names: Names of rows, groups or kinds; none means all rows.
        progress: Function of the number of finished rows and of all, called after each row; None means no reports.
        bench: Results that exist already; None means new ones.
        live: Where other programs are installed, to run them again; None means their stored values.

    Returns:
        The rows, in the order of the table.

    Raises:
        ValueError: If a name is unknown.
    """
    wanted = selected(names)
    shared = bench or Workbench()
    rows = []
    for number, reference in enumerate(wanted, 1):
        now, ran = (reference, 0) if live is None else live.again(reference)
        rows.append(ValidationRow(now, _maker(now)(shared, now), ran))
        if progress is not None:
            progress(number, len(wanted))
    return tuple(rows)


def summary(rows: Sequence[ValidationRow]) -> dict[str, int]:
    """Count rows.

    Args:
        rows: Computed rows.

    Returns:
        Numbers of rows: all, within their tolerance, outside, outside but known to be, not used to build pimsim, and of
        the latter energies and areas.
    """
    free = [row for row in rows if not row.reference.used_to_build]
    outside = [row for row in rows if not row.within]
    return {
        "rows": len(rows),
        "within": len(rows) - len(outside),
        "outside": len(outside),
        "outside_as_known": sum(bool(row.reference.outside) for row in outside),
        "not_used_to_build": len(free),
        "energies_and_areas_not_used": sum(row.reference.kind in ("energy", "area") for row in free),
    }


@cache
def _makers(group: str) -> Mapping[str, Maker]:
    module = import_module(f"pimsim.studies.validation.ours.{_OURS[group]}")
    makers: Mapping[str, Maker] = module.MAKERS
    return makers


def _maker(reference: Reference) -> Maker:
    return _makers(reference.group)[reference.name]
