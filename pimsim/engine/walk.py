"""The walk over an activity's steps, each an event of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import simpy

from pimsim.steps.records import Profile, SpanRecord
from pimsim.steps.step_tree import Copies, Identical, Loop, Parallel, Sequence, Step, Work

Process = Generator[simpy.Event, Any, None]


def wait(env: simpy.Environment, duration_ps: int) -> Process:
    """Time that something alike has been stepped through for."""
    if duration_ps:
        yield env.timeout(duration_ps)


@dataclass(slots=True)
class Walk:
    """One path through an activity's work. `parts_ps` adds up to the time that the path takes; all paths of an activity
    share its executions and spans.
    """

    env: simpy.Environment
    origin_ps: int
    parts_ps: Counter[str] = field(default_factory=Counter)
    copies: int = 1
    rounds: int = 1
    executions: Counter[Step] = field(default_factory=Counter)
    spans: list[SpanRecord] = field(default_factory=list)

    @property
    def now(self) -> int:
        """Picoseconds since the start of the run."""
        return int(self.env.now)

    def profile(self) -> Profile:
        """What the whole activity did, once it has ended."""
        counts: Counter[str] = Counter()
        busy_ps = 0
        for step, times in self.executions.items():
            busy_ps += step.duration_ps * times
            for action, count in step.counts:
                counts[action] += count * times
        duration_ps = self.now - self.origin_ps
        return Profile(duration_ps, busy_ps, dict(self.parts_ps), dict(counts), tuple(self.spans))

    def walk(self, work: Work) -> Process:
        """Take the time of every step."""
        # Steps are stepped through here and not in a generator each: of the hot loop's time, that was a third.
        timeout = self.env.timeout
        for node in _in_order(work):
            if type(node) is Step:
                start_ps = self.now
                if node.duration_ps:
                    for _ in range(node.repeat):
                        yield timeout(node.duration_ps)
                self.finish(node, start_ps)
            else:
                yield from self.branch(node)

    def finish(self, step: Step, start_ps: int) -> None:
        """Book a step that ends now."""
        end_ps = self.now
        self.parts_ps[step.part] += end_ps - start_ps
        self.executions[step] += step.repeat * self.copies * self.rounds
        start, end = start_ps - self.origin_ps, end_ps - self.origin_ps
        self.spans.append(SpanRecord(step.part, step.label, start, end, step.repeat, self.copies, self.rounds))

    def branch(self, work: Work) -> Process:
        """What is more than a step."""
        match work:
            case Identical(body, times):
                yield from self.identical(body, times)
            case Copies(body, times):
                path = self.fork(copies=times)
                yield from path.walk(body)
                self.parts_ps.update(path.parts_ps)
            case Parallel(children):
                yield from self.parallel(children)

    def identical(self, body: Work, times: int) -> Process:
        """One round for all, and the time of the others."""
        path, start_ps = self.fork(rounds=times), self.now
        yield from path.walk(body)
        yield from wait(self.env, (times - 1) * (self.now - start_ps))
        for part, duration_ps in path.parts_ps.items():
            self.parts_ps[part] += times * duration_ps

    def parallel(self, children: tuple[Work, ...]) -> Process:
        """All children at once; the time is that of the one that ends last, the first such if several do."""
        paths = [self.fork() for _ in children]
        ends = [0] * len(children)

        def lane(index: int) -> Process:
            yield from paths[index].walk(children[index])
            ends[index] = self.now

        yield self.env.all_of([self.env.process(lane(index)) for index in range(len(children))])
        self.parts_ps.update(paths[ends.index(max(ends))].parts_ps)

    def fork(self, *, copies: int = 1, rounds: int = 1) -> Walk:
        """A path of its own, whose executions and spans are the activity's."""
        copies, rounds = self.copies * copies, self.rounds * rounds
        return Walk(self.env, self.origin_ps, Counter(), copies, rounds, self.executions, self.spans)


def _in_order(work: Work) -> Iterator[Work]:
    """What happens one after another, with sequences and loops unrolled."""
    match work:
        case Sequence(children):
            for child in children:
                if type(child) is Step:
                    yield child
                else:
                    yield from _in_order(child)
        case Loop(body, times):
            # Unrolled once: the planes of a vector are many times the same few steps.
            nodes = tuple(_in_order(body))
            for _ in range(times):
                yield from nodes
        case _:
            yield work
