"""Styles of plots: their sizes, and what is refused."""

from __future__ import annotations

import pytest

from pimsim.base.errors import OutputError
from pimsim.present.plot_style import DEFAULT, STYLES, PlotStyle, plot_style


def test_styles_by_name_and_their_changes() -> None:
    assert plot_style() is DEFAULT
    assert (DEFAULT.width_in, DEFAULT.scale) == (None, 1.0)
    assert plot_style("paper") is STYLES["paper"]
    assert plot_style("paper").width_in == 3.5
    assert plot_style("talk").scale == 2.0
    assert plot_style("paper", width="page") == PlotStyle(7.0, 7.0, highest_in=9.5)
    assert plot_style(width=5) == plot_style(width="5") == PlotStyle(5.0)
    assert plot_style("talk", font="serif") == PlotStyle(10.0, 16.0, "serif", 7.5)
    assert plot_style(font="9") == PlotStyle(None, 9.0)
    assert plot_style("paper", font="DejaVu Serif 8.5") == PlotStyle(3.5, 8.5, "DejaVu Serif", 9.5)
    assert plot_style(plot_style("talk"), width=12) == PlotStyle(12.0, 16.0, highest_in=7.5)


@pytest.mark.parametrize(
    ("style", "width", "font", "message"),
    [
        ("papers", None, None, "plot style 'papers' is not one of paper, talk. did you mean paper?"),
        (None, "wide", None, "width of plots must be column or page, or 2.5 to 30 inches, not 'wide'"),
        (None, "nan", None, "not 'nan'"),
        (None, 0, None, "not '0'"),
        (None, "31", None, "not '31'"),
        (None, None, "", "font must be a family, a size of 4 to 60 points, or both, such as 'serif 9', not ''"),
        (None, None, "serif 3", "not 'serif 3'"),
        (None, None, "inf", "not 'inf'"),
        ("talk", "column", None, "type of 16 pt must be at least 5.8 inches wide, not 3.5: choose a larger width"),
    ],
)
def test_what_is_not_a_style_is_refused(
    style: str | None, width: str | float | None, font: str | None, message: str
) -> None:
    with pytest.raises(OutputError, match=message.replace("(", r"\(").replace("?", r"\?")):
        plot_style(style, width=width, font=font)
