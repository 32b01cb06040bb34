"""Bars of a layer's timeline: the activities of one layer, and those of other layers that run at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from pimsim.results.breakdown import layers_of
from pimsim.results.run_result import RunResult
from pimsim.results.timeline import Placed, lanes
from pimsim.steps.records import ActivityRecord
from pimsim.steps.step_tree import WAITING

MAX_BARS = 5000
"""Most bars of one chart; a browser draws and zooms as many without delay."""

MAX_LANES = 12
"""Most rows of one component."""


@dataclass(frozen=True, slots=True)
class LayerSpan:
    """A layer of a run and the time in which it is drawn.

    Attributes:
        block: Name of the block of the trace.
        layers: Number of layers of this kind of block.
        alike: Number of layers that one record stands for; more than 1 under the serial schedule only.
        ops: Indices of its ops.
        start_ps: Start, picoseconds from the start of the run.
        end_ps: End.
    """

    block: str
    layers: int
    alike: int
    ops: frozenset[int]
    start_ps: int
    end_ps: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One or several adjacent activities of an op on one row, or their waiting.

    Attributes:
        kind: "work"; "inside" for waiting for a shared link, buffer or bank during an activity, which is drawn at its
            end; "before" for waiting before its start.
        component: Name of the component.
        lane: Number of the row of the component.
        start_ps: Start, picoseconds from the start of the run.
        end_ps: End.
        activity: The first activity.
        activities: Number of activities.
        own: Whether the op is of the layer.
        critical: Whether the activity is on the critical path.
    """

    kind: Literal["work", "inside", "before"]
    component: str
    lane: int
    start_ps: int
    end_ps: int
    activity: ActivityRecord
    activities: int
    own: bool
    critical: bool

    @property
    def length_ps(self) -> int:
        """Length in picoseconds."""
        return self.end_ps - self.start_ps


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of a chart.

    Attributes:
        drawn: The bars, those of earlier starts first.
        merged: Number of activities that are part of the bar of an adjacent one.
        dropped: Number of the shortest bars, which are left out.
        dropped_ps: Sum of their lengths, picoseconds.
        total_ps: Sum of the lengths of all bars, picoseconds.
        crowded: Components whose activities need more rows than are drawn.
    """

    drawn: tuple[Bar, ...]
    merged: int
    dropped: int
    dropped_ps: int
    total_ps: int
    crowded: tuple[str, ...]


def first_layer(result: RunResult) -> LayerSpan | None:
    """Choose the layer that is drawn: the first of the kind of block that has most layers.

    Args:
        result: The run.

    Returns:
        The layer, with the time from its first to its last activity on the critical path. Without such activities it
        is the time of all its activities, issues of commands excepted, which a queue may hold for long. None if none
        of its activities takes time.
    """
    found = [(block, count, frozenset(ops)) for block, count, ops, _ in layers_of(result)]
    totals: dict[str, int] = {}
    for block, count, _ in found:
        totals[_kind(block)] = totals.get(_kind(block), 0) + count
    if not totals:
        return None
    most = max(totals, key=lambda kind: totals[kind])
    block, count, ops = next(each for each in found if _kind(each[0]) == most)
    of_layer = [each for each in result.activities if each.op in ops and each.end_ps > each.start_ps]
    critical = [each for each in result.critical_path if each.op in ops and each.end_ps > each.start_ps]
    shown = critical or [each for each in of_layer if each.component != "controller"] or of_layer
    if not shown:
        return None
    start_ps, end_ps = min(each.start_ps for each in shown), max(each.end_ps for each in shown)
    return LayerSpan(block, totals[most], count, ops, start_ps, end_ps)


def _kind(block: str) -> str:
    """Return the name of a block without what tells layers of one kind apart."""
    return block.partition(":")[0]


def layer_bars(result: RunResult, span: LayerSpan) -> Bars:
    """Return the bars of all activities of a layer, and of those of other layers that run at the same time.

    Args:
        result: The run.
        span: The layer.

    Returns:
        At most `MAX_BARS` bars: where there are more, adjacent activities of an op are merged, and then the shortest
        bars are left out.
    """
    critical = {id(each) for each in result.critical_path}
    chosen = sorted(
        (
            Placed(each, each.start_ps, 0, id(each) in critical)
            for each in result.activities
            if each.end_ps > each.start_ps
            and (each.op in span.ops or (each.start_ps < span.end_ps and each.end_ps > span.start_ps))
        ),
        key=lambda each: each.start_ps,
    )
    in_lanes = list(lanes(chosen))
    crowded = dict.fromkeys(each.activity.component for each, lane in in_lanes if lane >= MAX_LANES)
    bars = [bar for each, lane in in_lanes for bar in _of_activity(result, each, min(lane, MAX_LANES - 1), span)]
    total_ps = sum(bar.length_ps for bar in bars)
    merged = 0
    if len(bars) > MAX_BARS:
        before = sum(bar.kind == "work" for bar in bars)
        bars = list(_merged(bars))
        merged = before - sum(bar.kind == "work" for bar in bars)
    longest = sorted(bars, key=lambda bar: -bar.length_ps)
    dropped = longest[MAX_BARS:]
    drawn = sorted(longest[:MAX_BARS], key=lambda bar: (bar.start_ps, bar.end_ps))
    return Bars(tuple(drawn), merged, len(dropped), sum(bar.length_ps for bar in dropped), total_ps, tuple(crowded))


def _of_activity(result: RunResult, each: Placed, lane: int, span: LayerSpan) -> Iterator[Bar]:
    activity = each.activity
    inside_ps = result.profiles[activity.profile].parts_ps.get(WAITING, 0)
    whole = Bar(
        "work",
        activity.component,
        lane,
        each.start_ps,
        each.end_ps - inside_ps,
        activity,
        1,
        activity.op in span.ops,
        each.critical,
    )
    if whole.length_ps:
        yield whole
    if inside_ps:
        yield replace(whole, kind="inside", start_ps=whole.end_ps, end_ps=each.end_ps)
    if whole.own and activity.ready_ps < activity.start_ps:
        yield replace(whole, kind="before", start_ps=activity.ready_ps, end_ps=activity.start_ps)


def _merged(bars: Iterable[Bar]) -> Iterator[Bar]:
    """Merge bars of one kind, op and row of which one starts where another ends.

    Args:
        bars: Bars.

    Yields:
        Bars whose lengths have the same sum.
    """
    last: dict[tuple[str, str, int, int], Bar] = {}
    for bar in sorted(bars, key=lambda bar: (bar.start_ps, bar.end_ps)):
        key = (bar.kind, bar.component, bar.lane, bar.activity.op)
        known = last.get(key)
        if known is not None and known.end_ps == bar.start_ps:
            count, critical = known.activities + bar.activities, known.critical or bar.critical
            last[key] = replace(known, end_ps=bar.end_ps, activities=count, critical=critical)
            continue
        if known is not None:
            yield known
        last[key] = bar
    yield from last.values()
