"""Roofline plot: classes of ops at their intensities under the roofs of a machine, on log-log axes, one column wide."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from pimsim.present.labels import name_label, shown_model
from pimsim.present.plots.active_style import pt
from pimsim.present.plots.figure_layout import add_legend, headed, new_figure
from pimsim.present.plots.style import (
    BLACK,
    BLUE,
    COLUMN_IN,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    SMALL_PT,
    VERMILION,
)
from pimsim.studies.memory_wall.machine_roofs import Roof
from pimsim.studies.memory_wall.roofline_result import MEMORY, ClassPoint, Roofline

MARKERS = "osD^vP*X<>h8p"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY_BLUE, GREY, BLACK)
LINES = ("-", "--", ":", "-.")
MARGIN = 3.0
"""Factor between the points and ridge points and the edges of the axes."""


def roofline(rooflines: Sequence[Roofline]) -> Figure:
    """Plot one panel per memory and port through which ops move bytes, with all classes that do.

    The marker shows the class of ops, the colour the run. A class without operations or bytes has no intensity and is
    not on the plot.

    Args:
        rooflines: Runs on the same machine; the roofs are those of the first.

    Returns:
        The figure, as wide as a column of a paper.
    """
    first = rooflines[0]
    panels = [each for each in first.bandwidth_roofs() if any(_points(run, each.resource) for run in rooflines)]
    names = list(dict.fromkeys(point.name for run in rooflines for point in run.classes))
    entries = len(names) + (len(rooflines) if len(rooflines) > 1 else 0)
    figure = new_figure(COLUMN_IN, 0.6 + 2.1 * max(1, len(panels)) + 0.16 * -(-entries // 2))
    if not panels:
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no class of ops moves bytes under a roof", ha="center", va="center")
        return figure
    present = {point.name for each in panels for run in rooflines for _, _, point in _points(run, each.resource)}
    shown = [name for name in names if name in present]
    for axes, moved in zip(figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels, strict=True):
        _panel(axes, rooflines, moved, shown)
    colour = COLOURS[0] if len(rooflines) == 1 else GREY
    axes = figure.axes[0]
    handles = [
        axes.plot([], [], MARKERS[index % len(MARKERS)], color=colour, markersize=pt(4.5), label=name)[0]
        for index, name in enumerate(shown)
    ]
    if len(rooflines) > 1:
        handles += [
            axes.plot(
                [], [], "_", color=_colour(index), markersize=pt(8), markeredgewidth=pt(3), label=_run_label(run)
            )[0]
            for index, run in enumerate(rooflines)
        ]
    add_legend(figure, handles=handles, loc="outside lower center", ncols=2, fontsize=pt(SMALL_PT), handlelength=1)
    headed(figure, _heading(rooflines))
    return figure


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def _run_label(run: Roofline) -> str:
    return run.phase if run.batch in (None, 1) else f"{run.phase}, batch of {run.batch}"


def _heading(rooflines: Sequence[Roofline]) -> str:
    first = rooflines[0]
    if len(rooflines) == 1:
        names = f"{name_label(first.name)}: {shown_model(first.model)}"
        return f"{names}, {_run_label(first)} at context {first.context_length:,}, {first.schedule} schedule"
    return f"{name_label(first.name)}: {shown_model(first.model)}, {first.schedule} schedule"


def _points(run: Roofline, resource: str) -> list[tuple[float, float, ClassPoint]]:
    """Return the intensity and the attained rate of each class that moves bytes through a resource."""
    found = ((point.intensity(resource.partition(" ")[0]), point.attained_per_s, point) for point in run.classes)
    return [(x, y, point) for x, y, point in found if x is not None and y is not None]


def _panel(axes: Axes, rooflines: Sequence[Roofline], moved: Roof, names: Sequence[str]) -> None:
    first = rooflines[0]
    points = [(run, *point) for run in rooflines for point in _points(run, moved.resource)]
    computes = first.compute_roofs()
    # Roofs of which the points are far below would only lengthen the axes.
    ridges = [unit.peak_per_s / moved.peak_per_s for unit in computes]
    left = min([x for _, x, _, _ in points] + [min(ridges, default=1)]) / MARGIN
    right = max([x for _, x, _, _ in points] + ridges) * MARGIN
    for index, unit in enumerate(computes):
        ridge = unit.peak_per_s / moved.peak_per_s
        axes.plot(
            [left, ridge, right],
            [left * moved.peak_per_s, unit.peak_per_s, unit.peak_per_s],
            LINES[index % len(LINES)],
            color=BLACK,
            linewidth=pt(0.8),
            zorder=2,
        )
        _small(axes, unit.label, (right, unit.peak_per_s), "right", "bottom")
    for run, x, y, point in points:
        colour = _colour(rooflines.index(run))
        marker = MARKERS[names.index(point.name) % len(MARKERS)]
        axes.plot(
            [x],
            [y],
            marker,
            color=colour,
            markersize=pt(4.5),
            markeredgecolor="white",
            markeredgewidth=pt(0.4),
            zorder=4,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(left, right)
    axes.grid(True, which="major")
    axes.set_ylim(min(y for _, _, y, _ in points) / MARGIN, None)
    axes.set_title(f"{moved.label}, {moved.peak_per_s / 1e9:.4g} GB/s", loc="left", fontsize=pt(8))
    axes.set_xlabel(f"operations per byte of {'off-chip memory' if moved.resource == MEMORY else moved.label}")
    axes.set_ylabel("operations per second")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: _power(value))
        axis.set_minor_formatter(lambda value, _: "")


def _power(value: float) -> str:
    """Return a power of ten with a prefix, since mathematical text is switched off in all plots."""
    for size, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size * 0.999:
            return f"{value / size:g} {prefix}"
    return f"{value:g}"


def _small(axes: Axes, text: str, at: tuple[float, float], ha: str, va: str) -> None:
    outline = [withStroke(linewidth=pt(1.5), foreground="white")]
    axes.annotate(
        text, at, (0, pt(1 if va == "bottom" else -1)), textcoords="offset points", ha=ha, va=va,
        fontsize=pt(SMALL_PT - 0.5), path_effects=outline, zorder=5,
    )  # fmt: skip
