"""Plots of a run show its latency, energy and area."""

from __future__ import annotations

import warnings
from dataclasses import replace

from pimsim.base.units import ps_to_s
from pimsim.present.plots import (
    rendered,
    run_plots,
)
from pimsim.present.plots.style import axis_unit
from pimsim.results.breakdown import BREAKDOWNS
from pimsim.results.explanation import explain
from pimsim.results.run_result import RunResult
from tests.pimsim.present.plots.drawn import entries, lengths, texts
from tests.support.closeness import near


def test_latency_has_every_part(serial: RunResult) -> None:
    (axes,) = run_plots(serial)["run-latency"]().axes
    size, unit = axis_unit(ps_to_s(max(serial.parts_ps.values())), "s")
    assert lengths(axes) == near([ps_to_s(ps) / size for ps in sorted(serial.parts_ps.values(), reverse=True)])
    assert axes.get_xlabel() == f"time ({unit})" == "time (ms)"
    assert axes.get_xscale() == "linear"
    assert [container.get_label() for container in axes.containers if "hidden" in str(container.get_label())] == []
    assert {"systolic", "word-line DACs"} <= set(texts(axes))


def test_the_latency_plot_under_dataflow_shows_hidden_time(dataflow: RunResult) -> None:
    (axes,) = run_plots(dataflow)["run-latency"]().axes
    total_s = sum(ps_to_s(each.total_ps) for each in explain(dataflow).hidden)
    size = axis_unit(max(ps_to_s(each.total_ps) for each in explain(dataflow).hidden), "s")[0]
    assert sum(lengths(axes)) * size == near(total_s)
    assert axes.get_xlabel() == "time (ms); numbers: on the critical path"
    assert entries(axes.figure) == ["hidden: overlaps with the critical path"]  # type: ignore[arg-type]


def test_energy_has_every_component_and_its_larger_actions(serial: RunResult) -> None:
    (axes,) = run_plots(serial)["run-energy"]().axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    shown = dict(zip(labels, lengths(axes), strict=True))
    size = axis_unit(serial.component_energy_j("memory"), "J")[0]
    assert shown["tile"] * size == near(serial.component_energy_j("tile"))
    assert shown["adc conversion"] * size == near(serial.energies_j["tile.adc_conversion"])
    components = [name for name in labels if name.split(":")[0] in {c.name for c in serial.components}]
    assert sum(shown[name] for name in components) * size == near(serial.energy_j)
    assert axes.get_xlabel() == "energy (mJ)"


def test_area_has_every_component(serial: RunResult) -> None:
    (axes,) = run_plots(serial)["run-area"]().axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    shown = dict(zip(labels, lengths(axes), strict=True))
    components = [name for name in labels if name.split(":")[0] in {c.name for c in serial.components}]
    assert sum(shown[name] for name in components) == near(serial.area_m2 * 1e6)
    assert shown["ADCs"] == near(serial.component("tile").area_m2["ADCs"] * 1e6)
    assert axes.get_xlabel() == "area (mm\u00b2)"


def test_a_run_without_energy_or_area_has_no_plot_of_it(serial: RunResult) -> None:
    components = tuple(replace(each, leakage_j=0.0, area_m2={}) for each in serial.components)
    free = replace(serial, components=components, action_energies_j=dict.fromkeys(serial.action_energies_j, 0.0))
    assert [*run_plots(free)] == ["run-latency"]


def test_unusual_names_fit(serial: RunResult) -> None:
    config = serial.config.model_copy(update={"name": "$x^2$ 这是 <&> " + "very " * 40})
    for draw in run_plots(replace(serial, config=config, model="x" * 500)).values():
        rendered(draw)  # without a warning, which would be an error here
        (title,) = draw().texts
        assert title.get_text().startswith("$x^2$ 这是 <&> very")
        with warnings.catch_warnings(action="ignore"):
            assert title.get_window_extent().x1 <= title.figure.bbox.x1


def test_rows_of_the_breakdown_have_plots(serial: RunResult) -> None:
    (axes,) = run_plots(serial, "op")["run-energy-by-op"]().axes
    rows = {row["op"]: row["energy_j"] for row in BREAKDOWNS["op"](serial) if row["energy_j"]}
    size, unit = axis_unit(max(rows.values()), "J")
    shown = {label.get_text(): length for label, length in zip(axes.get_yticklabels(), lengths(axes), strict=True)}
    assert axes.get_xlabel() == f"energy ({unit})"
    assert list(shown.values()) == sorted(shown.values(), reverse=True)
    assert {name: length * size for name, length in shown.items()} == {name: near(rows[name]) for name in shown}
    assert set(shown) == set(sorted(rows, key=lambda name: -rows[name])[:40])
    assert {"run-time-by-layer", "run-energy-by-layer"} <= set(run_plots(serial, "layer"))
