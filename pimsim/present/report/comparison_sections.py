"""Sections of a comparison: figures side by side, what they consist of, and all rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pimsim.base.units import ps_to_s
from pimsim.present.labels import context_label
from pimsim.present.looks import OP_CLASSES, Look, model_label
from pimsim.present.report.bar_marks import marker
from pimsim.present.report.chart_parts import layout, said, series_look, value_axis
from pimsim.present.report.page_blocks import Block, Chart, Section
from pimsim.present.report.printed_blocks import printed_report
from pimsim.present.report.row_tables import row_table
from pimsim.present.report.stacked_bars import stacked_bars
from pimsim.present.text.comparison_report import print_comparison
from pimsim.present.text.recording import recorded
from pimsim.studies.comparison.comparison_result import ComparisonResult
from pimsim.studies.comparison.comparison_rows import MEASURES, ComparisonRow

CHARTS = (
    ("latency_s", "Latency", "s"),
    ("energy_j", "Energy", "J"),
    ("tokens_per_s", "Speed (tokens/s)", ""),
    ("tokens_per_j", "Efficiency (tokens/J)", ""),
    ("area_mm2", "Area (mm²)", ""),
)
MAX_STACKS = 24
"""Rows whose time and energy are drawn by what they consist of; of more, those of the first workloads."""


def comparison_sections(result: ComparisonResult) -> list[Section]:
    """Return the sections of a comparison.

    Args:
        result: The comparison.

    Returns:
        Sections: headline with what the designs count, charts, contents, and all rows.
    """
    printed = printed_report(recorded(print_comparison, result))
    rows = result.table_rows()
    used = [key for key in rows[0] if any(row[key] is not None for row in rows)] if rows else []
    table = row_table("comparison-rows", "All figures", [{key: row[key] for key in used} for row in rows])
    sections = (
        Section("headline", printed.title, printed.headline),
        Section("figures", "Figures side by side", [*_bars(result), table]),
        Section("contents", "What time and energy consist of", list(_stacks(result))),
        Section("more", "Means and printed values", printed.rest),
    )
    return [each for each in sections if each.blocks]


def workload_label(row: ComparisonRow) -> str:
    """Return a short label of the workload of a row.

    Args:
        row: The row.

    Returns:
        Model, and context if there is one.
    """
    return model_label(row.model) + (f" at {context_label(row.context_length)}" if row.context_length else "")


def _bars(result: ComparisonResult) -> Iterator[Chart]:
    good = [row for row in result.rows if not row.error]
    for name, title, unit in CHARTS:
        found = [row for row in good if row.figure(name)]
        if not found:
            continue
        data = []
        for index, design in enumerate(result.names):
            own = [row for row in found if row.design == design]
            values = [row.figure(name) or 0.0 for row in own]
            trace: dict[str, Any] = {
                "type": "bar",
                "name": said(design),
                "x": [said(workload_label(row)) for row in own],
                "y": values,
                "marker": marker(series_look(index, design)),
            }
            ends = [row.interval(name) for row in own]
            if any(ends):
                trace["error_y"] = {
                    "type": "data",
                    "symmetric": False,
                    "array": [each.high - of if each else 0 for each, of in zip(ends, values, strict=True)],
                    "arrayminus": [of - each.low if each else 0 for each, of in zip(ends, values, strict=True)],
                }
            data.append(trace)
        everything = [row.figure(name) or 0.0 for row in found]
        axes = {"type": "category", "showgrid": False}, value_axis(title.partition(" (")[0].lower(), unit, everything)
        shown = layout(*axes, barmode="group")
        if not unit:
            shown["yaxis"]["title"]["text"] = title
        yield Chart(f"bars-{name.replace('_', '-')}", title, _described(result, name, found), data, shown)


def _described(result: ComparisonResult, name: str, rows: Sequence[ComparisonRow]) -> str:
    label = next(each.label for each in MEASURES if each.name == name)
    better = "higher" if next(each.higher for each in MEASURES if each.name == name) else "lower"
    means = [each for each in result.mean_ratios([name]) if each.count]
    ratios = ", ".join(f"{each.design} {each.mean:.3g} times" for each in means)
    of_base = f" Geometric mean of the ratios to {result.baseline}: {ratios}." if ratios else ""
    return f"{label[0].upper()}{label[1:]} of {len(rows)} simulated rows; {better} is better.{of_base}"


def _stacks(result: ComparisonResult) -> Iterator[Block]:
    rows = [row for row in result.rows if not row.error and row.accounting.counted][:MAX_STACKS]
    looks: dict[str, Look] = {}
    for row in rows:
        for item in row.accounting.counted:
            looks.setdefault(item.name, OP_CLASSES.get(item.name) or series_look(len(looks), item.name))
    labels = [f"{row.design}, {workload_label(row)}" for row in rows]
    for name, title, key in (
        ("contents-time", "Time by what is counted", "_s"),
        ("contents-energy", "Energy by what is counted", "_j"),
    ):
        bars = [(label, _shares(row, key)) for label, row in zip(labels, rows, strict=True)]
        if any(any(shares.values()) for _, shares in bars):
            yield stacked_bars(name, title, key, bars, looks)


def _shares(row: ComparisonRow, key: str) -> Mapping[str, float]:
    items = row.accounting.counted
    return {item.name: ps_to_s(item.latency_ps) if key == "_s" else item.energy_j for item in items}
