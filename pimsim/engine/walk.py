"""The walk over the steps of an activity, with one event per step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from pimsim.engine.direct_walk import PORT_LABEL, direct_profile
from pimsim.engine.simpy_events import Clock, Process, SeveralPathsError, wait
from pimsim.steps.records import Profile, SpanRecord
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

_new = tuple.__new__


@dataclass(slots=True)
class Walk:
    """One sequential path through the step tree of an activity.

    Attributes:
        env: Clock of the run, picoseconds.
        origin_ps: Start of the activity, picoseconds.
        parts_ps: Time of this path by part of the latency breakdown, picoseconds; the values add up to its duration.
        copies: Number of hardware units for which the path stands.
        rounds: Number of identical rounds for which it stands.
        executions: Executions of each step; shared by all paths of the activity.
        spans: Timeline; shared by all paths of the activity.
    """

    env: Clock
    origin_ps: int
    parts_ps: Counter[str] = field(default_factory=Counter)
    copies: int = 1
    rounds: int = 1
    executions: Counter[Step] = field(default_factory=Counter)
    spans: list[SpanRecord] = field(default_factory=list)

    def profile(self) -> Profile:
        """Summarise the activity, which ends now.

        Returns:
            Duration, busy time and time by part in picoseconds, action counts, and spans.
        """
        counts: Counter[str] = Counter()
        busy_ps = 0
        for step, times in self.executions.items():
            busy_ps += step.duration_ps * times
            for action, count in step.counts:
                counts[action] += count * times
        duration_ps = self.env.now_ps - self.origin_ps
        return Profile(duration_ps, busy_ps, dict(self.parts_ps), dict(counts), tuple(self.spans))

    def walk(self, work: Work) -> Process:
        """Walk a step tree, with one event per repetition of each step unless nothing else happens meanwhile.

        Args:
            work: The tree.

        Yields:
            The events for which the path waits.
        """
        # Steps are walked here: a generator per step took a third of the time of this loop.
        timeout, skip = self.env.timeout, self.env.skip
        for node in _sequential_nodes(work):
            if type(node) is Step:
                start_ps = self.env.now_ps
                if node.duration_ps:
                    for _ in range(node.repeat):
                        if not skip(node.duration_ps):
                            yield timeout(node.duration_ps)
                self.finish(node, start_ps)
            else:
                yield from self.branch(node)

    def finish(self, step: Step, start_ps: int) -> None:
        """Record a step that ends now.

        Args:
            step: The step, with all its repetitions.
            start_ps: Its start, picoseconds.
        """
        end_ps = self.env.now_ps
        self.parts_ps[step.part] += end_ps - start_ps
        self.executions[step] += step.repeat * self.copies * self.rounds
        start, end = start_ps - self.origin_ps, end_ps - self.origin_ps
        # The constructor of a NamedTuple takes three times as long, and there is a span for each hop of each matrix.
        self.spans.append(_new(SpanRecord, (step.part, step.label, start, end, step.repeat, self.copies, self.rounds)))

    def branch(self, work: Work) -> Process:
        """Walk a node that is neither a step nor a sequence nor a loop.

        Args:
            work: An `Identical`, `Copies`, `Parallel` or `Streamed` node.

        Yields:
            The events for which the path waits.
        """
        match work:
            case Identical(body, times):
                yield from self.identical(body, times)
            case Copies(body, times):
                path = self.fork(copies=times)
                yield from path.walk(body)
                self.parts_ps.update(path.parts_ps)
            case Parallel(children):
                yield from self.parallel(children)
            case Streamed():
                yield from self.streamed(work)

    def streamed(self, work: Streamed) -> Process:
        """Walk a body, then wait for the rest of the time that its accesses need of the port.

        Args:
            work: The node with the body and the time of its accesses.

        Yields:
            The events for which the path waits.
        """
        start_ps = self.env.now_ps
        yield from self.walk(work.body)
        end_ps = self.env.now_ps
        if excess_ps := max(0, start_ps + work.port_ps - end_ps):
            yield from wait(self.env, excess_ps)
            self.finish(Step(work.component, PORT_EXCESS, PORT_LABEL, excess_ps), end_ps)

    def identical(self, body: Work, times: int) -> Process:
        """Simulate one round, then advance the clock by the other `times - 1`.

        Args:
            body: Work of one round.
            times: Number of rounds.

        Yields:
            The events for which the path waits.
        """
        path, start_ps = self.fork(rounds=times), self.env.now_ps
        yield from path.walk(body)
        yield from wait(self.env, (times - 1) * (self.env.now_ps - start_ps))
        for part, duration_ps in path.parts_ps.items():
            self.parts_ps[part] += times * duration_ps

    def parallel(self, children: tuple[Work, ...]) -> Process:
        """Walk all children at the same time.

        The breakdown of this path gets the parts of the child that ends last; of several, the first.

        Args:
            children: Work of each child.

        Yields:
            The event that all children have ended.
        """
        paths = [self.fork() for _ in children]
        ends = [0] * len(children)

        def lane(index: int) -> Process:
            yield from paths[index].walk(children[index])
            ends[index] = self.env.now_ps

        yield self.env.all_of([self.env.process(lane(index)) for index in range(len(children))])
        self.parts_ps.update(paths[ends.index(max(ends))].parts_ps)

    def fork(self, *, copies: int = 1, rounds: int = 1) -> Walk:
        """Return a new path of the same activity, with its own breakdown.

        Args:
            copies: Factor on the hardware units for which the path stands.
            rounds: Factor on the identical rounds for which it stands.

        Returns:
            The path.
        """
        copies, rounds = self.copies * copies, self.rounds * rounds
        return Walk(self.env, self.origin_ps, Counter(), copies, rounds, self.executions, self.spans)


def _sequential_nodes(work: Work) -> Iterator[Work]:
    """Unroll sequences and loops.

    Args:
        work: The tree.

    Yields:
        Steps, and `Identical`, `Copies`, `Parallel` and `Streamed` nodes, in the order of execution.
    """
    match work:
        case Sequence(children):
            for child in children:
                if type(child) is Step:
                    yield child
                else:
                    yield from _sequential_nodes(child)
        case Loop(body, times):
            # The body is unrolled once: the bit planes of a vector repeat the same few steps many times.
            nodes = tuple(_sequential_nodes(body))
            for _ in range(times):
                yield from nodes
        case _:
            yield work


def walked_alone(work: Work) -> Profile:
    """Return the profile of an activity, by arithmetic on its steps if that is possible, else with events.

    Args:
        work: The steps.

    Returns:
        The profile of the activity.
    """
    try:
        return direct_profile(work)
    except SeveralPathsError:
        return stepped_alone(work)


def stepped_alone(work: Work) -> Profile:
    """Walk the steps of an activity with the events of a clock of its own.

    Args:
        work: The steps.

    Returns:
        The profile of the activity.
    """
    clock = Clock()
    alone = Walk(clock, 0)
    clock.process(alone.walk(work))
    clock.run_to_end()
    return alone.profile()
