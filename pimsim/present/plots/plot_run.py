"""Plots of a run: breakdowns of latency, energy and area."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pimsim.base.units import ps_to_s
from pimsim.present.plots.active_style import pt
from pimsim.present.plots.figure_layout import add_legend, headed, narrow, new_axes, write_value
from pimsim.present.plots.style import (
    COMPONENTS,
    GREY,
    PAGE_IN,
    PARTS,
    SMALL_PT,
    Look,
    axis_unit,
    light_grid,
    names,
    percent,
    quantity,
    run_title,
    three_digits,
    tint,
)
from pimsim.results.breakdown import BREAKDOWNS
from pimsim.results.explanation import explain
from pimsim.results.run_result import RunResult
from pimsim.steps.step_tree import PARTS as CONTENTS

SMALLEST_SHARE = 0.0005
"""Actions and area items below this share of the total have no bar; the bar of their component includes them."""
MOST_ROWS = 40
"""Largest number of ops or layers in one figure."""
_CONTENTS_CHARS = 56
_DESCRIPTION_PT = 6.5


def latency(result: RunResult) -> Figure:
    """Plot the latency breakdown, and under overlapping schedules the time that overlap hides.

    Args:
        result: Result of the run, with a latency above zero.

    Returns:
        The figure.
    """
    hidden_ps = {each.part: each.hidden_ps for each in explain(result).hidden if each.hidden_ps}
    parts = sorted({*result.parts_ps, *hidden_ps}, key=lambda part: (-result.parts_ps.get(part, 0), part))
    seconds = [ps_to_s(result.parts_ps.get(part, 0)) for part in parts]
    hidden_s = [ps_to_s(hidden_ps.get(part, 0)) for part in parts]
    ends = [on + off for on, off in zip(seconds, hidden_s, strict=True)]
    size, unit = axis_unit(max(ends), "s")

    described = not narrow()
    figure, axes = new_axes(PAGE_IN, 0.75 + (0.42 if described else 0.22) * len(parts))
    rows = range(len(parts))
    for row, part, value in zip(rows, parts, seconds, strict=True):
        axes.barh(row, value / size, 0.62, **_bar(PARTS.get(part, Look(part, GREY))))
    if hidden_ps:
        axes.barh(
            rows,
            [value / size for value in hidden_s],
            0.62,
            left=[value / size for value in seconds],
            color="white",
            edgecolor="black",
            linestyle="--",
            label="hidden: overlaps with the critical path",
        )
        add_legend(figure, loc="outside lower right", ncols=1)
    for row, value, end in zip(rows, seconds, ends, strict=True):
        write_value(axes, f"{quantity(value, '_s')}, {percent(value / result.latency_s)}", (end / size, row), (3, 0))
    axes.set_yticks(rows, [""] * len(parts))
    for row, part in zip(rows, parts, strict=True):
        _label(axes, row, PARTS[part].label if part in PARTS else part, CONTENTS.get(part, "") if described else "")
    note = "; numbers: on the critical path" if hidden_ps else ""
    _finish(axes, len(parts), f"time ({unit}){note}", max(ends) / size)
    headed(figure, f"{run_title(result)}: {quantity(result.latency_s, '_s')}")
    return figure


def energy(result: RunResult) -> Figure:
    """Plot energy by component, and by action within each component.

    Args:
        result: Result of the run, with an energy above zero.

    Returns:
        The figure.
    """
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    for action, energy_j in result.energies_j.items():
        component, _, item = action.partition(".")
        groups[component][item] = energy_j
    return _nested(groups, "J", "_j", f"{run_title(result)}: {quantity(result.energy_j, '_j')}", "energy")


def area(result: RunResult) -> Figure:
    """Plot the area of all provisioned silicon by component, and by item within each component.

    Args:
        result: Result of the run, with an area above zero.

    Returns:
        The figure.
    """
    groups = {component.name: component.area_m2 for component in result.components if any(component.area_m2.values())}
    feasibility = result.feasibility
    chips = "one chip with" if feasibility.chips == 1 else f"{feasibility.chips:,} chips with each"
    reticles = (
        f"{three_digits(feasibility.reticles_per_chip)} reticles of {quantity(feasibility.reticle_area_m2, '_m2')}"
    )
    title = f"{names(result)}: {quantity(result.area_m2, '_m2')}, {chips} {reticles}"
    return _nested(groups, "m²", "_m2", title, "area")


def breakdown(result: RunResult, by: str, quantity_key: str) -> Figure:
    """Plot time or energy by op or by layer: the rows of `pimsim run --by`, the largest first.

    Args:
        result: Result of the run.
        by: "op" or "layer".
        quantity_key: Column of the rows, "time_s" or "energy_j", with a sum above zero.

    Returns:
        The figure.
    """
    groups: dict[str, dict[str, float]] = {}
    for row in BREAKDOWNS[by](result):
        name = str(row["op"]) if by == "op" else f"{row['block']} {row['index']}"
        if row[quantity_key]:
            groups[name] = {name: row[quantity_key]}
    largest = sorted(groups, key=lambda name: -groups[name][name])[:MOST_ROWS]
    rest = len(groups) - len(largest)
    title = f"{run_title(result)}, by {by}" + (f"; {rest} smaller ones are not shown" if rest else "")
    symbol, key = ("s", "_s") if quantity_key.endswith("_s") else ("J", "_j")
    what = quantity_key.rpartition("_")[0]
    return _nested({name: groups[name] for name in largest}, symbol, key, title, what)


def _nested(groups: Mapping[str, Mapping[str, float]], symbol: str, key: str, title: str, what: str) -> Figure:
    """Plot horizontal bars: each component, and below it its larger items.

    Args:
        groups: Value of each item of each component, in SI units.
        symbol: Symbol of the unit.
        key: Suffix of config keys with this unit.
        title: Title of the figure.
        what: Quantity that the bars show.

    Returns:
        The figure.
    """
    totals = {name: sum(items.values()) for name, items in groups.items()}
    total = sum(totals.values())
    rows: list[tuple[str, str, float]] = []
    for name in sorted(totals, key=lambda name: -totals[name]):
        items = [(item, value) for item, value in groups[name].items() if value >= SMALLEST_SHARE * total]
        rows.append((name, "", totals[name]))
        if len(groups[name]) > 1:
            rows += [(name, item, value) for item, value in sorted(items, key=lambda each: (-each[1], each[0]))]
    largest = max(totals.values())
    size, unit = (1e-6, "mm²") if symbol == "m²" else axis_unit(largest, symbol)

    figure, axes = new_axes(PAGE_IN, 0.75 + 0.19 * len(rows))
    for row, (name, item, value) in enumerate(rows):
        look = COMPONENTS.get(name, Look(name, GREY))
        style = {"facecolor": tint(look.colour), "edgecolor": "black"} if item else _bar(look)
        axes.barh(row, value / size, 0.55 if item else 0.75, **style)
        write_value(axes, f"{quantity(value, key)}, {percent(value / total)}", (value / size, row), (3, 0))
    labels = [item.replace("_", " ") if item else _name(name, groups[name]) for name, item, _ in rows]
    axes.set_yticks(range(len(rows)), labels)
    for (_, item, _), text in zip(rows, axes.get_yticklabels(), strict=True):
        text.set(fontsize=pt(SMALL_PT) if item else None, fontweight="normal" if item else "bold")
    _finish(axes, len(rows), f"{what} ({unit})", largest / size)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    headed(figure, title)
    return figure


def _name(component: str, items: Mapping[str, float]) -> str:
    only = next(iter(items))
    if len(items) > 1 or only.casefold() == component.casefold():
        return component
    return f"{component}: {only.replace('_', ' ')}"


def _bar(look: Look) -> dict[str, Any]:
    return {name: value for name, value in look.bar().items() if name != "label"}


def _label(axes: Axes, row: int, name: str, contents: str) -> None:
    place: dict[str, Any] = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "ha": "right"}
    lines = textwrap.wrap(contents, _CONTENTS_CHARS)
    above = 4.5 * len(lines)
    axes.annotate(name, (0, row), (pt(-6), pt(above)), va="center", fontweight="bold", **place)
    if lines:
        axes.annotate(
            "\n".join(lines), (0, row), (pt(-6), pt(-4.5)), va="center", fontsize=pt(_DESCRIPTION_PT), **place
        )


def _finish(axes: Axes, rows: int, label: str, largest: float) -> None:
    axes.set_ylim(rows - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1.22 * largest)  # room for the value beside the longest bar
    axes.set_xlabel(label)
    light_grid(axes, "x")
