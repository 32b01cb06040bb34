"""Report of rooflines: the roofs of the machine, then for each run its classes of ops and what bounds them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import IO

from rich.table import Table as RichTable
from rich.text import Text

from pimsim.base.units import Dimension, format_quantity
from pimsim.present.text.tables import console, quantity, table
from pimsim.studies.memory_wall.machine_roofs import label_of
from pimsim.studies.memory_wall.roofline_result import MEMORY, PORT, ClassPoint, Roofline

OPERATION_RATE = Dimension("operation rate", "", (("OPS", Decimal(1)),), "")

KEY = (
    "op/B: operations per byte of off-chip memory, or of the port of the global buffer; OPS: operations per second",
    "lowest roof: the smallest of the peak rates at these intensities; share: fraction of it that the run attains",
    "bound by: what works longest for the class in the run; of time: for how much of it; at peak: of its peak rate",
)


def print_rooflines(rooflines: Sequence[Roofline], file: IO[str] | None = None) -> None:
    """Print the rooflines of one run or of several on the same machine.

    Args:
        rooflines: The rooflines.
        file: File to write to; None means standard output.
    """
    out = console(file)
    shown = []
    for each in rooflines:
        out.print(Text(each.title, style="bold"))
        if each.roofs not in shown:
            shown.append(each.roofs)
            out.print(_roofs(each))
            out.print()
        out.print(_classes(each))
        out.print()
        for sentence in each.sentences():
            out.print(Text(f"  {sentence}"))
        out.print()
    per_mac = rooflines[0].operations_per_mac
    out.print(Text("a MAC counts as " + ("one operation" if per_mac == 1 else f"{per_mac} operations")))
    for line in KEY:
        out.print(Text(line))


def rate(operations_per_s: float) -> str:
    """Format operations per second, e.g. "102.4 GOPS".

    Args:
        operations_per_s: Operations per second.

    Returns:
        The rate with the prefix that suits its size.
    """
    return format_quantity(operations_per_s, OPERATION_RATE)


def print_bounds(roofline: Roofline, file: IO[str] | None = None) -> None:
    """Print what bounds the classes of ops of a run, for `pimsim run --explain`.

    Args:
        roofline: The roofline of the run.
        file: File to write to; None means standard output.
    """
    out = console(file)
    out.print(Text("What bounds the ops (pimsim roofline has the whole table)", style="bold"))
    for sentence in roofline.sentences():
        out.print(Text(f"  {sentence}"))


def _roofs(roofline: Roofline) -> RichTable:
    moved = roofline.bandwidth_roofs()
    headings = [f"ridge to {each.label}" for each in moved]
    shown = table("roof", "peak", *headings, "made of", numeric=range(1, 2 + len(moved)))
    for unit in roofline.compute_roofs():
        ridges = [roofline.ridge(unit.resource, each.resource) for each in moved]
        shown.add_row(
            unit.label, rate(unit.peak_per_s), *(_number(each, " op/B") for each in ridges), unit.derived_from
        )
    for each in moved:
        shown.add_row(each.label, quantity(each.peak_per_s, "_bytes_per_s"), *([""] * len(moved)), each.derived_from)
    return shown


def _classes(roofline: Roofline) -> RichTable:
    shown = table(
        "class of ops",
        "time",
        "share",
        "op/B memory",
        "op/B port",
        "attained",
        "lowest roof",
        "",
        "share",
        "bound by",
        "of time",
        "at peak",
        numeric=(1, 2, 3, 4, 5, 7, 8, 10, 11),
    )
    for each in (*roofline.classes, roofline.whole):
        shown.add_row(*_cells(each, roofline.latency_s), end_section=each is roofline.classes[-1])
    return shown


def _cells(point: ClassPoint, latency_s: float) -> list[str]:
    roof, bound = point.roof, point.bound
    return [
        point.name,
        quantity(point.time_s, "_s"),
        _share(point.time_s / latency_s if latency_s else None),
        _number(point.intensity(MEMORY)),
        _number(point.intensity(PORT)),
        rate(point.attained_per_s) if point.attained_per_s else "",
        label_of(roof.resource) if roof else "",
        rate(point.roof_per_s) if point.roof_per_s else "",
        _share(point.roof_share),
        label_of(bound.resource) if bound else "",
        _share(point.bound_share),
        _share(bound.used if bound else None),
    ]


def _number(value: float | None, unit: str = "") -> str:
    if value is None:
        return ""
    return f"{value:,.0f}{unit}" if value >= 1000 else f"{value:.3g}{unit}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
