"""Analysis of where the time of a run goes: critical path by cause, overlap, idle time and contention.

All figures come from the activities of a result. Each activity records when its inputs were ready, when it started, and
which activity or resource determined its start.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.base.units import ps_to_s
from pimsim.results.queue_time import queue_time_ps
from pimsim.results.run_result import RunResult
from pimsim.steps.records import ActivityRecord
from pimsim.steps.step_tree import PORT, PORT_EXCESS, WAITING

Interval = tuple[int, int]

SHOWN_QUEUE = 0.0005
"""Fraction of the run for which something waits for a component, below which it is shown as 0.0%."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One kind of op on one component.

    Attributes:
        op: Name of the op.
        component: Name of the component.
        critical_ps: Time of its activities on the critical path, in picoseconds.
        total_ps: Time of all its activities, in picoseconds.
    """

    op: str
    component: str
    critical_ps: int
    total_ps: int


@dataclass(frozen=True, slots=True)
class Occupation:
    """Use of a component during the run, in picoseconds summed over its units.

    Attributes:
        component: Name of the component.
        units: Number of identical units.
        busy_ps: Time in which units work.
        waiting_for_resource_ps: Time in which units are idle although an activity for them has its inputs, because it
            waits for another resource.
        waiting_for_input_ps: The remaining idle time.
        queued_ps: Sum of the times for which activities waited for this component.
        blocked_by: The other resource for which its activities waited longest; empty if there is none.
        queue_ps: Time in which units work while at least one activity waits for them.
    """

    component: str
    units: int
    busy_ps: int
    waiting_for_resource_ps: int
    waiting_for_input_ps: int
    queued_ps: int
    blocked_by: str
    queue_ps: int = 0


@dataclass(frozen=True, slots=True)
class Hidden:
    """Overlap of one kind of work.

    Attributes:
        part: Kind of work, a key of `pimsim.steps.step_tree.PARTS`.
        total_ps: Its time in all activities, in picoseconds.
        hidden_ps: The portion that is not on the critical path.
    """

    part: str
    total_ps: int
    hidden_ps: int


@dataclass(frozen=True, slots=True)
class Contended:
    """A link, buffer, bank or bus for which ops competed.

    Attributes:
        piece: Its name; equal names in several media (the meshes of several layers) are one row.
        component: Component that it belongs to.
        media: Number of media that have a piece with this name.
        busy_ps: Time in which it was used, in picoseconds.
        waited_ps: Sum of the times for which ops waited for it, in picoseconds.
        critical_ps: Waiting time on the critical path that is attributed to it, in picoseconds.
    """

    piece: str
    component: str
    media: int
    busy_ps: int
    waited_ps: int
    critical_ps: int


@dataclass(frozen=True, slots=True, repr=False)
class Explanation(HeadlineRepr):
    """Analysis of a run; all tables start with the largest entry.

    Attributes:
        latency_ps: Latency of the run, in picoseconds.
        serial_ps: Sum of the durations of all activities, in picoseconds: the latency without overlap.
        causes: Kinds of ops; their times on the critical path add up to `latency_ps`.
        occupations: Components.
        hidden: Kinds of work, with the time that overlap hides.
        contended: Pieces of shared hardware for which ops waited.
        stretched: Kinds of ops whose units wait for the port of the global buffer, with the time by which it is slower
            than the unit.
    """

    latency_ps: int
    serial_ps: int
    causes: tuple[Cause, ...]
    occupations: tuple[Occupation, ...]
    hidden: tuple[Hidden, ...]
    contended: tuple[Contended, ...] = ()
    stretched: tuple[Cause, ...] = ()

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Latency and the largest cause; in a notebook also the sentences.
        """
        yield Figure("latency", ps_to_s(self.latency_ps), "s")
        yield Figure("sum of all activities", ps_to_s(self.serial_ps), "s")
        if self.causes and self.latency_ps:
            first = self.causes[0]
            yield Figure("largest cause", f"{first.op} on {first.component}")
            yield Figure("its share of the critical path", 100 * first.critical_ps / self.latency_ps, "%")
        for sentence in self.sentences():
            yield Figure("finding", sentence, brief=False)

    def sentences(self) -> Iterator[str]:
        """Describe the main findings in words.

        Yields:
            One sentence for each finding: longest component, port of the global buffer, overlap, longest queue,
            contention.
        """
        if not self.causes or not self.latency_ps:
            yield "nothing takes time"
            return
        yield self._longest()
        if self.stretched:
            yield self._most_stretched()
        if self.latency_ps < self.serial_ps:
            most = self.hidden[0]
            yield (
                f"overlap makes it {self.serial_ps / self.latency_ps:.3g}x as fast as one op after another; "
                f"{most.part} hides most: {most.hidden_ps / most.total_ps:.0%} of its time is off the critical path"
            )
        else:
            yield "nothing overlaps"
        crowded = max(self.occupations, key=lambda each: each.queue_ps / max(each.units, 1))
        all_ps = self.latency_ps * max(crowded.units, 1)
        if crowded.queue_ps >= SHOWN_QUEUE * all_ps:
            yield (
                f"the longest queue is before {crowded.component}, which is {crowded.busy_ps / all_ps:.1%} busy: for "
                f"{crowded.queue_ps / all_ps:.1%} of the time an op waits for it"
            )
        if self.contended:
            yield self._most_contended()

    def _most_stretched(self) -> str:
        """Return the sentence about the port of the global buffer, with the op that it delays most."""
        lost_ps, first = sum(each.critical_ps for each in self.stretched), self.stretched[0]
        share = f"{lost_ps / self.latency_ps:.1%} of the time"
        return (
            f"units wait for the port of the global buffer (machine.sram.ports, width_bits) for {share} on the "
            f"critical path, most with {first.op} on {first.component} ({first.critical_ps / self.latency_ps:.1%})"
        )

    def _most_contended(self) -> str:
        """Return the sentence about contention, with the piece of shared hardware that costs most time."""
        lost_ps = sum(each.critical_ps for each in self.contended)
        first = self.contended[0]
        if not lost_ps:
            return f"nothing on the critical path waits inside shared hardware; most wait for {first.piece}"
        most = f"{first.piece} of {first.component}" + (f" ({first.media} of them)" if first.media > 1 else "")
        return (
            f"{lost_ps / self.latency_ps:.1%} of the time is contention inside shared hardware, "
            f"{first.critical_ps / lost_ps:.0%} of it at {most}"
        )

    def _longest(self) -> str:
        """Return the sentence about the component with the most time on the critical path."""
        of_component: Counter[str] = Counter()
        for cause in self.causes:
            of_component[cause.component] += cause.critical_ps
        [(component, critical_ps)] = of_component.most_common(1)
        first = next(cause for cause in self.causes if cause.component == component)
        share, first_share = critical_ps / self.latency_ps, first.critical_ps / self.latency_ps
        most = f", most of it with {first.op} ({first_share:.1%})" if first.critical_ps < critical_ps else ""
        with_only = "" if most else f" with {first.op}"
        return f"the critical path is on {component} for {share:.1%} of the time{with_only}{most}"

    def to_dict(self) -> dict[str, Any]:
        """Convert the explanation to plain values for JSON.

        Returns:
            Latencies in picoseconds, the sentences, and all tables as lists of rows.
        """
        return {
            "latency_ps": self.latency_ps,
            "serial_ps": self.serial_ps,
            "sentences": list(self.sentences()),
            "causes": [_as_dict(each) for each in self.causes],
            "occupations": [_as_dict(each) for each in self.occupations],
            "hidden": [_as_dict(each) for each in self.hidden],
            "contended": [_as_dict(each) for each in self.contended],
            "stretched": [_as_dict(each) for each in self.stretched],
        }


def explain(result: RunResult) -> Explanation:
    """Analyze where the time of a run goes.

    Args:
        result: The run.

    Returns:
        Critical path by cause, use of components, overlap and contention.
    """
    total_ps, critical_ps = _by_cause(result, result.activities), _by_cause(result, result.critical_path)
    causes = [
        Cause(op, component, critical_ps[op, component], total_ps[op, component]) for op, component in critical_ps
    ]
    serial_ps = sum(total_ps.values())
    return Explanation(
        latency_ps=result.latency_ps,
        serial_ps=serial_ps,
        causes=tuple(sorted(causes, key=lambda cause: -cause.critical_ps)),
        occupations=tuple(_occupations(result)),
        hidden=tuple(sorted(_hidden(result), key=lambda each: -each.hidden_ps)),
        contended=tuple(sorted(_contended(result), key=lambda each: (-each.critical_ps, -each.waited_ps, each.piece))),
        stretched=tuple(sorted(_stretched(result), key=lambda each: (-each.critical_ps, -each.total_ps, each.op))),
    )


def _stretched(result: RunResult) -> Iterator[Cause]:
    """Sum the times by which the port of the global buffer is slower than the units that stream through it.

    Args:
        result: The run.

    Yields:
        One row for each op and component that has such a time.
    """
    total_ps, critical_ps = (
        _by_cause(result, activities, part=PORT_EXCESS) for activities in (result.activities, result.critical_path)
    )
    for (op, component), duration_ps in total_ps.items():
        if duration_ps and component != PORT_EXCESS:
            yield Cause(op, component, critical_ps[op, component], duration_ps)


def _contended(result: RunResult) -> Iterator[Contended]:
    """Sum contention over media with pieces of the same name.

    Args:
        result: The run. It contains only those pieces of each medium for which ops waited longest.

    Yields:
        One row for each piece and component with a waiting time.
    """
    lost_ps: Counter[tuple[str, str]] = Counter()
    for activity in result.critical_path:
        profile = result.profiles[activity.profile]
        if profile.contended_for:
            component = PORT_EXCESS if profile.contended_for == PORT else activity.component
            lost_ps[component, profile.contended_for] += profile.parts_ps.get(WAITING, 0)
    media: Counter[tuple[str, str]] = Counter()
    busy_ps, waited_ps = media.copy(), media.copy()
    for medium in result.media:
        for use in medium.uses:
            piece = (medium.component, use.name)
            media[piece] += 1
            busy_ps[piece] += use.busy_ps
            waited_ps[piece] += use.waited_ps
    for piece in dict.fromkeys((*lost_ps, *media)):
        if waited_ps[piece] or lost_ps[piece]:
            component, name = piece
            yield Contended(name, component, max(media[piece], 1), busy_ps[piece], waited_ps[piece], lost_ps[piece])


def _by_cause(result: RunResult, activities: Iterable[ActivityRecord], part: str = "") -> Counter[tuple[str, str]]:
    """Sum the times of activities.

    Args:
        result: The run.
        activities: Some of its activities.
        part: Part of the latency breakdown to sum; "" means the whole duration.

    Returns:
        Picoseconds by op and component.
    """
    total: Counter[tuple[str, str]] = Counter()
    for activity in activities:
        op, parts_ps = result.ops[activity.op], result.profiles[activity.profile].parts_ps
        duration_ps = parts_ps.get(part, 0) if part else activity.end_ps - activity.start_ps
        total[op.name, activity.component] += op.repeat * duration_ps
    return total


def _hidden(result: RunResult) -> Iterator[Hidden]:
    total: Counter[str] = Counter()
    for op in result.ops:
        for part, duration_ps in op.parts_ps.items():
            total[part] += op.repeat * duration_ps
    for part, duration_ps in total.items():
        if duration_ps:
            yield Hidden(part, duration_ps, duration_ps - result.parts_ps.get(part, 0))


def _occupations(result: RunResult) -> Iterator[Occupation]:
    """Compute the use of each component.

    Args:
        result: The run.

    Yields:
        One row per component. The tiles of one matrix count as one unit, and so does its mesh. The global buffer works
        also while its port has accesses of units that work themselves.
    """
    units_of = {component.name: component.units for component in result.components}
    accessed_ps = {c.name: c.busy_ps for c in result.components if c.name.rpartition(".")[2] == PORT_EXCESS}
    by_component: dict[str, list[ActivityRecord]] = defaultdict(list)
    for activity in result.activities:
        by_component[activity.component].append(activity)
    for component, activities in by_component.items():
        # A serial activity of a repeated block represents all repetitions, each of which has its own hardware.
        private = any(activity.resource not in ("", component) for activity in activities)
        units = _private_units(result, activities) if private else units_of.get(component, 1)
        repeat = [result.ops[activity.op].repeat for activity in activities]
        busy_ps = sum(n * _occupied_ps(result, a) for n, a in zip(repeat, activities, strict=True))
        busy_ps = max(busy_ps, accessed_ps.get(component, 0))
        queued_ps = sum(
            n * (a.start_ps - a.ready_ps) for n, a in zip(repeat, activities, strict=True) if a.waited_for == a.resource
        )
        idle_ps = units * result.latency_ps - busy_ps
        blocked_ps = 0 if private else min(idle_ps, _blocked_ps(activities, units))
        blocked_by = _blocked_by(activities) if blocked_ps else ""
        queue_ps = queue_time_ps(activities, repeat) * (1 if private else units)
        yield Occupation(component, units, busy_ps, blocked_ps, idle_ps - blocked_ps, queued_ps, blocked_by, queue_ps)


def _occupied_ps(result: RunResult, activity: ActivityRecord) -> int:
    """Return the duration on one unit of a resource, or without one the sum over units, such as all write drivers."""
    return activity.end_ps - activity.start_ps if activity.resource else result.profiles[activity.profile].busy_ps


def _blocked_by(activities: Iterable[ActivityRecord]) -> str:
    """Return the resource, other than their own, for which activities waited longest; empty if there is none."""
    waited_ps: Counter[str] = Counter()
    for activity in activities:
        if activity.waited_for not in ("", activity.resource):
            waited_ps[activity.waited_for] += activity.start_ps - activity.ready_ps
    return waited_ps.most_common(1)[0][0] if waited_ps else ""


def _private_units(result: RunResult, activities: Iterable[ActivityRecord]) -> int:
    """Return the number of matrices with their own hardware: one per op and repetition."""
    return sum(result.ops[op].repeat for op in {activity.op for activity in activities})


def _blocked_ps(activities: list[ActivityRecord], units: int) -> int:
    """Compute the time in which units are idle although an activity for them has its inputs.

    Args:
        activities: All activities of a component.
        units: Number of its units.

    Returns:
        Time in picoseconds, summed over units.
    """
    changes: list[tuple[int, int, int]] = []
    for activity in activities:
        changes += [(activity.start_ps, 1, 0), (activity.end_ps, -1, 0)]
        if activity.ready_ps < activity.start_ps:
            changes += [(activity.ready_ps, 0, 1), (activity.start_ps, 0, -1)]
    running = waiting = blocked_ps = before_ps = 0
    for now_ps, starts, waits in sorted(changes):
        blocked_ps += max(0, min(units - running, waiting)) * (now_ps - before_ps)
        running, waiting, before_ps = running + starts, waiting + waits, now_ps
    return blocked_ps


def _as_dict(value: Cause | Occupation | Hidden | Contended) -> dict[str, Any]:
    return {name: getattr(value, name) for name in type(value).__dataclass_fields__}
