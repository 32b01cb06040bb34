"""The plot of a generation, sampled or exact."""

from __future__ import annotations

import itertools

import pytest

from pimsim import generate, load_config
from pimsim.base.units import ps_to_s
from pimsim.generation import GenerationResult
from pimsim.present.plots import (
    generation_plots,
    rendered,
)
from pimsim.present.plots.style import axis_unit, quantity
from tests.pimsim.present.plots.drawn import GENERATION, entries
from tests.support.closeness import near


def test_a_sampled_generation_marks_its_samples(sampled: GenerationResult) -> None:
    upper, lower = generation_plots(sampled)["generation"]().axes
    for axes, values in (
        (upper, [ps_to_s(step.latency_ps) for step in sampled.steps]),
        (lower, [step.energy_j for step in sampled.steps]),
    ):
        (line,) = axes.lines
        size = axis_unit(max(values), "s")[0]
        assert line.get_marker() == "o"
        assert line.get_xdata().tolist() == [step.context_length for step in sampled.steps]
        assert (line.get_ydata() * size).tolist() == near(values)
        (bounds,) = axes.collections  # of the steps between: from the lower to the higher of the two beside them
        (path,) = bounds.get_paths()
        corners = {(float(x), round(float(y), 9)) for x, y in path.vertices}
        steps_between = zip(itertools.pairwise(sampled.steps), itertools.pairwise(values), strict=True)
        for (before, after), beside in steps_between:
            for bound in (min(beside), max(beside)):
                height = round(bound / size, 9)
                assert {(before.context_length, height), (after.context_length, height)} <= corners
    assert entries(upper.figure) == ["bounds of the other steps", "simulated steps"]  # type: ignore[arg-type]
    assert (upper.get_ylabel(), lower.get_ylabel()) == ("latency per step (ms)", "energy per step (mJ)")
    assert lower.get_xlabel() == "context length (tokens)"
    title = upper.figure.get_suptitle()  # type: ignore[union-attr]
    error = quantity(ps_to_s(sampled.latency_error_ps), "_s")
    assert title.endswith(f"90 tokens, decode {quantity(ps_to_s(sampled.decode_latency_ps), '_s')} \u00b1 {error}")


@pytest.mark.parametrize("steps", [1, 70])
def test_an_exact_generation_has_no_bounds(steps: int) -> None:
    result = generate(load_config("pim-llm", [*GENERATION, f"workload.new_tokens={steps + 1}"]))
    draw = generation_plots(result)["generation"]
    figure = draw()
    assert [len(axes.collections) for axes in figure.axes] == [0, 0]
    (line,) = figure.axes[0].lines
    assert line.get_marker() == ("o" if steps == 1 else "")
    assert len(line.get_xdata()) == steps
    assert entries(figure) == ["every step simulated"]
    rendered(draw)
