"""Texts of a figure as they are drawn: where each lies, which overlap, and which are cut off at the edge."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from unittest import mock

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

SLACK = 0.13
"""Share of a line's height at the top and at the bottom of a box that most letters leave empty."""


@dataclass(frozen=True)
class Drawn:
    """A text that is drawn: its words, the corners of its box [4, 2] in pixels, and its size in points."""

    words: str
    corners: NDArray[np.float64]
    size_pt: float

    def overlaps(self, other: Drawn) -> bool:
        """Tell whether two rectangles share a point: no side of either separates them."""
        for corners in (self.corners, other.corners):
            for side in (corners[1] - corners[0], corners[3] - corners[0]):
                mine, its = self.corners @ side, other.corners @ side
                if mine.max() <= its.min() or its.max() <= mine.min():
                    return False
        return True


def drawn_texts(figure: Figure) -> list[Drawn]:
    """Lay out a figure, and return the texts that it draws; not, for example, ticks outside the limits."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    found: dict[int, Text] = {}

    def note(text: Text, *_: object) -> None:
        if text.get_visible() and text.get_text().strip():
            found[id(text)] = text

    with mock.patch.object(Text, "draw", note):
        figure.draw_without_rendering()
    return [Drawn(each.get_text(), _corners(each, renderer), float(each.get_fontsize())) for each in found.values()]


def overlaps(texts: Sequence[Drawn]) -> Iterator[tuple[str, str]]:
    """Yield the texts that overlap."""
    for one, other in combinations(texts, 2):
        if one.overlaps(other):
            yield one.words, other.words


def cut_off(figure: Figure, texts: Sequence[Drawn]) -> Iterator[str]:
    """Yield the texts that extend beyond the edge of the figure by more than a pixel."""
    for text in texts:
        low, high = text.corners.min(axis=0), text.corners.max(axis=0)
        if min(low) < -1 or high[0] > figure.bbox.width + 1 or high[1] > figure.bbox.height + 1:
            yield text.words


def _corners(text: Text, renderer: object) -> NDArray[np.float64]:
    box = Text.get_window_extent(text, renderer)  # type: ignore[arg-type]
    centre = np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])  # also that of the box before its rotation
    angle = math.radians(text.get_rotation())
    text.set_rotation(0)
    level = Text.get_window_extent(text, renderer)  # type: ignore[arg-type]
    text.set_rotation(math.degrees(angle))
    lines = text.get_text().count("\n") + 1
    width, height = level.width, level.height * (1 - 2 * SLACK / lines)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    flat = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    return centre + flat @ turn.T
