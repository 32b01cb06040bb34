"""Report of a comparison: what the designs count, then their figures side by side with ratios to the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from pimsim.base.errors import MAX_LINE_CHARS, printable
from pimsim.base.summaries import counted
from pimsim.base.units import ps_to_s
from pimsim.present.text.accounting_lines import print_plugins
from pimsim.present.text.tables import console, quantity, table
from pimsim.results.accounting import CostItem
from pimsim.studies.comparison.comparison_result import ComparisonResult, SharedNote
from pimsim.studies.comparison.comparison_rows import MEASURES, ComparisonRow, RowInterval
from pimsim.studies.comparison.counted_differences import (
    ABSENT,
    COUNTED,
    LEFT_OUT,
    ItemUse,
    differing_items,
    differing_macs,
    in_part_by_all,
    items_of_all,
    left_out_by_some,
)
from pimsim.studies.comparison.external_points import ExternalPoint

LABELS = {each.name: each.label for each in MEASURES}
HEADINGS = LABELS | {"area_mm2": "area, mm^2"}
COLUMNS = ("latency_s", "tokens_per_s", "energy_j", "tokens_per_j", "gops", "gops_per_w", "area_mm2")
OF_LOADING = ("latency_s", "energy_j", "power_w", "area_mm2")
RATIO_COLUMNS = ("tokens_per_s", "tokens_per_j", "area_mm2")
RATIOS_OF_LOADING = ("latency_s", "energy_j", "area_mm2")
INTERVAL_RATIOS, INTERVALS_ALONE = ("tokens_per_s", "tokens_per_j"), ("gops_per_w", "area_mm2")
"""Figures whose intervals are printed, with and without that of the ratio; files have those of all figures."""
OTHER_WORK = "*"
OF_WORK = ("latency_s", "energy_j", "tokens_per_s", "tokens_per_j")
"""Mark of ratios of different work, and the figures whose ratios have it."""
UNIFORM = ("workload.", "leakage_gating", "operations_per_mac", "mapping.masked_folds")
"""Keys that a user can set to the same value in all designs without another machine."""


def print_comparison(result: ComparisonResult, file: IO[str] | None = None) -> None:
    """Print a comparison.

    Args:
        result: The comparison.
        file: File to write to; None means standard output.
    """
    out = console(file)
    out.print(Text(_title(result), style="bold"), soft_wrap=True)
    for line in (*_design_lines(result), *_counting_lines(result), *_note_lines(result)):
        out.print(Text(line), soft_wrap=True)
    print_plugins(out, result.plugins)
    out.print()
    out.print(_figures(result))
    if any(result.is_other_work(row) for row in result.rows):
        out.print(Text(f"{OTHER_WORK} ratio of different work: the MACs are not those of {result.baseline}, see above"))
    for line in _failure_lines(result):
        out.print(Text(line), soft_wrap=True)
    if result.samples:
        out.print()
        _print_intervals(result, out)
    if result.mean_ratios() and len(result.rows) > len(result.designs):
        out.print()
        out.print(Text(f"Geometric mean of the ratios to {result.baseline} (smallest to largest)"))
        out.print(_means(result))
    if result.points:
        out.print()
        out.print(_printed(result.points))
        out.print(Text("printed: values of a publication, which may count other things; they have no ratios here"))


def _title(result: ComparisonResult) -> str:
    phase = "a trace file" if result.phase == "trace" else result.phase
    sizes = [counted(len(result.designs), "design"), counted(len(result.models), "model")]
    if any(result.contexts):
        sizes.append(counted(len(result.contexts), "prompt" if result.phase in ("prefill", "generate") else "context"))
    missing = result.planned - len(result.rows)
    cut = f"; interrupted, {counted(missing, 'point')} missing" if missing else ""
    return f"Comparison: {', '.join(sizes)}, {phase}; ratios to {result.baseline}{cut}"


def _design_lines(result: ComparisonResult) -> Iterator[str]:
    """Return a line per design: its name, its config if that has another name, its settings, and what it is."""
    for each in result.designs:
        source = [] if each.source == each.name else [each.source]
        changed = ", ".join((*source, *each.settings))
        yield f"{each.name}{f' ({_safe(changed)})' if changed else ''}: {_safe(each.description)}"


# --- what is counted ------------------------------------------------------------------------------------------------


def _counting_lines(result: ComparisonResult) -> Iterator[str]:
    uses = result.uses
    if names := items_of_all(uses, COUNTED):
        yield f"counted by all: {'; '.join(map(_safe, names))}"
    for name in in_part_by_all(uses):
        left_out = [each for each in uses[name] if each.use == LEFT_OUT]
        yield f"counted in part by all: {_safe(name)} (left out: {_sizes(left_out)})"
    for name in items_of_all(uses, LEFT_OUT):
        yield f"left out by all: {_safe(name)} ({_sizes(uses[name])})"
    for name in left_out_by_some(uses):
        yield f"left out by some: {_safe(name)} ({_sizes(uses[name])})"
    for name, of_item in differing_items(uses).items():
        yield f"differs: {_safe(name)} {_uses(of_item)}"
    for key in dict.fromkeys(each.key for each in result.settings):
        yield f"differs: {key} is {_values(result, key)}"
    for design, where, ratio in differing_macs(result.rows, result.baseline):
        yield f"differs: {design} counts {ratio:.4g} times the MACs of {result.baseline} ({where})"
    same = [(each.key, each.value) for each in result.settings if each.design == result.baseline]
    uniform = [f"--set {key}={value}" for key, value in same if key.startswith(UNIFORM)]
    if uniform:
        yield f"ratios compare what each design counts; to count as {result.baseline} in all: {' '.join(uniform)}"


def _sizes(uses: Sequence[ItemUse]) -> str:
    """Return the size of an item in each design that leaves it out, at the first workload."""
    own = [(each, each.example) for each in uses if each.example is not None]
    where = {each.where for each, _ in own}
    texts = [f"{_size(item)} in {each.design}" + (f", {each.where}" if len(where) > 1 else "") for each, item in own]
    return "; ".join(texts) + (f"; {own[0][0].where}" if len(where) == 1 else "")


def _uses(uses: Sequence[ItemUse]) -> str:
    """Return who counts an item, leaves it out or does not have it, with its size in the first design of each use."""
    texts = []
    both = {each.design for each in uses if each.use == COUNTED} & {
        each.design for each in uses if each.use == LEFT_OUT
    }
    for use, verb in ((COUNTED, "counted by"), (LEFT_OUT, "left out by"), (ABSENT, "not an item of")):
        own = [each for each in uses if each.use == use]
        if own:
            size = "" if own[0].example is None else f" ({_size(own[0].example)} in {own[0].design}, {own[0].where})"
            names = (f"{each.design}{' in part' if each.design in both else ''}" for each in own)
            texts.append(f"{verb} {', '.join(names)}{size}")
    return "; ".join(texts)


def _values(result: ComparisonResult, key: str) -> str:
    by_value: dict[str, list[str]] = {}
    for each in result.settings:
        if each.key == key:
            by_value.setdefault(each.value, []).append(each.design)
    return "; ".join(f"{_safe(value)} in {', '.join(designs)}" for value, designs in by_value.items())


def _size(item: CostItem) -> str:
    time = [quantity(ps_to_s(item.latency_ps), "_s")] if item.latency_ps else []
    energy = [quantity(item.energy_j, "_j")] if item.energy_j else []
    return " ".join([*time, *energy])


def _note_lines(result: ComparisonResult) -> Iterator[str]:
    for label, notes in (("note", result.notes()), ("warning", result.notes("warnings"))):
        for each in notes:
            yield f"{label}{_owners(each, result)}: {_safe(each.text)}"
    for effect in result.effects:
        yield f"note: {_safe(effect)}"


def _owners(note: SharedNote, result: ComparisonResult) -> str:
    owners = [] if note.designs == result.names else [", ".join(note.designs)]
    if note.where:
        more = f" and {counted(note.more, 'more point')} with other numbers" if note.more else ""
        owners.append(f"{note.where}{more}")
    return f" ({'; '.join(owners)})" if owners else ""


# --- tables ---------------------------------------------------------------------------------------------------------


def _figures(result: ComparisonResult) -> RichTable:
    loads = result.phase == "load"
    columns: tuple[str, ...] = OF_LOADING if loads else COLUMNS
    if result.phase == "generate":
        columns = ("time_to_first_token_s", *COLUMNS)
    ratios = RATIOS_OF_LOADING if loads else RATIO_COLUMNS
    length = "prompt" if result.phase in ("prefill", "generate") else "context"
    first = ["model", *([length] if any(result.contexts) else []), "design"]
    headings = [*first, *(HEADINGS[name] for name in columns), *(f"x {LABELS[name]}" for name in ratios)]
    shown = table(*headings, numeric=(*range(1, len(first) - 1), *range(len(first), len(headings))))
    before: tuple[str, int] | None = None
    for index, row in enumerate(result.rows):
        group = row.model, row.context_length
        last = index + 1 == len(result.rows) or result.rows[index + 1].context_length != row.context_length
        last = last or result.rows[index + 1].model != row.model
        labels = [row.model if before is None or before[0] != row.model else "", row.design]
        if len(first) > 2:
            labels.insert(1, f"{row.context_length:,}" if before != group else "")
        before = group
        if row.error:
            cells = ["failed", *[""] * (len(columns) + len(ratios) - 1)]
        else:
            cells = [_value(row.figure(name), name) for name in columns]
            cells += [_ratio(result, row, name) for name in ratios]
        shown.add_row(*labels, *cells, end_section=last)
    return shown


def _value(value: float | None, name: str) -> str:
    if value is None:
        return ""
    if name == "area_mm2":
        return f"{value:,.4g}"
    if name.endswith(("_s", "_j", "_w")) and "_per_" not in name:
        return quantity(value, name)
    return f"{value:,.4g}"


def _ratio(result: ComparisonResult, row: ComparisonRow, name: str) -> str:
    if row.design == result.baseline:
        return "1"
    ratio = result.ratio(row, name)
    mark = OTHER_WORK if name in OF_WORK and result.is_other_work(row) else ""
    return "" if ratio is None else f"{ratio:.4g}{mark}"


def _failure_lines(result: ComparisonResult) -> Iterator[str]:
    reasons: dict[tuple[str, str], list[ComparisonRow]] = {}
    for row in result.failed:
        reasons.setdefault((row.design, row.error), []).append(row)
    for (design, error), rows in reasons.items():
        more = f" and {counted(len(rows) - 1, 'more point')}" if len(rows) > 1 else ""
        yield f"failed: {design}, {rows[0].where}{more}: {_safe(error)} ({rows[0].error_class})"
    if reasons:
        yield f"{counted(len(result.failed), 'point')} of {len(result.rows):,} failed"


def _print_intervals(result: ComparisonResult, out: Console) -> None:
    out.print(Text(f"95 % intervals from {counted(result.samples, 'sample')}, constants of equal name equal in all"))
    headings = ["model", "context", "design"]
    for name in INTERVAL_RATIOS:
        headings += [HEADINGS[name], f"x {LABELS[name]}", "above 1"]
    headings += [HEADINGS[name] for name in INTERVALS_ALONE]
    shown = table(*headings, numeric=range(3, len(headings)))
    for row in result.rows:
        if not row.error:
            cells = []
            for name in INTERVAL_RATIOS:
                cells += _interval_cells(row.interval(name), row.design == result.baseline)
            cells += [_interval_cells(row.interval(name), True)[0] for name in INTERVALS_ALONE]
            context = f"{row.context_length:,}" if row.context_length else ""
            shown.add_row(row.model, context, row.design, *cells)
    out.print(shown)


def _interval_cells(interval: RowInterval | None, is_base: bool) -> list[str]:
    if interval is None:
        return ["", "", ""]
    own = " to ".join(f"{end:,.0f}" if end >= 1000 else f"{end:.3g}" for end in (interval.low, interval.high))
    if is_base or interval.ratio_low != interval.ratio_low:
        return [own, "", ""]
    return [own, f"{interval.ratio_low:.3g} to {interval.ratio_high:.3g}", f"{interval.above:.1%}"]


def _means(result: ComparisonResult) -> RichTable:
    names = RATIOS_OF_LOADING if result.phase == "load" else ("latency_s", *RATIO_COLUMNS)
    found = {(each.design, each.figure): each for each in result.mean_ratios(names)}
    shown = table("design", "points", *(LABELS[name] for name in names), numeric=range(1, 2 + len(names)))
    for design in dict.fromkeys(design for design, _ in found):
        cells = []
        for name in names:
            each = found.get((design, name))
            cells.append("" if each is None else f"{each.mean:.3g} ({each.low:.3g} to {each.high:.3g})")
        shown.add_row(design, f"{max(each.count for (of, _), each in found.items() if of == design):,}", *cells)
    return shown


def _printed(points: Sequence[ExternalPoint]) -> RichTable:
    names = [name for name in (*COLUMNS, "power_w") if any(point.row()[name] is not None for point in points)]
    headings = ["printed, not simulated", "model", "phase", "context", *(HEADINGS[name] for name in names), "source"]
    shown = table(*headings, numeric=range(3, 4 + len(names)))
    for point in points:
        values = point.row()
        context = f"{point.context_length:,}" if point.context_length else ""
        source = f"{point.source}; {point.note}" if point.note else point.source
        cells = (_value(values[name], name) for name in names)
        shown.add_row(_safe(point.design), _safe(point.model), point.phase, context, *cells, _safe(source))
    return shown


def _safe(text: str) -> str:
    return printable(text, MAX_LINE_CHARS)
