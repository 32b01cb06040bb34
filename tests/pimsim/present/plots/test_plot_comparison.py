"""Plots of a comparison: bars, markers and lines are the figures of its rows; printed values stand apart."""

from __future__ import annotations

import pytest

from pimsim import compare, comparison_plots
from pimsim.studies.comparison.comparison_result import ComparisonResult
from pimsim.studies.comparison.external_points import ExternalPoint
from tests.pimsim.present.plots.drawn import entries, heights, panels, texts
from tests.support.closeness import near


@pytest.fixture(scope="module")
def result() -> ComparisonResult:
    printed = {"tokens_per_s": 20.0, "tokens_per_j": 40.0}
    return compare(
        ["pim-llm", "tpu-llm", "defaults"],
        models=["gpt2-small", "opt-6.7b"],
        contexts=[512, 64],
        points=[
            ExternalPoint("A", "a paper", "gpt2-small", "decode", 512, **printed),
            ExternalPoint("B", "a paper", "gpt2-small", "prefill", 512, **printed),
            ExternalPoint("C", "a paper", "gpt2-small", "decode", 100, **printed),
        ],
    )


def test_bars_are_the_figures_at_the_largest_context_and_failed_designs_have_none(result: ComparisonResult) -> None:
    figure = comparison_plots(result)["comparison-bars"]()
    for axes, name in zip(panels(figure), ("tokens_per_s", "tokens_per_j"), strict=True):
        rows = [row for row in result.rows if row.context_length == 512 and not row.error]
        by_design = sorted(rows, key=lambda row: result.names.index(row.design))
        assert heights(axes) == [row.figure(name) for row in by_design]
    assert len(heights(panels(figure)[0])) == 5
    assert entries(figure) == ["pim-llm", "tpu-llm", "defaults"]


def test_markers_grow_with_the_area_and_stars_are_printed_values_of_the_same_workload(result: ComparisonResult) -> None:
    figure = comparison_plots(result)["comparison-trade"]()
    [axes] = panels(figure)
    rows = [row for row in result.rows if row.context_length == 512 and not row.error]
    sizes = {}
    for row, dots in zip(rows, axes.collections, strict=True):
        assert dots.get_offsets().tolist() == [[row.tokens_per_s, row.tokens_per_j]]
        sizes[row.area_mm2] = dots.get_sizes()[0]
    by_area = [sizes[area] for area in sorted(sizes)]
    assert by_area == sorted(by_area)
    assert by_area[0] < by_area[-1]
    assert texts(axes) == ["A"]
    assert [line.get_xydata().tolist() for line in axes.lines] == [[[20.0, 40.0]]]
    assert entries(figure)[-1] == "printed"


def test_lines_run_over_the_contexts_in_order(result: ComparisonResult) -> None:
    figure = comparison_plots(result)["comparison-contexts"]()
    first = panels(figure)[0]
    [pim, tpu, small, star_a, star_c] = first.lines
    row = result.row_of("tpu-llm", "gpt2-small", 64)
    assert row is not None
    assert pim.get_xdata().tolist() == [64, 512]
    assert near(tpu.get_ydata()[0]) == row.tokens_per_s
    assert len(small.get_xdata()) == 2
    assert [list(star.get_xdata()) for star in (star_a, star_c)] == [[512], [100]]
    opt = panels(figure)[2]
    assert [len(line.get_xdata()) for line in opt.lines] == [2, 2, 0]


def test_a_comparison_of_loadings_has_bars_of_time_and_energy_only() -> None:
    loading = compare({"a": "pim-llm", "b": "pim-llm-published"}, models=["gpt2-small"], phase="load")
    plots = comparison_plots(loading)
    assert list(plots) == ["comparison-bars"]
    latency, energy = panels(plots["comparison-bars"]())
    assert heights(latency) == [row.latency_s for row in loading.rows]
    assert heights(energy) == [row.energy_j for row in loading.rows]
