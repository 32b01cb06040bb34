"""Times of the shares of a program under the serial schedule, from their step trees and without the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pimsim.hardware.component import Component
from pimsim.mapping.program import Assignment
from pimsim.steps.step_tree import (
    PORT_EXCESS,
    Copies,
    Identical,
    Loop,
    Parallel,
    Sequence,
    Step,
    Streamed,
    Work,
)


@dataclass(frozen=True, slots=True)
class ShareTimes:
    """Times of one share on an idle machine, picoseconds.

    Attributes:
        duration_ps: Time from its start to its end.
        busy_ps: Busy time of all units in it.
        parts_ps: Duration by part of the latency breakdown.
    """

    duration_ps: int
    busy_ps: int
    parts_ps: Mapping[str, int]


class SharePool:
    """Times of the shares of programs on one machine whose numbers vary; equal shares are computed once per sample."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, Any, Any], int] = {}
        self._unchanged: dict[int, ShareTimes] = {}
        self._of_sample: dict[int, ShareTimes] = {}
        self._values: object = None

    def number(self, assignment: Assignment) -> int:
        """Return the number of a share, under which its times are known.

        Args:
            assignment: Component, share and stream.

        Returns:
            Equal numbers for equal shares.
        """
        key = assignment.component.name, assignment.share, assignment.stream
        return self._numbers.setdefault(key, len(self._numbers))

    def take(self, values: object) -> None:
        """Forget the times of components that vary, unless the values are those of the last call.

        Args:
            values: The values of a sample; compared by identity.
        """
        if values is not self._values:
            self._of_sample.clear()
            self._values = values

    def times(
        self, number: int, assignment: Assignment, components: Mapping[str, Component[Any]], changed: frozenset[str]
    ) -> ShareTimes:
        """Return the times of a share.

        Args:
            number: Its number.
            assignment: The assignment of it.
            components: Components of the machine with the present values, by name.
            changed: Names of the components whose times vary.

        Returns:
            The times on the component of that machine.
        """
        name = assignment.component.name
        known = self._of_sample if name in changed else self._unchanged
        if number not in known:
            known[number] = share_times(replace(assignment, component=components[name]).work())
        return known[number]


def share_times(work: Work) -> ShareTimes:
    """Return the times of a step tree on an idle machine, as the engine has them.

    Args:
        work: The tree.

    Returns:
        Duration, busy time and parts. The parts of lanes that run together are those of the lane that ends last; of
        several, the first.

    Reference:
        docs/ranges.md, eq. (3).
    """
    match work:
        case Step(part=part, duration_ps=duration_ps, repeat=repeat):
            time_ps = duration_ps * repeat
            return ShareTimes(time_ps, time_ps, {part: time_ps})
        case Sequence(children):
            parts_ps: dict[str, int] = {}
            duration_ps = busy_ps = 0
            for each in map(share_times, children):
                duration_ps += each.duration_ps
                busy_ps += each.busy_ps
                add_parts(parts_ps, each.parts_ps)
            return ShareTimes(duration_ps, busy_ps, parts_ps)
        case Parallel(children):
            lanes = [share_times(child) for child in children]
            last = max(lanes, key=lambda each: each.duration_ps, default=ShareTimes(0, 0, {}))
            return replace(last, busy_ps=sum(each.busy_ps for each in lanes))
        case Loop(body, times) | Identical(body, times):
            once = share_times(body)
            parts = {part: times * part_ps for part, part_ps in once.parts_ps.items()}
            return ShareTimes(times * once.duration_ps, times * once.busy_ps, parts)
        case Copies(body, times):
            once = share_times(body)
            return replace(once, busy_ps=times * once.busy_ps)
        case Streamed(body, port_ps):
            once = share_times(body)
            excess_ps = max(0, port_ps - once.duration_ps)
            parts_ps = dict(once.parts_ps)
            if excess_ps:
                add_parts(parts_ps, {PORT_EXCESS: excess_ps})
            return ShareTimes(once.duration_ps + excess_ps, once.busy_ps + excess_ps, parts_ps)


def add_parts(total_ps: dict[str, int], more_ps: Mapping[str, int]) -> None:
    """Add times by part in place.

    Args:
        total_ps: Picoseconds by part, changed.
        more_ps: Picoseconds by part.
    """
    for part, part_ps in more_ps.items():
        total_ps[part] = total_ps.get(part, 0) + part_ps
