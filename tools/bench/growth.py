"""Plots of time against size, from the table of benchmarks/bench_growth.py."""

from __future__ import annotations

from pathlib import Path

from tools.bench.page import tables

Growth = dict[str, list[tuple[float, float]]]
"""Pairs of a size and a processor time in seconds, by what grows."""


def growth_of(output: str) -> Growth:
    """Read the tables with the columns "what grows", "size" and "processor time, s"."""
    found: Growth = {}
    for head, *rows in tables(output):
        if head[:3] == ["what grows", "size", "processor time, s"]:
            for what, size, seconds, *_ in rows:
                found.setdefault(what, []).append((float(size.replace(",", "")), float(seconds)))
    return found


def draw(growth: Growth, path: Path) -> None:
    """Draw one panel per kind of growth, with logarithmic axes, as SVG or PNG by the ending of the file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(growth), 3.0), layout="constrained")
    for at, (what, pairs) in enumerate(sorted(growth.items())):
        axes = figure.add_subplot(1, len(growth), at + 1)
        axes.plot(*zip(*sorted(pairs), strict=True), marker="o")
        axes.set(xlabel=what, xscale="log", yscale="log")
        seconds = [each for _, each in pairs]
        axes.set_ylim(min(seconds) / 3, max(seconds) * 3)  # at least a decade, so that noise does not look like growth
        axes.grid(visible=True, which="both", alpha=0.3)
        if not at:
            axes.set_ylabel("processor time (s)")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else {})
