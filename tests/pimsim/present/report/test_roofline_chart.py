"""The roofline of a report: its points and roofs are those of the study."""

from __future__ import annotations

from dataclasses import replace
from math import log10

import pytest

from pimsim import load_config, simulate
from pimsim.present.report.roofline_chart import SYMBOLS, rate_text, roofline_chart
from pimsim.results.run_result import RunResult
from pimsim.studies.memory_wall.roofline_study import roofline
from tests.support.closeness import near

RUNS = ("serial", "contended", "prefill", "digital")


@pytest.fixture(params=RUNS)
def result(request: pytest.FixtureRequest) -> RunResult:
    found: RunResult = request.getfixturevalue(request.param)
    return found


def test_points_are_those_of_the_study(result: RunResult) -> None:
    chart, study = roofline_chart(result), roofline(result)
    assert chart is not None
    classes = {point.name: point for point in study.classes}
    axes = {"x": "memory", "x2": "sram"}
    points = [trace for trace in chart.data if trace["mode"] == "markers"]
    assert points
    for trace in points:
        point = classes[trace["name"]]
        assert trace["x"] == [near(point.intensity(axes[trace["xaxis"]]))]
        assert trace["y"] == [near(point.attained_per_s)]
    drawn = {trace["name"] for trace in points}
    assert drawn | set(chart.description.rpartition("not drawn: ")[2].rstrip(".").split(", ")) >= set(classes)
    assert len({trace["name"] for trace in points if trace["showlegend"]}) == len(drawn)
    assert len({trace["marker"]["symbol"] for trace in points}) == min(len(drawn), len(SYMBOLS))


def test_roofs_have_their_ridge_points(result: RunResult) -> None:
    chart, study = roofline_chart(result), roofline(result)
    assert chart is not None
    peaks = {each.label: each for each in study.compute_roofs()}
    lines = [trace for trace in chart.data if trace["mode"] == "lines"]
    assert {trace["name"] for trace in lines} == set(peaks)
    for trace in lines:
        moved = "memory" if trace["xaxis"] == "x" else "sram"
        roof, (left, ridge, _) = peaks[trace["name"]], trace["x"]
        assert ridge == near(study.ridge(roof.resource, moved))
        assert trace["y"][1:] == [near(roof.peak_per_s)] * 2
        assert trace["y"][0] / left == near(roof.peak_per_s / ridge)


def test_everything_is_within_the_axes(result: RunResult) -> None:
    chart = roofline_chart(result)
    assert chart is not None
    for trace in chart.data:
        for letter in ("x", "y"):
            low, high = chart.layout[f"{letter}axis{trace[letter + 'axis'][1:]}"]["range"]
            assert trace["mode"] == "lines" or low < log10(trace[letter][0]) < high


def test_the_description_begins_with_the_whole_run(serial: RunResult) -> None:
    chart = roofline_chart(serial)
    assert chart is not None
    whole, longest = list(roofline(serial).sentences())[:2]
    assert chart.description.startswith(f"W{whole[1:]}. {longest}")


def test_plotly_accepts_the_chart(result: RunResult) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    chart = roofline_chart(result)
    assert chart is not None
    assert graph_objects.Figure(data=list(chart.data), layout=dict(chart.layout)).data


def test_a_processor_has_one_panel() -> None:
    chart = roofline_chart(simulate(load_config("rtx-4090", ["workload.model=gpt2-small"])))
    assert chart is not None
    assert "xaxis2" not in chart.layout
    assert chart.layout["yaxis"]["domain"] == [0, 1]


def test_without_operations_there_is_no_roofline(serial: RunResult) -> None:
    assert roofline_chart(replace(serial, activities=())) is None
    load = simulate(load_config("pim-llm", ["workload.model=gpt2-small", "workload.phase=load"]))
    assert roofline_chart(load) is None


def test_rates() -> None:
    assert [rate_text(each, "op/s") for each in (3.2e9, 102.4e9, 5.305e14, 12.0)] == [
        "3.2 Gop/s",
        "102.4 Gop/s",
        "530.5 Top/s",
        "12 op/s",
    ]
