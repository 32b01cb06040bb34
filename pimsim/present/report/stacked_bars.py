"""Stacked bars: what the time, the energy and the area of one result or several consist of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from pimsim.present.labels import percent, quantity
from pimsim.present.looks import GREY, Look
from pimsim.present.report.bar_marks import marker
from pimsim.present.report.page_blocks import Chart

Shares = Mapping[str, float]
"""Values by name, in SI units."""

_MOST_NAMED = 4
_UNITS = {"_s": "s", "_j": "J", "_w": "W", "_m2": "mm²"}


def stacked_bars(
    name: str, title: str, key: str, bars: Sequence[tuple[str, Shares]], looks: Mapping[str, Look]
) -> Chart:
    """Return one horizontal bar per result, divided by what it consists of.

    Args:
        name: Name of the chart in the page.
        title: Title above the chart.
        key: Suffix of config keys with the unit of the values: "_s", "_j", "_w" or "_m2".
        bars: Label and shares of each result.
        looks: Looks by name of a share; others are grey.

    Returns:
        The chart: values in seconds, joules and watts, areas in mm².
    """
    size = 1e6 if key == "_m2" else 1.0
    summed = {part: sum(shares.get(part, 0.0) for _, shares in bars) for _, shares in bars for part in shares}
    parts = sorted((part for part, value in summed.items() if value), key=lambda part: (-summed[part], part))
    labels = [escape(label) for label, _ in bars]
    unit = _UNITS[key]
    data = []
    for part in parts:
        look = looks.get(part, Look(part, GREY))
        values = [shares.get(part, 0.0) for _, shares in bars]
        shares_of = [percent(value / (sum(of.values()) or 1.0)) for value, (_, of) in zip(values, bars, strict=True)]
        data.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": escape(look.label),
                "y": labels,
                "x": [value * size for value in values],
                "customdata": [
                    f"{quantity(value, key)}, {share}" for value, share in zip(values, shares_of, strict=True)
                ],
                "hovertemplate": "%{customdata}<extra>%{fullData.name}</extra>",
                "marker": marker(look),
            }
        )
    what = {"_s": "time", "_j": "energy", "_w": "power", "_m2": "area"}[key]
    axis = {"title": {"text": f"{what} ({unit})", "standoff": 8}, "rangemode": "tozero", "showgrid": True}
    layout = {
        "barmode": "stack",
        "xaxis": axis if key == "_m2" else axis | {"tickformat": "~s", "ticksuffix": unit},
        "yaxis": {"autorange": "reversed", "showgrid": False, "visible": len(bars) > 1, "type": "category"},
        "legend": {"orientation": "h", "traceorder": "normal", "y": -0.35, "yanchor": "top"},
        "margin": {"l": 20, "r": 20, "t": 10, "b": 60},
        "bargap": 0.35,
    }
    height = 210 + 40 * len(bars) + 24 * (len(parts) // 6)
    return Chart(name, title, _described(bars, looks, key), data, layout, height)


def _described(bars: Sequence[tuple[str, Shares]], looks: Mapping[str, Look], key: str) -> str:
    sentences = []
    for label, shares in bars:
        total = sum(shares.values())
        largest = sorted((each for each in shares.items() if each[1]), key=lambda each: -each[1])
        named = [
            f"{looks[part].label if part in looks else part} {quantity(value, key)} ({percent(value / total)})"
            for part, value in largest[:_MOST_NAMED]
        ]
        more = f" and {len(largest) - _MOST_NAMED} smaller" if len(largest) > _MOST_NAMED else ""
        whose = f"{label}: " if len(bars) > 1 else ""
        sentences.append(f"{whose}{quantity(total, key)} in total: {', '.join(named)}{more}.")
    return " ".join(sentences)
