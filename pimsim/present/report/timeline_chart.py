"""Timeline of a decoder layer: what each component does when, what waits, and for which resource."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from pimsim.base.errors import printable
from pimsim.base.summaries import counted
from pimsim.base.units import ps_to_s
from pimsim.mapping.floor_plan import TILE
from pimsim.present.labels import axis_unit, percent, quantity
from pimsim.present.looks import GREY, LIGHT_GREY, OP_CLASSES, Look
from pimsim.present.report.bar_marks import marker
from pimsim.present.report.page_blocks import Chart
from pimsim.present.report.timeline_bars import MAX_LANES, Bar, Bars, LayerSpan, first_layer, layer_bars
from pimsim.results.run_result import RunResult
from pimsim.steps.records import ActivityRecord
from pimsim.studies.memory_wall.op_classes import op_class

INSIDE = Look("waiting for a link, buffer or bank", GREY, "////")
BEFORE = Look("waiting to start", GREY, "....")
OTHERS = Look("ops of other layers", LIGHT_GREY)
OTHER_HATCHES = ("", "////", "....", "xxxx")
"""Hatches of classes of ops from outside the package, which have no looks of their own."""

OFF_PATH_OPACITY = 0.55
"""Opacity of activities that are not on the critical path."""

THIN_SHARE = 0.004
"""Fraction of the time of the layer below which a bar has no outline."""

NAME_CHARS = 40
_ROW_PX = 30
_FRAME_PX = 226


def layer_timeline(result: RunResult) -> Chart | None:
    """Draw the first decoder layer of a run, with the ops of other layers that run at the same time.

    There is a row per component, or several if it works for several ops at the same time. The chart begins with the
    time of the layer and can be zoomed and moved to all its activities.

    Args:
        result: The run: decode, prefill, trace or loading of weights, under any schedule.

    Returns:
        The chart; None if the result has no activities that take time, such as a sample of ranges.
    """
    span = first_layer(result)
    if span is None:
        return None
    bars = layer_bars(result, span)
    size, unit = axis_unit(ps_to_s(max(bar.end_ps for bar in bars.drawn)), "s")
    rows = _rows(result, bars)
    classes = _classes(result)
    series: dict[str, list[Bar]] = {}
    for bar in bars.drawn:
        series.setdefault(_series(bar, classes), []).append(bar)
    looks = _looks(series)
    critical = result.config.schedule != "serial"
    traces = [_trace(result, looks[name], series[name], rows, size, fades=critical) for name in looks if name in series]
    ticks = [_row_name(*row) for row in rows]
    thin = THIN_SHARE * ps_to_s(span.end_ps - span.start_ps) / size
    layout = {
        "barmode": "overlay",
        "bargap": 0,
        "xaxis": {
            "title": {"text": f"time since the start of the run ({unit})"},
            "range": [ps_to_s(span.start_ps) / size, ps_to_s(span.end_ps) / size],
        },
        "yaxis": {
            "tickvals": list(range(len(rows))),
            "ticktext": ticks,
            "range": [len(rows) - 0.45, -0.55],
            "fixedrange": True,
            "automargin": True,
        },
        "legend": {"orientation": "h", "yanchor": "top", "y": -56 / (len(rows) * _ROW_PX), "x": 0},
        "hovermode": "closest",
        "dragmode": "zoom",
        "margin": {"t": 36, "r": 10},
    }
    for trace in traces:
        # An outline would hide a bar that is narrower than the outline itself.
        trace["marker"]["line"]["width"] = [0.5 * (length >= thin) for length in trace["x"]]
    return Chart(
        "layer-timeline",
        "Timeline of a decoder layer" if span.layers > 1 else f"Timeline of block {_name(span.block)}",
        _description(result, span, bars),
        traces,
        layout,
        _FRAME_PX + _ROW_PX * len(rows),
    )


def _rows(result: RunResult, bars: Bars) -> list[tuple[str, int]]:
    """Return component and lane of each row, in the order of the components of the machine."""
    order = {component.name: index for index, component in enumerate(result.components)}
    found = {(bar.component, bar.lane) for bar in bars.drawn}
    return sorted(found, key=lambda row: (order.get(row[0], len(order)), row[0], row[1]))


def _row_name(component: str, lane: int) -> str:
    return _name(component) if lane == 0 else f"{_name(component)} ({lane + 1})"


def _classes(result: RunResult) -> list[str]:
    """Return the class of each op, under the names of the roofline."""
    components: list[set[str]] = [set() for _ in result.ops]
    for activity in result.activities:
        components[activity.op].add(activity.component)
    return [op_class(op, used, TILE) for op, used in zip(result.ops, components, strict=True)]


def _series(bar: Bar, classes: Sequence[str]) -> str:
    if bar.kind != "work":
        return INSIDE.label if bar.kind == "inside" else BEFORE.label
    return classes[bar.activity.op] if bar.own else OTHERS.label


def _looks(series: Mapping[str, object]) -> dict[str, Look]:
    """Return the look of each series, in the order of the legend."""
    last = {look.label: look for look in (OTHERS, INSIDE, BEFORE)}
    outside = [name for name in series if name not in OP_CLASSES and name not in last]
    known = {name: look for name, look in OP_CLASSES.items() if name in series}
    own = {name: Look(name, GREY, OTHER_HATCHES[at % len(OTHER_HATCHES)]) for at, name in enumerate(outside)}
    return known | own | last


def _trace(
    result: RunResult, look: Look, bars: Sequence[Bar], rows: Sequence[tuple[str, int]], size: float, *, fades: bool
) -> dict[str, Any]:
    """Return one series of bars.

    Args:
        result: The run.
        look: Its look.
        bars: Its bars.
        rows: Component and lane of each row.
        size: Unit of the time axis, seconds.
        fades: Whether activities that are not on the critical path are paler.

    Returns:
        Trace of Plotly.
    """
    number = {row: index for index, row in enumerate(rows)}
    before = look is BEFORE
    mark = marker(look)
    if fades and not before:
        mark["opacity"] = [1.0 if bar.critical else OFF_PATH_OPACITY for bar in bars]
    return {
        "type": "bar",
        "orientation": "h",
        "name": _name(look.label),
        "base": [ps_to_s(bar.start_ps) / size for bar in bars],
        "x": [ps_to_s(bar.length_ps) / size for bar in bars],
        "y": [number[bar.component, bar.lane] for bar in bars],
        "width": 0.16 if before else 0.6,
        "offset": 0.3 if before else -0.32,
        "marker": mark,
        "customdata": [_hover(result, bar) for bar in bars],
        "hovertemplate": "<b>%{customdata[0]}</b><br>%{customdata[1]}<extra>%{fullData.name}</extra>",
    }


def _hover(result: RunResult, bar: Bar) -> list[str]:
    """Return the name of the op of a bar, and its times and what it waited for."""
    op, activity = result.ops[bar.activity.op], bar.activity
    what = "waited" if bar.kind != "work" else "works"
    times = f"{_time(bar.start_ps)} to {_time(bar.end_ps)}"
    lines = [f"{_name(activity.name)} on {_name(bar.component)}", f"{what} {_time(bar.length_ps)}: {times}"]
    if bar.activities > 1:
        lines.append(f"{bar.activities:,} adjacent activities")
    profile = result.profiles[activity.profile]
    if bar.kind == "inside" and profile.contended_for:
        lines.append(f"waited longest for {_name(profile.contended_for)}")
    if bar.kind != "inside" and activity.ready_ps < activity.start_ps:
        for_what = f" for {_name(activity.waited_for)}" if activity.waited_for else ""
        lines.append(f"inputs ready at {_time(activity.ready_ps)}, waited {_waited(activity)}{for_what}")
    if result.config.schedule != "serial":
        lines.append("on the critical path" if bar.critical else "not on the critical path")
    block = f" ({_name(op.block)})" if bar.own else f" (another execution of {_name(op.block)})"
    return [_name(op.name) + block, "<br>".join(lines)]


def _waited(activity: ActivityRecord) -> str:
    return _time(activity.start_ps - activity.ready_ps)


def _time(time_ps: int) -> str:
    return quantity(ps_to_s(time_ps), "_s")


def _name(text: str) -> str:
    """Return a name that users may have chosen, for the labels of Plotly, which are HTML."""
    return escape(printable(text, NAME_CHARS))


def _description(result: RunResult, span: LayerSpan, bars: Bars) -> str:
    """Say in words which layer is drawn, what takes its time, and what the chart leaves out.

    Args:
        result: The run.
        span: The layer.
        bars: Its bars.

    Returns:
        The sentences.
    """
    length_ps = span.end_ps - span.start_ps
    equal = "equal " if span.alike == span.layers else ""
    which = (
        f"The first of {span.layers:,} {equal}layers"
        if span.layers > 1
        else f"Block {printable(span.block, NAME_CHARS)}"
    )
    alike = f", recorded once for {span.alike:,} equal ones," if 1 < span.alike < span.layers else ""
    where = f"from {_time(span.start_ps)} to {_time(span.end_ps)} of {_time(result.latency_ps)}"
    busy: Counter[str] = Counter()
    waits: Counter[str] = Counter()
    for activity in result.activities:
        if activity.op in span.ops:
            busy[result.ops[activity.op].name] += activity.end_ps - activity.start_ps
            waits[activity.waited_for] += activity.start_ps - activity.ready_ps
    longest = ", ".join(
        f"{printable(name, NAME_CHARS)} {_time(each_ps)}" for name, each_ps in busy.most_common(3) if each_ps
    )
    text = f"{which}{alike} takes {_time(length_ps)} ({where}); most activity time: {longest}."
    named = {name: each_ps for name, each_ps in waits.items() if name and each_ps}
    if named:
        name = max(named, key=lambda each: named[each])
        of_all = f"{_time(named[name])}, summed over those that wait"
        text += f" Its activities wait longest for {printable(name, NAME_CHARS)}: {of_all}."
    if result.config.schedule != "serial":
        text += " Activities that are not on the critical path are paler."
    if bars.merged:
        text += f" Adjacent activities of an op are drawn as one bar, which joins {bars.merged:,} of them to others."
    if bars.dropped:
        share = percent(bars.dropped_ps / bars.total_ps)
        text += f" Left out: the {counted(bars.dropped, 'shortest bar')}, {share} of the time of all bars."
    if bars.crowded:
        text += f" More than {MAX_LANES} activities at once: bars overlap in the last row of {', '.join(bars.crowded)}."
    return text
