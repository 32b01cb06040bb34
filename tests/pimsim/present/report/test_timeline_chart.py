"""The timeline of a layer: its bars add up to the times of the result, and nothing is left out without a sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from pimsim.present.looks import OP_CLASSES
from pimsim.present.report.page_blocks import Chart
from pimsim.present.report.timeline_bars import first_layer, layer_bars
from pimsim.present.report.timeline_chart import BEFORE, INSIDE, OTHERS, layer_timeline
from pimsim.results.run_result import RunResult
from pimsim.steps.step_tree import WAITING
from pimsim.studies.memory_wall import op_classes
from tests.support.closeness import near

RUNS = ("serial", "dataflow", "contended", "prefill", "digital")


@pytest.fixture(params=RUNS)
def result(request: pytest.FixtureRequest) -> RunResult:
    found: RunResult = request.getfixturevalue(request.param)
    return found


def drawn(result: RunResult) -> Chart:
    chart = layer_timeline(result)
    assert chart is not None
    return chart


def unit_ps(chart: Chart) -> float:
    title = chart.layout["xaxis"]["title"]["text"]
    return {"ms": 1e9, "µs": 1e6, "ns": 1e3, "s": 1e12}[title.partition("(")[2].rstrip(")")]


def of_component(chart: Chart, *series: str, without: tuple[str, ...] = ()) -> dict[str, float]:
    """Return the time of the bars of some series by component, in picoseconds."""
    names = chart.layout["yaxis"]["ticktext"]
    total: Counter[str] = Counter()
    for trace in chart.data:
        if (not series or trace["name"] in series) and trace["name"] not in without:
            for row, length in zip(trace["y"], trace["x"], strict=True):
                total[names[row].partition(" (")[0]] += length * unit_ps(chart)
    return dict(total)


def first_layer_ops(result: RunResult) -> set[int]:
    """Return the ops of the first block "layer", up to the second occurrence of the name of one of them."""
    found: dict[str, int] = {}
    for index, op in enumerate(result.ops):
        if op.block.startswith("layer"):
            if op.name in found:
                break
            found[op.name] = index
    return set(found.values())


def test_bars_are_the_activities_of_the_first_layer(result: RunResult) -> None:
    ops, times = first_layer_ops(result), Counter[str]()
    for activity in result.activities:
        if activity.op in ops and activity.end_ps > activity.start_ps:
            times[activity.component] += activity.end_ps - activity.start_ps
    assert times
    found = of_component(drawn(result), without=(BEFORE.label, OTHERS.label))
    # Waiting inside the ops of other layers has the look of that of the layer; no other run has any.
    if result.config.schedule != "contended":
        assert found == near(dict(times))
    parts = Counter[str]()
    for index in ops:
        parts.update(result.ops[index].parts_ps)
    assert sum(times.values()) == sum(parts.values())
    work = of_component(drawn(result), without=(BEFORE.label, OTHERS.label, INSIDE.label))
    assert sum(work.values()) == near(sum(parts.values()) - parts[WAITING])


def test_a_serial_layer_is_covered_without_gap(serial: RunResult) -> None:
    chart = drawn(serial)
    start, end = (each * unit_ps(chart) for each in chart.layout["xaxis"]["range"])
    latency_ps = sum(serial.ops[index].latency_ps for index in first_layer_ops(serial))
    assert end - start == near(latency_ps)
    assert sum(of_component(chart).values()) == near(latency_ps)
    assert "The first of 12 equal layers takes" in chart.description


def test_waiting_is_drawn_apart(contended: RunResult, serial: RunResult) -> None:
    chart, ops = drawn(contended), first_layer_ops(contended)
    before_ps = sum(each.start_ps - each.ready_ps for each in contended.activities if each.op in ops)
    assert sum(of_component(chart, BEFORE.label).values()) == near(before_ps)
    assert of_component(chart, INSIDE.label)["mesh"] > 0
    assert "wait longest for" in chart.description
    assert {trace["name"] for trace in drawn(serial).data}.isdisjoint({BEFORE.label, INSIDE.label, OTHERS.label})


def test_waiting_inside_activities_is_that_of_the_result(contended: RunResult) -> None:
    span = first_layer(contended)
    assert span is not None
    assert span.ops == first_layer_ops(contended)
    inside = (bar for bar in layer_bars(contended, span).drawn if bar.kind == "inside" and bar.own)
    parts = (contended.ops[index].parts_ps for index in span.ops)
    assert sum(bar.length_ps for bar in inside) == sum(each.get(WAITING, 0) for each in parts) > 0


def test_other_layers_are_within_the_time_of_the_layer(contended: RunResult) -> None:
    chart = drawn(contended)
    start, end = chart.layout["xaxis"]["range"]
    (others,) = (trace for trace in chart.data if trace["name"] == OTHERS.label)
    for base, length in zip(others["base"], others["x"], strict=True):
        assert base < end
        assert base + length > start


def test_bars_of_a_row_do_not_overlap(result: RunResult) -> None:
    rows: dict[int, list[tuple[float, float]]] = {}
    for trace in drawn(result).data:
        if trace["name"] != BEFORE.label:
            for row, base, length in zip(trace["y"], trace["base"], trace["x"], strict=True):
                rows.setdefault(row, []).append((base, base + length))
    for bars in rows.values():
        bars.sort()
        for (_, end), (start, _) in pairwise(bars):
            assert end <= start + 1e-6  # a picosecond in µs


def test_plotly_accepts_the_chart(result: RunResult) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    chart = drawn(result)
    figure = graph_objects.Figure(data=list(chart.data), layout=dict(chart.layout))
    assert len(figure.data) == len(chart.data)


def test_many_bars_are_merged_and_the_shortest_left_out(contended: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sum(of_component(drawn(contended)).values())
    monkeypatch.setattr("pimsim.present.report.timeline_bars.MAX_BARS", 60)
    chart = drawn(contended)
    assert sum(len(trace["x"]) for trace in chart.data) == 60
    assert "Left out: the " in chart.description
    left = sum(of_component(chart).values())
    share = float(chart.description.partition("shortest bars, ")[2].partition("%")[0]) / 100
    assert 1 - left / whole == pytest.approx(share, abs=0.0006)  # the share has one decimal in percent


def test_more_activities_at_once_than_rows(contended: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pimsim.present.report.timeline_bars.MAX_LANES", 1)
    chart = drawn(contended)
    assert len(chart.layout["yaxis"]["ticktext"]) == len({each.component for each in contended.activities})
    assert "bars overlap in the last row of" in chart.description


def test_a_result_without_activities_has_no_timeline(serial: RunResult) -> None:
    assert layer_timeline(replace(serial, activities=())) is None


def test_names_are_not_markup(serial: RunResult) -> None:
    ops = tuple(replace(op, name="<b>&" if op.name == "softmax" else op.name) for op in serial.ops)
    chart = drawn(replace(serial, ops=ops))
    texts = [each[0] for trace in chart.data for each in trace["customdata"]]
    assert any(text.startswith("&lt;b&gt;&amp;") for text in texts)
    assert not any("<b>&" in text for text in texts)


def test_every_class_of_ops_has_a_look() -> None:
    assert set(OP_CLASSES) >= set(op_classes._OF_KIND.values())
    assert len({(look.colour, look.hatch) for look in OP_CLASSES.values()}) == len(OP_CLASSES)
