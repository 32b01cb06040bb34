"""The profile of an activity by arithmetic on its step tree: what the walk with events finds, in less time.

An activity is independent of others once it runs, so that its times need no clock that others share. `walk` steps
through the same trees with SimPy events, and is the oracle of this module.
"""

from __future__ import annotations

from collections.abc import Sequence as List
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from operator import itemgetter

from pimsim.engine.simpy_events import SeveralPathsError
from pimsim.steps.records import Profile, SpanRecord
from pimsim.steps.step_tree import PORT_EXCESS, Copies, Identical, Loop, Parallel, Sequence, Step, Streamed, Work

_new = tuple.__new__  # the constructor of a NamedTuple takes three times as long

PORT_LABEL = "port of the global buffer"
"""Label of the time by which the port of the global buffer ends later than the unit that streams."""


@dataclass(frozen=True, slots=True)
class _Times:
    """How often the work below a node of the tree is done.

    Attributes:
        copies: Number of hardware units that do it in lockstep.
        rounds: Number of identical rounds, of which the timeline has the first.
        loops: Number of further repetitions, all of which are on the timeline.
    """

    copies: int = 1
    rounds: int = 1
    loops: int = 1


@dataclass(slots=True)
class _Path:
    """One sequential path through a step tree; times in picoseconds from the start of the activity.

    Attributes:
        now_ps: Present time.
        busy_ps: Busy time so far, summed over hardware units.
        parts_ps: Time so far by part of the latency breakdown.
        counts: Action counts so far.
        spans: Timeline so far.
        wakes_ps: Times at which the path continues after waiting; None if it runs alone, so that nobody asks.
        woken: Number of waits before the end of each span; only with `wakes_ps`.
        first: Index of the span in which each action occurs first; only with `wakes_ps`.
    """

    now_ps: int = 0
    busy_ps: int = 0
    parts_ps: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    spans: list[SpanRecord] = field(default_factory=list)
    wakes_ps: list[int] | None = None
    woken: list[int] = field(default_factory=list)
    first: dict[str, int] = field(default_factory=dict)

    def walk(self, work: Work, times: _Times) -> None:
        """Walk a tree.

        Args:
            work: The tree.
            times: How often it is done.

        Raises:
            SeveralPathsError: If a path among parallel ones divides again.
        """
        match work:
            case Step():
                self.step(work, times)
            case Sequence(children):
                for child in children:
                    if type(child) is Step:
                        self.step(child, times)
                    else:
                        self.walk(child, times)
            case Loop(body, count):
                self.loop(body, count, times)
            case Identical(body, count):
                start_ps = self.now_ps
                self.walk(body, _Times(times.copies, times.rounds * count, times.loops))
                self.wait((count - 1) * (self.now_ps - start_ps))
            case Copies(body, count):
                self.walk(body, _Times(times.copies * count, times.rounds, times.loops))
            case Parallel(children):
                self.parallel(children, times)
            case Streamed(body, port_ps, component):
                start_ps = self.now_ps
                self.walk(body, times)
                if (excess_ps := start_ps + port_ps - self.now_ps) > 0:
                    self.step(Step(component, PORT_EXCESS, PORT_LABEL, excess_ps), times)

    def step(self, step: Step, times: _Times) -> None:
        """Do a step with all its repetitions.

        Args:
            step: The step.
            times: How often it is done.
        """
        start_ps, duration_ps, repeat = self.now_ps, step.duration_ps, step.repeat
        end_ps = self.now_ps = start_ps + duration_ps * repeat
        repetitions = times.rounds * times.loops
        part, counts = step.part, self.counts
        self.parts_ps[part] = self.parts_ps.get(part, 0) + repetitions * (end_ps - start_ps)
        executions = repeat * times.copies * repetitions
        self.busy_ps += duration_ps * executions
        if self.wakes_ps is not None:
            if duration_ps:
                self.wakes_ps.extend(range(start_ps + duration_ps, end_ps + 1, duration_ps))
            self.woken.append(len(self.wakes_ps))
            for action, _ in step.counts:
                self.first.setdefault(action, len(self.spans))
        for action, count in step.counts:
            counts[action] = counts.get(action, 0) + count * executions
        span = (part, step.label, start_ps, end_ps, repeat, times.copies, times.rounds)
        self.spans.append(_new(SpanRecord, span))

    def wait(self, duration_ps: int) -> None:
        """Let time pass.

        Args:
            duration_ps: Duration, picoseconds.
        """
        self.now_ps += duration_ps
        if self.wakes_ps is not None and duration_ps:
            self.wakes_ps.append(self.now_ps)

    def loop(self, body: Work, count: int, times: _Times) -> None:
        """Walk one round of a loop, and repeat its timeline.

        Args:
            body: One round.
            count: Number of rounds.
            times: How often the loop is done.
        """
        if not count:
            return
        start_ps, spans, woken = self.now_ps, len(self.spans), len(self.woken)
        wakes = 0 if self.wakes_ps is None else len(self.wakes_ps)
        self.walk(body, _Times(times.copies, times.rounds, times.loops * count))
        round_ps = self.now_ps - start_ps
        once, shifts = self.spans[spans:], [index * round_ps for index in range(1, count)]
        self.spans += [
            _new(SpanRecord, (part, label, start + shift, end + shift, repeat, copies, rounds))
            for shift in shifts
            for part, label, start, end, repeat, copies, rounds in once
        ]
        if self.wakes_ps is not None:
            wakes_once, woken_once = self.wakes_ps[wakes:], self.woken[woken:]
            self.wakes_ps += [wake_ps + shift for shift in shifts for wake_ps in wakes_once]
            self.woken += [at + index * len(wakes_once) for index in range(1, count) for at in woken_once]
        self.now_ps = start_ps + count * round_ps

    def parallel(self, children: tuple[Work, ...], times: _Times) -> None:
        """Walk all children at the same time.

        The breakdown of this path gets the parts of the child that ends last; of several, the first.

        Args:
            children: Work of each child.
            times: How often they are done.

        Raises:
            SeveralPathsError: If this path is one of several, so that the order of events inside it is not known here.
        """
        if self.wakes_ps is not None:
            raise SeveralPathsError
        start_ps = self.now_ps
        lanes = [_Path(start_ps, wakes_ps=[]) for _ in children]
        for lane, child in zip(lanes, children, strict=True):
            lane.walk(child, times)
        last = max(lanes, key=lambda lane: lane.now_ps)  # the first of several
        self.now_ps = last.now_ps
        for part, duration_ps in last.parts_ps.items():
            self.parts_ps[part] = self.parts_ps.get(part, 0) + duration_ps
        places: list[list[int]] = [[0] * len(lane.spans) for lane in lanes]
        for place, (_, index, span) in enumerate(_ends_in_order(lanes, start_ps)):
            places[index][span] = place
            self.spans.append(lanes[index].spans[span])
        counted = [
            (places[index][lane.first[action]], action, count)
            for index, lane in enumerate(lanes)
            for action, count in lane.counts.items()
        ]
        for _, action, count in sorted(counted, key=itemgetter(0)):  # as they occur first; actions of a step in order
            self.counts[action] = self.counts.get(action, 0) + count
        self.busy_ps += sum(lane.busy_ps for lane in lanes)


def _ends_in_order(lanes: List[_Path], start_ps: int) -> list[tuple[int, int, int]]:
    """Order the spans of parallel paths as their ends follow each other in a queue of events.

    Args:
        lanes: The paths.
        start_ps: Time at which they began, picoseconds.

    Returns:
        Rank of the wait before its end, index of the path, and index of the span in it, of each span.
    """
    ranks = _ranks([lane.wakes_ps or [] for lane in lanes], start_ps)
    return sorted(
        (ranks[index][woken], index, span) for index, lane in enumerate(lanes) for span, woken in enumerate(lane.woken)
    )


def _ranks(wakes_ps: List[list[int]], start_ps: int) -> List[List[int]]:
    """Return the position of each wait in a queue of events, which serves first what was put into it first.

    Args:
        wakes_ps: Ends of the waits of each path, which begin at the same time.
        start_ps: This time, picoseconds.

    Returns:
        Rank of the start and of the end of each wait, by path.
    """
    count = len(wakes_ps)
    if all(each == wakes_ps[0] for each in wakes_ps[1:]):  # the paths take turns
        return [range(index, count * (len(each) + 1), count) for index, each in enumerate(wakes_ps)]
    ranks: list[list[int]] = [[] for _ in wakes_ps]
    queue = [(start_ps, index, index) for index in range(count)]
    heapify(queue)
    put = count
    for rank in range(count + sum(map(len, wakes_ps))):
        _, _, index = queue[0]
        served = len(ranks[index])
        ranks[index].append(rank)
        if served < len(wakes_ps[index]):
            heapreplace(queue, (wakes_ps[index][served], put, index))
            put += 1
        else:
            heappop(queue)
    return ranks


def direct_profile(work: Work) -> Profile:
    """Return the profile of an activity.

    Args:
        work: Its steps.

    Returns:
        The profile that `pimsim.engine.walk` finds, with spans and counts in the same order.

    Raises:
        SeveralPathsError: If a parallel node is inside another one.
    """
    path = _Path()
    path.walk(work, _Times())
    return Profile(path.now_ps, path.busy_ps, path.parts_ps, path.counts, tuple(path.spans))
