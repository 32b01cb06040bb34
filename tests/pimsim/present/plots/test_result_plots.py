"""`result.plot`: the plots of each class of results return axes, draw into given ones, and take a style."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pimsim import (
    ArrayStudyOptions,
    compare,
    kv_sizes,
    load_config,
    load_sweep,
    load_system,
    plot_style,
    poisson_requests,
    run_sweep,
    serve,
    study_array,
    vary_accuracy,
)
from pimsim.base.errors import AnalysisError, OutputError
from pimsim.generation import GenerationResult
from pimsim.present.plots.style import axis_unit
from pimsim.results.run_result import RunResult
from tests.pimsim.present.plots.drawn import lengths
from tests.pimsim.present.plots.every_plot import SYSTEM
from tests.support.closeness import near
from tests.support.tiny_models import NO_WIRES, settings, tiny_model


def given() -> Axes:
    return Figure(figsize=(5, 3)).add_subplot()


def test_plots_of_a_run_have_its_figures(serial: RunResult) -> None:
    axes = serial.plot.latency()
    assert isinstance(axes, Axes)
    size, _ = axis_unit(serial.latency_s, "s")
    assert sum(lengths(axes)) * size == near(serial.latency_s)
    assert dir(serial.plot) == ["area", "energy", "latency", "roofline"]
    assert repr(serial.plot) == "<plots: latency, energy, area, roofline>"
    assert axes.figure.get_size_inches()[0] == 7.0
    assert serial.plot.energy(style="paper").figure.get_size_inches()[0] == 3.5
    assert serial.plot.area(style=plot_style("talk", width=12)).figure.get_size_inches()[0] == 12.0
    assert serial.plot.roofline().get_xlabel().startswith("operations per byte")


def test_given_axes_get_the_plot_and_a_title_of_their_own(serial: RunResult) -> None:
    figure = Figure(figsize=(10, 3))
    left, right = figure.subplots(1, 2)
    assert serial.plot.latency(ax=left) is left
    assert serial.plot.energy(ax=right) is right
    assert left.get_title(loc="left").startswith("pim-llm: GPT-2 Medium, decode at context")
    assert left.containers
    assert right.containers
    assert figure.get_suptitle() == ""
    assert figure.legends == []


def test_plots_of_several_panels_refuse_axes(sampled: GenerationResult) -> None:
    with pytest.raises(OutputError, match="several panels and needs a figure of its own: leave out ax"):
        sampled.plot.steps(ax=given())
    axes = given()
    assert sampled.plot.latency(ax=axes) is axes
    assert axes.get_ylabel().startswith("latency per step (")
    assert sampled.plot.energy().get_ylabel().startswith("energy per step (")


def test_what_a_result_does_not_have_is_named(serial: RunResult) -> None:
    with pytest.raises(AttributeError, match="this result has no plot 'power'; it has latency, energy, area, roofline"):
        serial.plot.power()
    with pytest.raises(OutputError, match="plot style 'poster'"):
        serial.plot.latency(style="poster")


def test_other_results_have_plots_that_suit_them(tmp_path: Path) -> None:
    requests = poisson_requests(3.0, 20, prompt="16", output="4", seed=1)
    alone = serve(load_config("pim-llm", ["workload.model=gpt2-small"]), requests)
    cluster = serve(load_system(SYSTEM), requests)
    comparison = compare(["pim-llm", "tpu-llm"], models=["gpt2-small"], contexts=[64])
    options = ArrayStudyOptions(rows=16, columns=8, vectors=2, chips=2)
    array = study_array(load_config("pim-llm"), options=options)
    config = load_config("pim-llm", [*settings(tiny_model(tmp_path / "tiny")), *NO_WIRES])
    accuracy = vary_accuracy(config, [("adc-bits", ("4", "8"))], threads=1)
    sizes = kv_sizes("llama-3-8b", 1024, [16])
    sweep = {"name": "s", "base": "pim-llm", "axes": {"machine.systolic.rows": [8, 16]}}
    points = run_sweep(load_sweep(sweep | {"metrics": ["tokens_per_s", "area_m2"]}), tmp_path / "s.h5", workers=1)
    base = accuracy.base
    assert base is not None
    drawn: list[tuple[Any, str]] = [
        *((alone.plot.latency, "time to first token"), (alone.plot.power, "time (")),
        *(
            (cluster.plot.latency, "time to first token"),
            (comparison.plot.speed, ""),
            (comparison.plot.trade, "tokens/s"),
        ),
        *((array.plot.errors, "error of a result"), (array.plot.columns, "column of the matrix")),
        *((accuracy.plot.layers, "layer"), (accuracy.plot.trade, "GOPS/W"), (base.plot.layers, "layer")),
        *((sizes.plot.sizes, "context (tokens)"), (points.plot.front, "tokens/s"), (points.plot.parallel, "")),
    ]
    for plot, label in drawn:
        axes = given()
        assert plot(ax=axes) is axes
        assert axes.get_xlabel().startswith(label), plot.__name__
        assert axes.has_data()
    assert accuracy.plot.cost("adc-bits").get_ylabel() == "perplexity increase (%)"
    small = [load_config("defaults"), load_config("defaults", ["name=other"])]  # too few tiles for the model
    with pytest.raises(AnalysisError, match="no row of the comparison has"):
        compare(small, models=["llama-7b"], contexts=[64]).plot.speed()
