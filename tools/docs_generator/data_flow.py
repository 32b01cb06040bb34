"""The data-flow picture of docs/architecture.md, as SVG: inputs and outputs of each folder."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 1070, 390
BOX_WIDTH, BOX_HEIGHT = 138, 58


class Box(NamedTuple):
    """A folder (or a kind of file) at a place of the picture: the middle of the box in pixels."""

    x: int
    y: int
    title: str
    caption: str
    fill: str


FILE, FOLDER, PACKAGE, STUDY = "#f4f4f4", "#dcecf7", "#e3f2e6", "#fbeedb"

BOXES = {
    "yaml": Box(85, 60, "YAML files", "configs/, yours", FILE),
    "config": Box(265, 60, "config/", "frozen Config", FOLDER),
    "hardware": Box(445, 60, "hardware/", "Machine: components", FOLDER),
    "model": Box(85, 170, "models", "config.json, traces/", FILE),
    "workloads": Box(265, 170, "workloads/", "Trace: typed ops", PACKAGE),
    "mapping": Box(445, 170, "mapping/", "Program: assignments", FOLDER),
    "engine": Box(625, 170, "engine/", "events in ps", FOLDER),
    "results": Box(805, 170, "results/", "RunResult, HDF5", FOLDER),
    "crossbar": Box(265, 280, "crossbar/", "analog products", PACKAGE),
    "inference": Box(445, 280, "inference/", "forward pass, logits", FOLDER),
    "studies": Box(805, 280, "studies/", "sweep, accuracy ...", STUDY),
    "present": Box(985, 225, "present/", "tables, plots, JSON", STUDY),
    "cli": Box(985, 335, "cli/", "pimsim run, sweep ...", STUDY),
}

ARROWS = (
    ("yaml", "config"),
    ("config", "hardware"),
    ("hardware", "mapping"),
    ("model", "workloads"),
    ("workloads", "mapping"),
    ("mapping", "engine"),
    ("engine", "results"),
    ("crossbar", "inference"),
    ("inference", "studies"),
    ("results", "present"),
    ("studies", "present"),
    ("present", "cli"),
)
BOTH_WAYS = (("results", "studies"),)
"""Studies start runs and read their results."""


def svg() -> str:
    """Return the picture as an SVG document."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title">'
    yield '<title id="title">Data flow of pimsim: config and trace to program, program to result</title>'
    yield '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"'
    yield 'orient="auto-start-reverse">'
    yield '<path d="M0,0 L8,4 L0,8 z" fill="#444"/></marker></defs>'
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    for start, end in ARROWS:
        yield _arrow(BOXES[start], BOXES[end], both=False)
    for start, end in BOTH_WAYS:
        yield _arrow(BOXES[start], BOXES[end], both=True)
    for box in BOXES.values():
        left, top = box.x - BOX_WIDTH // 2, box.y - BOX_HEIGHT // 2
        yield (
            f'<rect x="{left}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6" fill="{box.fill}" '
            'stroke="#444"/>'
        )
        style = 'text-anchor="middle" font-family="DejaVu Sans, Helvetica, Arial, sans-serif" fill="#222"'
        yield f'<text x="{box.x}" y="{box.y - 4}" {style} font-size="14" font-weight="bold">{escape(box.title)}</text>'
        yield f'<text x="{box.x}" y="{box.y + 15}" {style} font-size="11">{escape(box.caption)}</text>'
    yield "</svg>"


def _arrow(start: Box, end: Box, both: bool) -> str:
    """Return a straight arrow between the facing edges of two boxes."""
    across, down = end.x - start.x, end.y - start.y
    if abs(across) >= abs(down):
        side = 1 if across > 0 else -1
        points = (start.x + side * BOX_WIDTH // 2, start.y, end.x - side * BOX_WIDTH // 2, end.y)
    else:
        side = 1 if down > 0 else -1
        points = (start.x, start.y + side * BOX_HEIGHT // 2, end.x, end.y - side * BOX_HEIGHT // 2)
    tips = 'marker-end="url(#tip)"' + (' marker-start="url(#tip)"' if both else "")
    x1, y1, x2, y2 = points
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#444" stroke-width="1.4" {tips}/>'
