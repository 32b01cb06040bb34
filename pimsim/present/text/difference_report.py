"""Report of `pimsim diff`: figures, keys, and the parts, actions and ops that differ, the largest differences first."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import IO, TypeVar

from rich.console import Console
from rich.text import Text

from pimsim.base.errors import MAX_LINE_CHARS, printable
from pimsim.base.summaries import counted
from pimsim.base.units import PS_PER_S, ps_to_s
from pimsim.present.text.catalog_report import confidence_letters, value_text
from pimsim.present.text.tables import console, quantity, table
from pimsim.studies.difference.exact_shares import LEAKAGE, OpShare
from pimsim.studies.difference.key_differences import KeyDifference, ValueOrigin
from pimsim.studies.difference.run_difference import RunDifference, SharePair, Side

MOST_ROWS = 12
"""Rows of a table; the rest is summed up in one row, so that each table adds up. `--csv` and `--json` have all rows."""

Cells = Sequence[str]
T = TypeVar("T")


def print_difference(found: RunDifference, file: IO[str] | None = None) -> None:
    """Print why two results differ.

    Args:
        found: The difference.
        file: File to write to; None means standard output.
    """
    out = console(file)
    for name, side, makers in zip(("first", "second"), (found.first, found.second), found.made_by, strict=True):
        out.print(Text.assemble((f"{name:7}", "bold"), _line(f"{_described(side)}; {', '.join(makers)}")))
    out.print(Text(_line(verdict(found)), style="bold"))
    if not found.same_figures:
        _print_figures(out, found)
    _print_keys(out, found.keys)
    _print_counted(out, found)
    if not found.same_figures:
        _print_time(out, found)
        _print_energy(out, found)
        _print_area(out, found)
        _print_ops(out, found)


def verdict(found: RunDifference) -> str:
    """Summarise a difference in a sentence.

    Args:
        found: The difference.

    Returns:
        Whether the results are the same; otherwise the ratios of time, energy and area.
    """
    first, second = found.results
    effective = [each for each in found.keys if not each.no_effect]
    if found.same_figures:
        number = len(found.keys)
        also = f"{counted(number, 'key')} differ{'s' * (number == 1)}" if number else "no key of the configs differs"
        if effective:
            return f"the results are the same: time, energy, area, ops and work are equal, although {also}"
        return f"the results are the same: time, energy, area, ops and work are equal, and {also}"
    ratios = [
        f"{name} {_ratio(one, other) or 'new'}"
        for name, one, other in (
            ("time", first.latency_ps, second.latency_ps),
            ("energy", first.energy_j, second.energy_j),
            ("area", first.area_m2, second.area_m2),
        )
    ]
    if effective:
        why = f"{counted(len(effective), 'key')} with an effect on a run differ{'s' * (len(effective) == 1)}"
    else:
        why = (
            "no key with an effect differs, so it is the code: the version of pimsim, a plugin, or a file that was read"
        )
    return f"second / first: {', '.join(ratios)}; {why}"


def _described(side: Side) -> str:
    result = side.result
    work = f"{result.model}, {result.phase}, context {result.context_length:,}, {result.config.schedule}"
    name = "" if side.label == result.config.name else f"{result.config.name}, "
    return f"{side.label}: {name}{work}"


def _print_figures(out: Console, found: RunDifference) -> None:
    first, second = found.results
    shown = table("", "first", "second", "second - first", "ratio", numeric=(1, 2, 3, 4))
    for label, key, values in (
        ("latency", "_s", (ps_to_s(first.latency_ps), ps_to_s(second.latency_ps), ps_to_s(found.latency_ps))),
        ("energy", "_j", (first.energy_j, second.energy_j, float(found.energy_j))),
        ("area", "_m2", (first.area_m2, second.area_m2, float(found.area_m2))),
    ):
        texts = (quantity(values[0], key), quantity(values[1], key), _signed(values[2], key))
        shown.add_row(label, *texts, _ratio(values[0], values[1]))
    for name, (one, other) in found.work.items():
        if one != other:
            known = one is not None and other is not None
            cells = ["not counted" if each is None else f"{each:,}" for each in (one, other)]
            cells += (f"{other - one:+,}", _ratio(one, other)) if known else ()
            shown.add_row(name.replace("_", " "), *cells)
    out.print(shown)


def _print_keys(out: Console, keys: Sequence[KeyDifference]) -> None:
    effective = [each for each in keys if not each.no_effect]
    if effective:
        out.print(Text(f"{counted(len(effective), 'key')} with an effect on a run", style="bold"))
    for each in effective:
        values = " -> ".join(value_text(each.key, value) for value in (each.first, each.second))
        out.print(Text(_line(f"  {each.key}: {values}")))
        for name, origin in (("first", each.first_origin), ("second", each.second_origin)):
            if text := _place(origin):
                out.print(Text(_line(f"    {name}: {text}")))
    if letters := {origin.confidence for each in effective for origin in (each.first_origin, each.second_origin)} - {
        ""
    }:
        out.print(Text(f"  {confidence_letters(letters)}"))
    rest = [each for each in keys if each.no_effect]
    if rest:
        out.print(
            Text(_line(f"  also different, without effect on these runs: {', '.join(each.key for each in rest)}"))
        )


def _place(origin: ValueOrigin) -> str:
    source = f", {origin.source}" if origin.source else ""
    confidence = f" [{origin.confidence}]" if origin.confidence else ""
    return f"{origin.place}{source}{confidence}" if origin.place else ""


def _print_counted(out: Console, found: RunDifference) -> None:
    for what, both in (("counted", found.counted_only), ("note", found.notes_only)):
        for name, items in zip(("first", "second"), both, strict=True):
            for item in items:
                out.print(Text(_line(f"  {what} in the {name} only: {item}")))


def _print_time(out: Console, found: RunDifference) -> None:
    rows = [
        ((part.name, _time(part.first), _time(part.second)), Fraction(part.second - part.first, PS_PER_S))
        for part in found.parts
        if part.first != part.second
    ]
    _print_shares(out, "Time by kind of work", ("part", "first", "second"), rows, "_s")


def _print_energy(out: Console, found: RunDifference) -> None:
    rows = []
    for action in found.actions:
        ends = action.first, action.second
        if ends[0].energy_j != ends[1].energy_j:
            counts = (f"{each.count:,}" if each.each_j is not None else "" for each in ends)
            each_j = (quantity(each.each_j, "_j") if each.each_j is not None else "" for each in ends)
            energies = (quantity(float(each.energy_j), "_j") for each in ends)
            rows.append(((action.name, *counts, *each_j, *energies), ends[1].energy_j - ends[0].energy_j))
    heads = ("action", "count, first", "second", "each, first", "second", "energy, first", "second")
    _print_shares(out, "Energy by action", heads, rows, "_j")


def _print_area(out: Console, found: RunDifference) -> None:
    rows = []
    for area in found.areas:
        if area.first != area.second:
            cells = (area.name, *(quantity(float(each), "_m2") for each in (area.first, area.second)))
            rows.append((cells, area.second - area.first))
    _print_shares(out, "Area by component", ("component", "first", "second"), rows, "_m2")


def _print_shares(out: Console, title: str, heads: Cells, rows: Sequence[tuple[Cells, Fraction]], key: str) -> None:
    """Print the rows of a table that differ, and their sum.

    Args:
        out: Console to print to.
        title: Title of the table.
        heads: Headings of the cells.
        rows: Cells of each row, and its difference in SI units; the largest difference first.
        key: Suffix that gives the unit of the differences.
    """
    if not rows:
        return
    out.print(Text(title, style="bold"))
    shown = table(*heads, "second - first", "of all", numeric=range(1, len(heads) + 2))
    whole = sum((amount for _, amount in rows), Fraction(0))
    blank = [""] * (len(heads) - 1)
    listed, rest = _cut(rows)
    if rest:
        listed.append(((f"{len(rest)} more", *blank), sum((amount for _, amount in rest), Fraction(0))))
    for cells, amount in (*listed, (("all", *blank), whole)):
        shown.add_row(*cells, _signed(amount, key), f"{float(100 * amount / whole):.1f} %" if whole else "")
    out.print(shown)


def _print_ops(out: Console, found: RunDifference) -> None:
    pairs = [each for each in found.ops if each.first != each.second or each.only_in]
    if not pairs:
        return
    # Leakage has no time, so that it would come last; it belongs to no op, and is often the largest energy.
    listed, rest = _cut([each for each in pairs if each.name != LEAKAGE])
    listed += (each for each in pairs if each.name == LEAKAGE)
    out.print(Text("Ops", style="bold"))
    heads = ("op", "time, first", "second", "difference", "energy, first", "second", "difference", "MACs", "bytes", "")
    shown = table(*heads, numeric=range(1, 9))
    for pair in listed:
        one, other = pair.first, pair.second
        moved = other.read_bytes + other.write_bytes - one.read_bytes - one.write_bytes
        change = _changes([pair])
        shown.add_row(
            *(pair.name, _time(one.time_ps), _time(other.time_ps), change[0]),
            *(quantity(float(each.energy_j), "_j") for each in (one, other)),
            *(change[1], f"{other.macs - one.macs:+,}" if other.macs != one.macs else ""),
            *(f"{moved:+,}" if moved else "", f"{pair.only_in} only" if pair.only_in else ""),
        )
    for label, summed in ((f"{len(rest)} more", rest), ("all", pairs)):
        if summed:
            time, energy = _changes(summed)
            shown.add_row(label, "", "", time, "", "", energy)
    out.print(shown)


def _changes(pairs: Sequence[SharePair[OpShare]]) -> tuple[str, str]:
    time_ps = sum(each.second.time_ps - each.first.time_ps for each in pairs)
    energy_j = sum((each.second.energy_j - each.first.energy_j for each in pairs), Fraction(0))
    return _signed(Fraction(time_ps, PS_PER_S), "_s"), _signed(energy_j, "_j")


def _cut(rows: Sequence[T]) -> tuple[list[T], Sequence[T]]:
    """Return the rows that are listed, and those that are summed up; a single one of these is listed too."""
    most = len(rows) if len(rows) <= MOST_ROWS + 1 else MOST_ROWS
    return [*rows[:most]], rows[most:]


def _line(text: str) -> str:
    return printable(text, MAX_LINE_CHARS)


def _time(time_ps: int) -> str:
    return quantity(ps_to_s(time_ps), "_s")


def _signed(value: Fraction | float, key: str) -> str:
    amount = float(value)
    return f"{'-' if amount < 0 else '+'}{quantity(abs(amount), key)}" if amount else "0"


def _ratio(first: float, second: float) -> str:
    return f"{second / first:.5g}x" if first else ""
