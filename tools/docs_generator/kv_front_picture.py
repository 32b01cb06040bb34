"""Picture of docs/memory-wall.md: perplexity of SmolLM2-135M against bytes of its KV cache and against tokens/J."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pimsim.present.plots.figure_layout import new_figure
from pimsim.present.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, PAGE_IN, PURPLE, SKY_BLUE, VERMILION

LOOKS = (
    *((BLACK, "*"), (BLUE, "o"), (SKY_BLUE, "s"), (GREEN, "^")),
    *((VERMILION, "D"), (ORANGE, "v"), (PURPLE, "P"), (GREY, "X")),
    *((BLUE, "<"), (GREEN, ">")),
)
MARGIN = 1.05


def figure(data: dict[str, Any]) -> Figure:
    """Draw the picture.

    Args:
        data: `lines`: name and points (bytes, tokens/J, perplexity) of each line; `fronts`: points of both fronts;
            `limit`: largest perplexity that is shown.

    Returns:
        The figure.
    """
    drawn = new_figure(PAGE_IN, 3.1)
    left, right = drawn.subplots(1, 2, sharey=True)
    for place, axes in enumerate((left, right)):
        _panel(axes, data, place)
    left.set_xscale("log", base=2)
    sizes = [point[0] for _, points in data["lines"] for point in points]
    powers = (2.0**power for power in range(-4, 8))
    ticks = [tick for tick in powers if min(sizes) / MARGIN <= tick <= max(sizes) * MARGIN]
    left.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    left.set_xlabel("KV cache after 2,048 tokens (MiB)")
    left.set_ylabel("perplexity per token")
    right.set_xlabel("tokens/J of a decode step (pim-llm, int8)")
    handles, labels = left.get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=7)
    return drawn


def _panel(axes: Axes, data: dict[str, Any], place: int) -> None:
    limit = data["limit"]
    for (name, points), (colour, marker) in zip(data["lines"], LOOKS, strict=False):
        shown = [point for point in points if point[2] <= limit]
        _line(axes, shown, place, color=colour, marker=marker, label=name, lw=0.7, ms=4, zorder=2)
    front = [point for point in data["fronts"][place] if point[2] <= limit]
    _line(axes, front, place, color="black", lw=2.5, alpha=0.2, zorder=1, label="front")
    above = len({tuple(point) for _, points in data["lines"] for point in points if point[2] > limit})
    if above:
        axes.set_title(f"{above} caches above {limit:.3g} are not shown", fontsize=7, loc="right")
    axes.grid(lw=0.4)


def _line(axes: Axes, points: Sequence[Sequence[float]], place: int, **look: Any) -> None:
    axes.plot([point[place] for point in points], [point[2] for point in points], **look)
