"""Ties: values whose intervals overlap that of the best."""

from __future__ import annotations

import pytest

from pimsim import Design, compare, comparison_plots
from pimsim.present.plots.ties import TIE, Interval, tied_with_best
from tests.pimsim.present.plots.drawn import entries, panels, texts

VALUES = [3.0, 5.0, 4.0, 1.0]


@pytest.mark.parametrize(
    ("intervals", "higher", "tied"),
    [
        ([None] * 4, True, set()),
        ([(2.5, 3.5), (4.5, 5.5), (3.0, 4.4), (0.5, 1.5)], True, set()),
        ([(2.5, 3.5), (4.5, 5.5), (3.0, 4.5), (0.5, 1.5)], True, {1, 2}),
        ([(2.5, 9.0), (4.5, 5.5), (3.0, 4.6), (0.5, 1.5)], True, {0, 1, 2}),
        ([(1.4, 3.5), (4.5, 5.5), (3.0, 4.5), (0.5, 1.5)], False, {0, 3}),
        ([(2.5, 3.5), (4.0, 5.5), None, None], True, {1, 2}),
    ],
)
def test_values_whose_intervals_overlap_that_of_the_best(
    intervals: list[Interval | None], higher: bool, tied: set[int]
) -> None:
    assert tied_with_best(VALUES, intervals, higher=higher) == tied


def test_bars_that_tie_have_a_sign_that_the_legend_explains() -> None:
    result = compare(
        [Design("one", "pim-llm"), Design("two", "pim-llm"), "tpu-llm"],
        models=["gpt2-small"],
        contexts=[64],
        ranges=True,
        samples=40,
    )
    figure = comparison_plots(result)["comparison-bars"]()
    for axes, name in zip(panels(figure), ("tokens_per_s", "tokens_per_j"), strict=True):
        rows = result.rows
        ends = [None if (each := row.interval(name)) is None else (each.low, each.high) for row in rows]
        expected = tied_with_best([row.figure(name) or 0.0 for row in rows], ends, higher=True)
        assert texts(axes) == [TIE] * len(expected)
        assert len(expected) >= 2  # the same config twice
    assert f"{TIE} tie with the best: intervals overlap" in entries(figure)
    assert "95 % interval" in entries(figure)
