"""Times of a program under the serial schedule, from the step trees of its shares and without the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pimsim.hardware.component import Component
from pimsim.mapping.program import Assignment, Program
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

Identity = tuple[str, int, int]
"""Component name, and identities of share and stream, of an assignment: equal ones have equal steps."""


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


@dataclass(frozen=True, slots=True)
class Shares:
    """Assignments that run one after another, or together, `times` times."""

    assignments: tuple[Assignment, ...]
    times: int
    parallel: bool


def identity(assignment: Assignment) -> Identity:
    """Return what two assignments of a program have in common if their steps are equal.

    Args:
        assignment: The assignment.

    Returns:
        Its identity, which holds as long as the program exists.
    """
    return assignment.component.name, id(assignment.share), id(assignment.stream)


def shares_of(program: Program) -> Iterator[Shares]:
    """Collect the assignments of a program under the serial schedule.

    Args:
        program: The program.

    Yields:
        The assignments of each task that runs its assignments together, then each other share with how often it runs.
    """
    times: Counter[tuple[str, Any, Any]] = Counter()
    first: dict[tuple[str, Any, Any], Assignment] = {}
    for block, task in program.tasks():
        if task.parallel:
            yield Shares(task.assignments, program.lanes * block.repeat, parallel=True)
            continue
        for assignment in task.assignments:
            key = assignment.component.name, assignment.share, assignment.stream
            times[key] += program.lanes * block.repeat
            first.setdefault(key, assignment)
    for key, assignment in first.items():
        yield Shares((assignment,), times[key], parallel=False)


class TimedShares:
    """Times of the shares of one program on a machine; those of unchanged components come from an earlier machine.

    Args:
        components: Components of the machine by name.
        unchanged: Times of shares of components that equal those of the earlier machine; new ones are added.
        changed: Names of the components that may differ from it.
    """

    def __init__(
        self,
        components: Mapping[str, Component[Any]],
        unchanged: dict[Identity, ShareTimes],
        changed: frozenset[str],
    ) -> None:
        self._components = components
        self._unchanged = unchanged
        self._changed = changed
        self._own: dict[Identity, ShareTimes] = {}

    def of(self, assignment: Assignment) -> ShareTimes:
        """Return the times of an assignment.

        Args:
            assignment: An assignment of the program.

        Returns:
            Its times.
        """
        name = assignment.component.name
        known = self._own if name in self._changed else self._unchanged
        key = identity(assignment)
        if key not in known:
            known[key] = share_times(replace(assignment, component=self._components[name]).work())
        return known[key]


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
