"""The drawing of a chip: busy times of tiles and of components are those of the result."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pimsim.present.report.chip_drawing import chip_drawing
from pimsim.present.report.chip_meshes import DrawnMeshes, drawn_meshes
from pimsim.present.report.page_blocks import Chart
from pimsim.results.run_result import RunResult
from tests.pimsim.present.report.conftest import run
from tests.support.closeness import near

SHARED = ("machine.mesh.rows=8", "machine.mesh.columns=8", "machine.crossbar.banks=2", "schedule=contended")


@pytest.fixture(scope="module")
def swapped() -> RunResult:
    return run("pim-llm", *SHARED, "mapping.provisioning=swap", "machine.chips.count=2")


@pytest.fixture(params=("serial", "contended", "prefill", "swapped"))
def with_tiles(request: pytest.FixtureRequest) -> RunResult:
    found: RunResult = request.getfixturevalue(request.param)
    return found


def drawn(result: RunResult) -> Chart:
    chart = chip_drawing(result)
    assert chart is not None
    return chart


def of_type(chart: Chart, kind: str) -> list[dict[str, object]]:
    return [dict(trace) for trace in chart.data if trace["type"] == kind]


def meshes(result: RunResult) -> DrawnMeshes:
    found = drawn_meshes(result)
    assert isinstance(found, DrawnMeshes)
    return found


def test_busy_times_of_tiles_add_up_to_that_of_the_component(with_tiles: RunResult) -> None:
    total_ps = 0.0
    for mesh in meshes(with_tiles).meshes:
        assert mesh.busy_ps is not None
        total_ps += len(mesh.names) * sum(mesh.busy_ps.values())
    assert total_ps == near(with_tiles.component("tile").busy_ps)


def test_colours_are_busy_times_in_percent(with_tiles: RunResult) -> None:
    (heat,) = (trace for trace in drawn(with_tiles).data if trace["type"] == "heatmap")
    values = [value for line in heat["z"] for value in line if value is not None]
    expected_ps = [each for mesh in meshes(with_tiles).meshes for each in (mesh.busy_ps or {}).values()]
    assert sum(values) == near(100 * sum(expected_ps) / with_tiles.latency_ps, rel=1e-4)  # six digits each
    assert heat["zmax"] == max(values)


def test_boxes_are_filled_by_utilisation(with_tiles: RunResult) -> None:
    _, filled = of_type(drawn(with_tiles), "bar")
    expected = [100 * each.utilisation(with_tiles.latency_ps) for each in with_tiles.components]
    assert filled["x"] == near(expected)


def test_links_are_those_that_the_result_lists(contended: RunResult, serial: RunResult) -> None:
    (links,) = (trace for trace in drawn(contended).data if trace["name"] == "links")
    first = next(medium for medium in contended.media if medium.component == "mesh")
    listed = [use for use in first.uses if use.name.startswith("link ")]
    assert len(links["x"]) == len(listed) > 0
    colours, waits = links["marker"]["color"], [use.waited_ps for use in listed]
    assert [each / colours[0] for each in colours] == near([each / waits[0] for each in waits])
    assert not [trace for trace in drawn(serial).data if trace["name"] == "links"]


def test_equal_meshes_are_drawn_once(serial: RunResult, swapped: RunResult) -> None:
    assert "on 12 meshes; meshes that hold the same are drawn once, so 11 are not drawn." in drawn(serial).description
    titles = [each["text"] for each in drawn(swapped).layout["annotations"]]
    assert titles[:4] == ["chip 0, bank 0", "chip 0, bank 1", "chip 1, bank 0", "chip 1, bank 1"]
    assert "swapped layers" in titles


def test_a_machine_without_crossbars_has_boxes_only(digital: RunResult) -> None:
    chart = drawn(digital)
    assert {trace["type"] for trace in chart.data} == {"bar"}
    assert chart.description.startswith("No meshes are drawn, since the machine has no crossbars. Busiest components")


def test_another_trace_than_that_of_the_config_is_not_placed(serial: RunResult) -> None:
    chart = drawn(replace(serial, model="another"))
    assert {trace["type"] for trace in chart.data} == {"bar"}
    assert "the placement of its weights is not known" in chart.description


def test_only_as_many_meshes_as_the_page_holds(swapped: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pimsim.present.report.mesh_figure.MAX_TILES", 130)
    assert "only the first 2 are drawn" in drawn(swapped).description


def test_without_activities_tiles_are_coloured_by_pairs(serial: RunResult) -> None:
    ops = tuple(op for op in serial.ops if not op.block.startswith("layer"))
    chart = drawn(replace(serial, ops=ops, activities=()))
    assert "colours are crossbar pairs with weights" in chart.description


@pytest.mark.parametrize("name", ["serial", "contended", "prefill", "digital"])
def test_plotly_accepts_the_chart(name: str, request: pytest.FixtureRequest) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    chart = drawn(request.getfixturevalue(name))
    assert graph_objects.Figure(data=list(chart.data), layout=dict(chart.layout)).data
