"""Report of a run with ranges: an interval per figure, and the numbers whose measurement would narrow it most."""

from __future__ import annotations

from typing import IO

from rich.text import Text

from pimsim.base.summaries import counted
from pimsim.present.text.tables import console, quantity, table
from pimsim.studies.ranges.ranges_result import RangesResult
from pimsim.studies.ranges.unknown_ranges import UNKNOWN

SHOWN = 8
LEAST_SHARE = 0.005
EXPLAINED = ("tokens_per_s", "tokens_per_j", "area_m2", "latency_s", "energy_j")
"""Figures whose variance is explained, if they vary; the last two only in a run without tokens."""

_LABELS = {
    "tokens_per_s": ("speed", "tokens/s"),
    "latency_s": ("latency", "_s"),
    "tokens_per_j": ("energy efficiency", "tokens/J"),
    "energy_j": ("energy", "_j"),
    "power_w": ("mean power", "_w"),
    "gops": ("throughput", "GOPS"),
    "gops_per_w": ("efficiency", "GOPS/W"),
    "area_m2": ("area", "mm^2"),
}


def _value(name: str, value: float) -> str:
    unit = _LABELS[name][1]
    if unit == "mm^2":
        return f"{value * 1e6:.4g} mm^2"
    return quantity(value, unit) if unit.startswith("_") else f"{value:.4g} {unit}"


def print_ranges(result: RangesResult, file: IO[str] | None = None) -> None:
    """Print the interval of each figure beside its point value, and the one by the linearisation.

    Args:
        result: The intervals.
        file: File to write to; None means standard output.
    """
    out = console(file)
    sources = len(result.uniform)
    out.print(
        Text(
            f"Ranges: 95 % intervals from {counted(result.count, 'sample')} of {len(result.ranges)} uncertain numbers "
            f"with {counted(sources, 'independent source')}",
            style="bold",
        )
    )
    rows = table("figure", "point", "low", "median", "high", "first order", numeric=(1, 2, 3, 4, 5))
    for name, (label, _) in _LABELS.items():
        if (each := result.intervals.get(name)) is not None:
            ends = f"{_value(name, each.first_order_low)} to {_value(name, each.first_order_high)}"
            rows.add_row(label, *(_value(name, x) for x in (each.point, each.low, each.median, each.high)), ends)
    out.print(rows)
    if unknown := [each.key for each in result.ranges if each.source.startswith(UNKNOWN)]:
        out.print(Text(f"taken as unknown, so that points are those of the likely values: {', '.join(unknown)}"))
    if result.exact:
        keys = ", ".join(result.exact[:SHOWN])
        more = f" and {len(result.exact) - SHOWN} more" if len(result.exact) > SHOWN else ""
        out.print(Text(f"exact, because the config or --set gives a value without a range: {keys}{more}"))
    for note in result.notes:
        out.print(Text(f"note: {note}"))


def print_shares(result: RangesResult, file: IO[str] | None = None) -> None:
    """Print which numbers to measure next: the sources of uncertainty by their share in the variance of a figure.

    Args:
        result: The intervals.
        file: File to write to; None means standard output.
    """
    out = console(file)
    out.print(Text("What to measure next: first-order Sobol' shares of the variance, by source", style="bold"))
    names = EXPLAINED[:3] if "tokens_per_j" in result.samples else EXPLAINED[2:]
    for name in names:
        shares = result.shares(name) if name in result.samples else {}
        shown = [(source, each) for source, each in shares.items() if each.share >= LEAST_SHARE][:SHOWN]
        out.print()
        if not shown:
            why = (
                "the sample is too small" if result.intervals[name].low < result.intervals[name].high else "it is exact"
            )
            out.print(Text(f"{_LABELS[name][0]}: no shares, because {why}"))
            continue
        rows = table(f"variance of {_LABELS[name][0]}", "share", "", "first order", "range", numeric=(1, 2, 3))
        for source, each in shown:
            linear = result.first_order[name].shares.get(source, 0.0)
            rows.add_row(
                source, f"{each.share:.1%}", f"+- {each.half_width:.1%}", f"{linear:.1%}", _range_of(result, source)
            )
        rows.add_row("all sources together", f"{sum(each.share for each in shares.values()):.1%}", "", "", "")
        out.print(rows)


def _range_of(result: RangesResult, source: str) -> str:
    each = next(found for found in result.ranges if found.group == source)
    ends = " to ".join(_in_unit(each.key, end) for end in (each.range.low, each.range.high))
    others = len(result.keys_of(source)) - 1
    more = f" (and {counted(others, 'other key')})" if others else ""
    return f"{ends}{more}"


def _in_unit(key: str, value: float) -> str:
    return quantity(value, key.rpartition(".")[2])
