"""Markers of Plotly for the looks that reports share with plots."""

from __future__ import annotations

from typing import Any

from pimsim.present.looks import Look


def marker(look: Look) -> dict[str, Any]:
    """Return the marker of bars with a look: its colour, and its hatch as a pattern.

    Args:
        look: The look.

    Returns:
        Marker of Plotly; patterns are drawn in grey, which is visible on light and on dark pages.
    """
    drawn: dict[str, Any] = {"color": look.colour, "line": {"width": 0.5, "color": "#666666"}}
    if look.hatch:
        pattern = {"shape": look.hatch[0], "fillmode": "overlay", "fgcolor": "#444444", "fgopacity": 1, "size": 6}
        drawn["pattern"] = pattern | {"solidity": 0.25}
    return drawn
