"""Sections of a sweep or a search: ranges of the metrics, points with their fronts, and the table of all points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from pimsim.base.errors import AnalysisError
from pimsim.base.metric_names import split_metric
from pimsim.base.pandas_library import pd
from pimsim.base.summaries import counted
from pimsim.base.units import dimension_of_key
from pimsim.present.looks import BLUE, GREY
from pimsim.present.report.chart_parts import said
from pimsim.present.report.page_blocks import Block, Chart, Column, Explorer, Lines, Section, Table
from pimsim.present.report.printed_blocks import printed_report
from pimsim.present.report.row_tables import Cell, cell, key_column
from pimsim.present.text.recording import recorded
from pimsim.present.text.sweep_report import cell as printed
from pimsim.present.text.sweep_report import print_summary, short_names
from pimsim.studies.analysis.pareto import pareto_front
from pimsim.studies.analysis.point_columns import Direction, is_number
from pimsim.studies.analysis.tied_front import ties_note
from pimsim.studies.sweep.table.spilled_points import columns_to_show
from pimsim.studies.sweep.table.sweep_results import SweepResults
from pimsim.studies.sweep.table.table_analysis import keys_of, limits_note, usual_objectives

TABLE = "points"
MOST_COLOURS = 7
MAX_LINES = 1500
"""Most lines of parallel coordinates besides those of the front; of more points, every n-th is drawn."""


def sweep_sections(results: SweepResults) -> list[Section]:
    """Return the sections of a sweep or a search.

    Args:
        results: Its results.

    Returns:
        Sections: headline with the range of each metric, points, and the table of all points.

    Raises:
        MissingExtraError: If pandas is not installed.
    """
    summary = printed_report(recorded(print_summary, results, None, None))
    frame = results.to_dataframe()
    table = points_table(results)
    notes = [text for text in (limits_note(results),) if text]
    blocks: list[Block] = [explorer(results, frame), *parallel_coordinates(results, frame)]
    sections = [
        Section("headline", summary.title, [*summary.headline, *([Lines(notes)] if notes else []), *summary.rest]),
        Section("fronts", "Points and fronts", blocks),
        Section("all-points", "Table of the points", [table]),
    ]
    return [each for each in sections if each.blocks]


def shown_columns(results: SweepResults) -> list[str]:
    """Return the columns of the table in the page: axes and metrics, without those that are zero at all points.

    Args:
        results: Results of a sweep.

    Returns:
        Names of columns.
    """
    names = [*(axis.name for axis in results.axes), *(metric.name for metric in results.metrics)]
    return columns_to_show(results, names)


def points_table(results: SweepResults) -> Table:
    """Return the table of all points.

    Args:
        results: Results of a sweep.

    Returns:
        One row per point with its axes and metrics, and its error if points have failed.
    """
    keys = keys_of(results)
    names = shown_columns(results)
    values = {name: [_cell(each) for each in results.columns[name]] for name in names}
    found = [key_column(name, values[name], keys.get(name, "")) for name in names]
    columns = [replace(each, title=short) for each, short in zip(found, short_names(names), strict=True)]
    cells: list[Sequence[Cell]] = [values[name] for name in names]
    if results.failed:
        columns.append(Column("error"))
        cells.append([each or None for each in results.errors])
    note = f"{counted(len(results), 'point')}, {results.failed:,} failed." if results.failed else ""
    return Table(TABLE, "Points", columns, [list(row) for row in zip(*cells, strict=True)], note)


def _cell(value: Any) -> Cell:
    found = cell(value)
    return None if isinstance(found, float) and math.isnan(found) else found


def explorer(results: SweepResults, frame: pd.DataFrame) -> Explorer:
    """Return the scatter whose axes a reader chooses.

    Args:
        results: Results of a sweep.
        frame: Its points.

    Returns:
        The scatter of all metrics and of the axes, with the front of each pair of metrics that have a better direction.
    """
    names = shown_columns(results)
    order = [metric.name for metric in results.metrics if metric.name in names]
    order += [name for name in names if name not in order]
    objectives = [*usual_objectives(results)]
    places = [order.index(name) for name in (*objectives, *order) if name in order]
    first = (places[0], next((each for each in places if each != places[0]), places[0]))
    fronts = _fronts(results, frame, order)
    colour = next(
        (
            names.index(axis.name)
            for axis in results.axes
            if any(isinstance(each, str) for each in results.columns[axis.name])
            and 1 < len(set(results.columns[axis.name])) <= MOST_COLOURS
        ),
        None,
    )
    pair = "-".join(map(str, sorted(first)))
    on_front = (
        f" {len(fronts[pair]):,} of them are on the front of the two that are shown first." if pair in fronts else ""
    )
    ties = ties_note(frame, {name: better for name, better in _directed(results).items() if name in objectives})
    text = (
        f"{counted(len(results), 'point')} over two columns that you choose; diamonds mark the points that no other "
        f"point dominates in these two.{on_front} {ties}".rstrip()
    )
    columns = [names.index(name) for name in order]
    labels = [short_names(names)[index] for index in columns]
    return Explorer("explorer", "Points and their Pareto front", text, TABLE, columns, labels, first, colour, fronts)


def _directed(results: SweepResults) -> dict[str, Direction]:
    directions: dict[str, Direction] = {"higher": "higher", "lower": "lower"}
    return {each.name: directions[each.better] for each in results.metrics if each.better in directions}


def _fronts(results: SweepResults, frame: pd.DataFrame, order: Sequence[str]) -> Mapping[str, Sequence[int]]:
    found = {}
    directed = _directed(results)
    for one, other in combinations([name for name in order if name in directed], 2):
        try:
            front = pareto_front(frame, {one: directed[one], other: directed[other]})
        except AnalysisError:  # a metric that contains text
            continue
        i, j = sorted((order.index(one), order.index(other)))
        found[f"{i}-{j}"] = sorted(int(row) for row in front.index)
    return found


def parallel_coordinates(results: SweepResults, frame: pd.DataFrame) -> list[Chart]:
    """Return parallel coordinates: one line per point through its values of all axes and of the usual objectives.

    Args:
        results: Results of a sweep.
        frame: Its points.

    Returns:
        The chart; empty if no point has all of these metrics, or fewer than two columns vary.
    """
    objectives = usual_objectives(results)
    if not objectives:
        return []
    complete = frame.dropna(subset=list(objectives))
    varied = [axis.name for axis in results.axes if complete[axis.name].astype(str).nunique() > 1]
    names = [*varied, *objectives]
    if len(complete) == 0 or len(names) < 2:
        return []
    front = set(pareto_front(complete, objectives).index)
    keys = keys_of(results)
    found = (_heights(complete[name].tolist(), keys.get(name, name)) for name in names)
    heights, ends = zip(*found, strict=True)
    at = {row: number for number, row in enumerate(complete.index)}
    behind = [at[row] for row in complete.index if row not in front]
    step = max(1, -(-len(behind) // MAX_LINES))
    data = [
        _lines("other points", GREY, 0.35, behind[::step], heights),
        _lines("on the front", BLUE, 0.9, sorted(at[row] for row in front), heights),
    ]
    labels = [_without_unit(label, keys.get(name, name)) for label, name in zip(short_names(names), names, strict=True)]
    notes = [
        {"x": place, "y": y, "text": said(text), "showarrow": False, "yshift": shift, "font": {"size": 11}}
        for place, (low, high) in enumerate(ends)
        for y, text, shift in ((0, low, -11), (1, high, 11))
    ]
    layout = {
        "xaxis": {"tickvals": [*range(len(names))], "ticktext": [said(each) for each in labels], "showgrid": True},
        "yaxis": {"visible": False, "range": [-0.12, 1.12]},
        "annotations": notes,
        "legend": {"orientation": "h", "x": 0, "y": 1.05, "yanchor": "bottom"},
        "margin": {"l": 50, "r": 50, "t": 50, "b": 70},
        "hovermode": False,
    }
    cut = f"; every {step}th of the other points is drawn" if step > 1 else ""
    text = (
        f"{len(front):,} of {len(complete):,} points are on the front of {', '.join(objectives)}{cut}. Each axis is "
        "scaled from its smallest to its largest value."
    )
    return [Chart("parallel", "Parallel coordinates", text, data, layout, 440)]


def _without_unit(label: str, key: str) -> str:
    """Return the words of a column without the suffix of its unit, which the values at the ends of its axis have."""
    dimension = dimension_of_key(split_metric(key)[0].rpartition(".")[2])
    return label.removesuffix(f"_{dimension.suffix}" if dimension else "").replace("_", " ")


def _heights(values: Sequence[Any], key: str) -> tuple[list[float], tuple[str, str]]:
    """Return the heights of values between the ends of an axis, 0 to 1, and the texts of its ends."""
    if all(is_number(each) for each in values):
        low, high = min(values), max(values)
        ends = printed(low, key), printed(high, key)
        return [(each - low) / (high - low) if high > low else 0.5 for each in values], ends
    texts = list(dict.fromkeys(map(str, values)))
    places = {text: index / max(1, len(texts) - 1) for index, text in enumerate(texts)}
    return [places[str(each)] for each in values], (texts[0][:20], texts[-1][:20] if len(texts) > 1 else "")


def _lines(
    name: str, colour: str, opacity: float, rows: Sequence[int], heights: Sequence[Sequence[float]]
) -> dict[str, Any]:
    """Return lines as one trace, with a gap between two of them."""
    places = [*range(len(heights)), None]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "opacity": opacity,
        "line": {"color": colour, "width": 1},
        "x": places * len(rows),
        "y": [each for row in rows for each in (*(round(of[row], 4) for of in heights), None)],
    }
