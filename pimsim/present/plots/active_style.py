"""Style in which plots are drawn now: settings of matplotlib, and sizes in proportion to the type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import matplotlib.style
from matplotlib import rcParamsDefault
from matplotlib.font_manager import FontProperties, findfont, fontManager

from pimsim.base.errors import OutputError, did_you_mean, printable
from pimsim.present.plot_style import DEFAULT, PlotStyle

_SIZES_PT: Mapping[str, float] = MappingProxyType(
    {
        "font.size": 8,
        "axes.titlesize": 9,
        "axes.labelsize": 8,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "legend.fontsize": 8,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "grid.linewidth": 0.4,
        "patch.linewidth": 0.4,
        "hatch.linewidth": 0.5,
    }
)
_SCALED = (
    *("axes.labelpad", "axes.titlepad", "lines.linewidth", "lines.markersize", "lines.markeredgewidth"),
    *("xtick.major.size", "xtick.minor.size", "xtick.major.pad", "xtick.minor.pad", "xtick.minor.width"),
    *("ytick.major.size", "ytick.minor.size", "ytick.major.pad", "ytick.minor.pad", "ytick.minor.width"),
)
"""Settings of matplotlib in points that pimsim leaves at their defaults, except that they grow with the type."""
_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "legend.frameon": False,
        "legend.handlelength": 1.4,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": "#cccccc",
        "pdf.fonttype": 42,  # TrueType, which publishers ask for
        "text.parse_math": False,  # names that users choose may contain dollar signs
        "svg.hashsalt": "pimsim",  # without it the ids in an SVG file are random
    }
)
_GENERIC_FONTS = ("serif", "sans-serif", "monospace")
_active: ContextVar[PlotStyle] = ContextVar("style of plots", default=DEFAULT)


@contextmanager
def paper_style(style: PlotStyle = DEFAULT) -> Iterator[None]:
    """Use the style of pimsim on top of matplotlib's defaults, independent of the user's matplotlibrc.

    Args:
        style: Width, type and font of the plots that are drawn inside.

    Yields:
        None. The earlier settings are restored at the end.

    Raises:
        OutputError: If the font is not installed.
    """
    scaled = {name: size * style.scale for name, size in _SIZES_PT.items()}
    defaults: Any = rcParamsDefault  # whose stubs allow only literal names
    scaled |= {name: defaults[name] * style.scale for name in _SCALED}
    token = _active.set(style)
    try:
        with matplotlib.style.context(["default", {**_SETTINGS, **scaled, "font.family": installed(style.font)}]):
            yield
    finally:
        _active.reset(token)


def installed(font: str) -> str:
    """Check that a family of fonts can be drawn, which matplotlib would replace by another without an error.

    Args:
        font: Name of the family.

    Returns:
        The name.

    Raises:
        OutputError: If it is not installed.
    """
    if font not in _GENERIC_FONTS:
        try:
            findfont(FontProperties(family=[font]), fallback_to_default=False)
        except ValueError:
            known = sorted({entry.name for entry in fontManager.ttflist})
            hint = did_you_mean(font, known) or f"installed are {', '.join(known[:8])} and others"
            shown = printable(font, 60)
            raise OutputError(
                f"font {shown!r} is not installed; {', '.join(_GENERIC_FONTS)} always are; {hint}"
            ) from None
    return font


def active_style() -> PlotStyle:
    """Return the style of the innermost `paper_style`.

    Returns:
        The style; outside, the default.
    """
    return _active.get()


def pt(points: float) -> float:
    """Return a size at the type of the active style.

    Args:
        points: Size of type, line, marker or distance at 8 pt type, points.

    Returns:
        The size in proportion to the type, points.
    """
    return points * _active.get().scale


def pt2(points2: float) -> float:
    """Return the area of a marker at the type of the active style.

    Args:
        points2: Area at 8 pt type, square points.

    Returns:
        The area, square points.
    """
    return points2 * _active.get().scale ** 2
