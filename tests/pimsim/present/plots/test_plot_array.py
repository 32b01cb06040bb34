"""Plots of an array study show its errors by size, source, column and ADC resolution."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pimsim import ArrayStudy, ArrayStudyOptions, load_config, study_array
from pimsim.present.plots import array_plots, rendered
from tests.pimsim.present.plots.drawn import lengths, texts
from tests.support.closeness import near

OPTIONS = ArrayStudyOptions(rows=40, columns=30, vectors=8, chips=3, seed=5)


@pytest.fixture(scope="module")
def study() -> ArrayStudy:
    return study_array(load_config("pim-llm"), options=OPTIONS)


def test_plots_show_the_values_of_the_study(study: ArrayStudy) -> None:
    drawn = {name: draw() for name, draw in array_plots(study).items()}
    errors, bars, columns, bits = (figure.axes[0] for figure in drawn.values())
    total = sum(study.histogram.counts)
    assert [box.get_height() * total for box in errors.patches] == near(study.histogram.counts[1:-1])
    there = sorted((each for each in study.sources if each.alone is not None), key=lambda each: -(each.alone or 0))
    expected = [study.snr_of(power) if power else 0.0 for each in there for power in (each.alone, each.without)]
    assert lengths(bars) == near(expected)
    assert bars.lines[0].get_xdata()[0] == study.snr_of(study.total)
    assert columns.lines[0].get_ydata().tolist() == list(study.column_rms)
    assert columns.lines[1].get_ydata().tolist() == list(study.column_bias)
    assert list(zip(*bits.lines[0].get_data(), strict=True)) == list(study.by_adc_bits)


def test_plots_without_data_are_left_out(study: ArrayStudy) -> None:
    silent = replace(
        study,
        sources=tuple(replace(each, alone=None, without=None) for each in study.sources),
        by_adc_bits=((6, float("inf")),),
    )
    assert [*array_plots(silent)] == ["array-errors", "array-columns"]


def test_extreme_values_and_names_can_be_plotted(study: ArrayStudy) -> None:
    """Of two sources, one has no error and cannot be removed; the other has ten times the power of the signal."""
    sources = (
        replace(study.sources[0], alone=0.0, without=None),
        replace(study.sources[1], alone=10 * study.errors.signal_rms**2, without=0.0),
    )
    name = "$x^2$ 这是 <&> " + "very " * 40
    odd = replace(study, sources=sources, config=study.config.model_copy(update={"name": name}))
    for draw in array_plots(odd).values():
        rendered(draw)  # without a warning, which would be an error here
        assert draw().texts[0].get_text().startswith("$x^2$ 这是 <&> very")
    (bars,) = array_plots(odd)["array-sources"]().axes
    assert lengths(bars) == [near(-10.0), 0, 0, 0]
    assert texts(bars)[:4] == ["-10.0", "no error", "no error", "cannot be removed alone"]


def test_a_study_without_error_of_all_sources_together_has_no_line_for_it(study: ArrayStudy) -> None:
    exact = replace(study, sources=(replace(study.sources[0], alone=5.0, without=0.0),), total=0.0)
    rendered(array_plots(exact)["array-sources"])
    (bars,) = array_plots(exact)["array-sources"]().axes
    assert lengths(bars) == [near(study.snr_of(5.0)), 0]
    assert not bars.lines
