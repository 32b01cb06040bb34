"""The sections of a sweep: every point, and the front of each pair of metrics as `pimsim results front` finds it."""

from __future__ import annotations

import math
from typing import Any

from pimsim import SweepResults
from pimsim.present.report.page_blocks import Chart, Explorer, Table
from pimsim.present.report.sweep_sections import MAX_LINES, points_table, sweep_sections
from pimsim.studies.analysis.pareto import pareto_front
from tests.support.sweeps import SMALL


def block(results: SweepResults, kind: type[Any]) -> Any:
    [found] = [each for section in sweep_sections(results) for each in section.blocks if isinstance(each, kind)]
    return found


def test_the_table_has_every_point_with_full_precision_and_its_error(swept: SweepResults) -> None:
    table = points_table(swept)
    assert len(table.rows) == len(swept) == 18
    titles = [column.title for column in table.columns]
    shown = [each.name for each in swept.metrics if not each.name.startswith("spilled")]
    assert titles[-len(shown) - 1 :] == [*shown, "error"]
    for name in shown:
        stored = [None if math.isnan(each) else each for each in swept.columns[name]]
        assert [row[titles.index(name)] for row in table.rows] == stored
    assert table.columns[titles.index("latency_s")].unit == "s"
    assert [row[-1] for row in table.rows] == [each or None for each in swept.errors]


def test_fronts_are_those_of_the_command_line(swept: SweepResults) -> None:
    explorer: Explorer = block(swept, Explorer)
    frame = swept.to_dataframe()
    better = {metric.name: metric.better for metric in swept.metrics}
    table = points_table(swept)
    assert len(explorer.fronts) == math.comb(len(explorer.columns) - len(swept.axes), 2)
    names = [metric.name for metric in swept.metrics if not metric.name.startswith("spilled")]
    assert explorer.labels[: len(names)] == names
    for pair, rows in explorer.fronts.items():
        one, other = (names[int(each)] for each in pair.split("-"))
        front = pareto_front(frame, {one: better[one], other: better[other]})  # type: ignore[dict-item]
        assert rows == sorted(front.index)
    for index, label in zip(explorer.columns[: len(names)], explorer.labels, strict=False):
        stored = [None if math.isnan(each) else each for each in swept.columns[label]]
        assert [row[index] for row in table.rows] == stored


def test_parallel_coordinates_have_a_line_per_point_that_has_the_metrics(swept: SweepResults) -> None:
    chart: Chart = block(swept, Chart)
    lines = sum(list(trace["y"]).count(None) for trace in chart.data)
    assert lines == len(swept) - swept.failed <= MAX_LINES
    heights = [each for trace in chart.data for each in trace["y"] if each is not None]
    assert (min(heights), max(heights)) == (0, 1)
    assert list(SMALL["axes"]) != []


def test_the_headline_names_no_file_that_was_written(swept: SweepResults) -> None:
    texts = str([section.blocks for section in sweep_sections(swept)[:1]])
    assert "written" not in texts
    assert "6 failed: " in texts
    assert isinstance(sweep_sections(swept)[-1].blocks[0], Table)
