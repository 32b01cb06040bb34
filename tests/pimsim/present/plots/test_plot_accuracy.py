"""Plots of accuracy studies show the values of the study, and the shipped study is drawn from its table."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from pimsim import load_config, vary_accuracy
from pimsim.present.plots import accuracy_plots
from pimsim.present.plots.plot_accuracy import PANELS, study_curves, study_trade
from pimsim.studies.accuracy.accuracy_study import AccuracyStudy
from pimsim.studies.accuracy.parameter_study import axis_label
from tests.support.closeness import near
from tests.support.tiny_models import NO_WIRES, settings, tiny_model


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> AccuracyStudy:
    folder = tiny_model(tmp_path_factory.mktemp("model") / "tiny")
    config = load_config("pim-llm", [*settings(folder), *NO_WIRES])
    return vary_accuracy(config, [("adc-bits", ("4", "8"))], threads=1)


def legend_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_plots_show_the_values_of_the_study(study: AccuracyStudy) -> None:
    drawn = {name: draw() for name, draw in accuracy_plots(study).items()}
    four, eight = (point.result for point in study.of("adc-bits"))
    base = study.base
    assert base is not None
    exact = base.exact_perplexity.mean

    (axes,) = drawn["accuracy-adc-bits"].axes
    curve, dashed = axes.lines
    assert [*zip(*curve.get_data(), strict=True)] == [(4, four.perplexity.mean), (8, eight.perplexity.mean)]
    assert list(dashed.get_ydata()) == [exact, exact]
    assert dashed.get_linestyle() == "--"
    (band,) = axes.collections
    corners = {(float(x), float(y)) for path in band.get_paths() for x, y in path.vertices}
    for bits, result in ((4, four), (8, eight)):
        assert {(bits, result.perplexity.low), (bits, result.perplexity.high)} <= corners
    assert (axes.get_xlabel(), axes.get_ylabel()) == (axis_label("adc-bits"), "perplexity per token")
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["4", "8"]
    assert legend_of(drawn["accuracy-adc-bits"]) == ["on the analog arrays", "exact integers"]

    (axes,) = drawn["accuracy-cost-adc-bits"].axes
    ratios = [each.perplexity_ratio for each in (four, eight)]
    (bars,) = axes.containers
    marks, _, (segments,) = bars.lines
    assert list(marks.get_ydata()) == near([100 * (each.mean - 1) for each in ratios], rel=1e-12)
    for segment, x, ratio in zip(segments.get_segments(), (4, 8), ratios, strict=True):
        assert ratio.ends is not None
        assert segment.tolist() == [near([x, 100 * (end - 1)], rel=1e-9) for end in ratio.ends]
    assert list(axes.lines[-1].get_ydata()) == [1, 1]
    assert axes.get_ylabel() == "perplexity increase (%)"

    (axes,) = drawn["accuracy-trade"].axes
    (marks,) = axes.collections
    expected = [[each.machine.gops_per_w, each.perplexity.mean] for each in (four, eight)]
    assert marks.get_offsets().tolist() == [near(each) for each in expected]
    assert [text.get_text() for text in axes.texts] == ["4", "8"]
    assert list(axes.lines[0].get_ydata()) == [exact, exact]
    assert axes.get_xlabel() == "GOPS/W of the same config and model"
    assert legend_of(drawn["accuracy-trade"]) == ["adc-bits", "exact integers"]

    (axes,) = drawn["accuracy-layers"].axes
    lines = {line.get_label(): [*zip(*line.get_data(), strict=True)] for line in axes.lines}
    roles = dict.fromkeys(site.role for site in base.sites)
    expected_lines = {role: [(s.layer, s.snr_db) for s in base.sites if s.role == role] for role in roles}
    assert lines == expected_lines | {"residual": [(each.layer, each.snr_db) for each in base.layers]}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("layer", "SNR (dB)")


@pytest.mark.parametrize(("worst", "scale"), [("2.9", "linear"), ("6.1", "log")])
def test_perplexities_that_lie_far_apart_are_on_a_logarithmic_axis(worst: str, scale: str) -> None:
    """Three times apart: an axis of its own for each group of the shipped study."""
    rows = [stored("adc", "stock", bits, perplexity) for bits, perplexity in (("4", worst), ("6", "2.1"), ("8", "2.0"))]
    rows += [stored(group, group, value, "2.2") for group in list(PANELS)[1:] for value in ("1", "1000")]
    figure = study_curves(rows)
    assert [axes.get_xlabel() for axes in figure.axes] == list(PANELS.values())
    adc, *others = figure.axes
    assert adc.get_yscale() == scale
    curve, exact = adc.lines
    assert [*zip(*curve.get_data(), strict=True)] == [(4, float(worst)), (6, 2.1), (8, 2.0)]
    assert list(exact.get_ydata()) == [1.9, 1.9]
    assert [text.get_text() for text in adc.get_legend().get_texts()] == ["stock", "exact integers"]
    for group, axes in zip(list(PANELS)[1:], others, strict=True):
        # A thousand times apart: at even distances.
        assert [*zip(*axes.lines[0].get_data(), strict=True)] == [(0, 2.2), (1, 2.2)]
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "1000"]
        assert [text.get_text() for text in axes.get_legend().get_texts()] == [group, "exact integers"]
        assert axes.get_yscale() == "linear"


def stored(group: str, line: str, value: str, perplexity: str, gops: str = "1", opt_gops: str = "1") -> dict[str, str]:
    """A row of the shipped study's table."""
    return {
        "group": group, "line": line, "value": value, "perplexity": perplexity, "perplexity_low": "",
        "perplexity_high": "", "exact_perplexity": "1.9", "gops_per_w": gops, "opt_gops_per_w": opt_gops,
    }  # fmt: skip


def test_the_trade_of_the_shipped_study_has_every_adc_and_the_front() -> None:
    rows = [
        stored("adc", "one", "4", "3.0", "300", "30"),
        stored("adc", "one", "6", "2.5", "200", "40"),
        stored("adc", "two", "6", "2.6", "100", "50"),  # beaten for the model itself, not for OPT-6.7B
        stored("wire", "one", "1", "9.0", "900", "90"),  # of another group
    ]
    figure = study_trade(rows)
    left, right = figure.axes
    assert (left.get_xlabel(), right.get_xlabel()) == (
        "GOPS/W of kjv-bitnet", "GOPS/W of OPT-6.7B on the same chip",
    )  # fmt: skip
    found = [[marks.get_offsets().tolist() for marks in axes.collections] for axes in (left, right)]
    assert found == [
        [[[300, 3.0], [200, 2.5]], [[100, 2.6]]],
        [[[30, 3.0], [40, 2.5]], [[50, 2.6]]],
    ]
    fronts = [[*zip(*axes.lines[0].get_data(), strict=True)] for axes in (left, right)]
    assert fronts == [[(300, 3.0), (200, 2.5)], [(50, 2.6), (40, 2.5)]]
    assert list(left.lines[1].get_ydata()) == [1.9, 1.9]
    assert legend_of(figure) == ["one", "two", "exact integers"]
