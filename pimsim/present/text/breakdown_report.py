"""Report of a breakdown: time, energy, MACs and memory traffic by op or by layer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import IO, Any, NamedTuple

from rich.text import Text

from pimsim.base.errors import printable
from pimsim.present.text.tables import console, quantity, table
from pimsim.results.breakdown import BREAKDOWNS, LEAKAGE
from pimsim.results.run_result import RunResult

Row = dict[str, Any]
MAX_NAME_CHARS = 40


class _Line(NamedTuple):
    """One printed line: the name, and the rows that it adds up."""

    name: str
    rows: list[Row]


def print_breakdown(result: RunResult, by: str, file: IO[str] | None = None) -> None:
    """Print the time, energy, MACs and memory traffic of a run by op or by layer, and their totals.

    Args:
        result: Result of the run.
        by: "op" or "layer", a key of `pimsim.results.breakdown.BREAKDOWNS`.
        file: File to write to; None means standard output.
    """
    out = console(file)
    rows = BREAKDOWNS[by](result)
    lines = _ops(rows) if by == "op" else _layers(rows)
    head = "executions" if by == "op" else "blocks"
    shown = table(by, head, "time", "share", "energy", "share", "MACs", "read", "written", numeric=range(1, 9))
    for name, each in [*lines, _Line("total", rows)]:
        executed = sum(row["count"] for row in each) if by == "op" else sum(row["block"] != LEAKAGE for row in each)
        shown.add_row(printable(name, MAX_NAME_CHARS), f"{executed:,}" if executed else "", *_figures(each))
    out.print(Text(f"Time on the critical path, energy and memory traffic by {by}", style="bold"))
    out.print()
    out.print(shown)


def _ops(rows: list[Row]) -> list[_Line]:
    """Return one line per op, the one with the longest time on the critical path first and leakage last."""
    in_order = sorted(rows, key=lambda row: (row["kind"] == LEAKAGE, -row["time_s"], -row["energy_j"]))
    return [_Line(row["op"], [row]) for row in in_order]


def _layers(rows: list[Row]) -> Iterator[_Line]:
    """Join consecutive equal layers.

    Args:
        rows: Rows of `by_layer`.

    Yields:
        One line per layer or sequence of equal layers.
    """

    def figures(row: Row) -> tuple[object, ...]:
        return tuple(value for key, value in row.items() if key != "index")

    blocks = [row["block"] for row in rows]
    for _, equal in groupby(rows, key=figures):
        group = list(equal)
        first, last = group[0], group[-1]
        if len(group) > 1:
            yield _Line(f"{first['block']} {first['index']} to {last['index']}", group)
        else:
            yield _Line(first["block"] + (f" {first['index']}" if blocks.count(first["block"]) > 1 else ""), group)


def _figures(rows: list[Row]) -> Iterator[str]:
    """Format the sums of rows.

    Args:
        rows: Rows of a breakdown.

    Yields:
        Time, energy, their fractions of the totals, MACs, and bytes read and written.
    """
    total = {key: sum(row[key] for row in rows) for key in rows[0] if key.startswith(("time", "energy", "m"))}
    yield quantity(total["time_s"], "_s") if total["time_s"] else ""
    yield f"{total['time_share']:.2%}" if total["time_s"] else ""
    yield quantity(total["energy_j"], "_j")
    yield f"{total['energy_share']:.2%}"
    yield f"{total['macs']:,}" if total["macs"] else ""
    for key in ("memory_read_bytes", "memory_write_bytes"):
        yield quantity(total[key], "_bytes") if total[key] else ""
