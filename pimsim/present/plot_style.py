"""Styles of plots: size of type, width and font, for a column of a paper or for a slide. Needs no library of plots."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType

from pimsim.base.errors import OutputError, did_you_mean, printable

NATIVE_PT = 8.0
"""Size of the type at which the plots are designed, in points; lines and markers have their sizes at this type."""
WIDTHS: Mapping[str, float] = MappingProxyType({"column": 3.5, "page": 7.0})
"""Widths with a name, in inches: one column of a two-column paper, and both."""
WIDTH_RANGE_IN = (2.5, 30.0)
SIZE_RANGE_PT = (4.0, 60.0)
_NARROWEST_PT = 26.0
"""Smallest width of a plot in units of the size of its type; in less, labels have no room."""


@dataclass(frozen=True, slots=True)
class PlotStyle:
    """Look of all plots of one call.

    Lines, markers and distances are proportional to the size of the type, so that a plot for a slide has larger type
    and thicker lines.

    Attributes:
        width_in: Width of each figure, inches; None means the width for which each plot is designed (3.5 or 7 inches).
        size_pt: Size of the type, points; titles are a little larger and values beside bars a little smaller.
        font: Family of fonts, as matplotlib names it.
        highest_in: Height of what the plot is for, a page or a slide, inches; a higher plot causes a `TallPlotWarning`.
            None means any height.
    """

    width_in: float | None = None
    size_pt: float = NATIVE_PT
    font: str = "sans-serif"
    highest_in: float | None = None

    @property
    def scale(self) -> float:
        """Factor from the sizes at which plots are designed."""
        return self.size_pt / NATIVE_PT


DEFAULT = PlotStyle()
STYLES: Mapping[str, PlotStyle] = MappingProxyType(
    {
        "paper": PlotStyle(width_in=3.5, size_pt=7.0, highest_in=9.5),
        "talk": PlotStyle(width_in=10.0, size_pt=16.0, highest_in=7.5),
    }
)
"""Styles by name: `paper` fits one column of a paper, `talk` a slide of 13.3 by 7.5 inches."""


class TallPlotWarning(UserWarning):
    """A plot is higher than the page or the slide of its style."""


def plot_style(
    style: str | PlotStyle | None = None, *, width: str | float | None = None, font: str | None = None
) -> PlotStyle:
    """Return a style of plots.

    Args:
        style: "paper", "talk", a style, or None for the style of plots without any options.
        width: "column" (3.5 inches), "page" (7 inches) or a number of inches; None means the width of the style.
        font: Family of fonts, size of the type in points, or both: "serif", "9" or "serif 9"; None means the font of
            the style.

    Returns:
        The style.

    Raises:
        OutputError: If the style is not known, or width or size are not numbers or are out of range. Whether the font
            is installed is checked when plots are drawn.
    """
    chosen = _named(style)
    if width is not None:
        chosen = replace(chosen, width_in=_width_in(width))
    if font is not None:
        chosen = _with_font(chosen, font)
    if chosen.width_in is not None and 72 * chosen.width_in < _NARROWEST_PT * chosen.size_pt:
        least = _NARROWEST_PT * chosen.size_pt / 72
        raise OutputError(
            f"plots with type of {chosen.size_pt:g} pt must be at least {least:.2g} inches wide, "
            f"not {chosen.width_in:g}: choose a larger width or smaller type"
        )
    return chosen


def _named(style: str | PlotStyle | None) -> PlotStyle:
    if style is None:
        return DEFAULT
    if isinstance(style, PlotStyle):
        return style
    if style not in STYLES:
        hint = did_you_mean(style, STYLES)
        raise OutputError(f"plot style {printable(style, 60)!r} is not one of {', '.join(STYLES)}. {hint}".strip())
    return STYLES[style]


def _width_in(width: str | float) -> float:
    low, high = WIDTH_RANGE_IN
    found = WIDTHS.get(width) if isinstance(width, str) else width
    try:
        number = float(width) if found is None else found
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        known = " or ".join(WIDTHS)
        raise OutputError(
            f"width of plots must be {known}, or {low:g} to {high:g} inches, not {printable(str(width), 60)!r}"
        )
    return number


def _with_font(style: PlotStyle, font: str) -> PlotStyle:
    words = font.split()
    size = style.size_pt
    with suppress(ValueError):  # the last word may belong to the family
        size = float(words[-1]) if words else size
        words = words[:-1]
    low, high = SIZE_RANGE_PT
    if not font.strip() or not low <= size <= high:
        raise OutputError(
            f"font must be a family, a size of {low:g} to {high:g} points, or both, such as 'serif 9', "
            f"not {printable(font, 60)!r}"
        )
    return replace(style, size_pt=size, font=" ".join(words) or style.font)
