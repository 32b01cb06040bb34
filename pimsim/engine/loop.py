"""One run's state: the clock, what has happened so far, and how an activity comes to pass."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import simpy

from pimsim.engine.walk import Process, Walk, wait
from pimsim.hardware.shared.medium import Completion
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Task
from pimsim.steps.records import ActivityRecord, Profile, SpanRecord
from pimsim.steps.step_tree import WAITING, action_counts, event_count, expanded, steps


@dataclass(slots=True)
class MemoEntry:
    """What is known of a component's share: the events of its steps, and its profile once these have been stepped
    through.
    """

    events: int
    profile: Profile | None = None


Memo = dict[str, dict[Any, MemoEntry]]
"""What is known by component and share, for runs that have components and shares in common: the steps of a generation,
the points of a sweep. A component is pure, so that the same share takes the same steps.
"""


def memo_entry(memo: Memo, assignment: Assignment) -> MemoEntry:
    """What is known of an assignment; counting its events means building its steps, which takes longer than a run."""
    of_component = memo.setdefault(assignment.component.name, {})
    known = of_component.get(assignment.share)
    if known is None:
        known = of_component[assignment.share] = MemoEntry(event_count(assignment.work()))
    return known


class EventLoop:
    """One run's state: the clock, the tasks and activities so far, and what activities did."""

    def __init__(self, expand: bool, memo: Memo) -> None:
        self.env = simpy.Environment(initial_time=0)
        self.expand = expand
        self.memo = memo
        self.tasks: list[tuple[ProgramBlock, Task]] = []
        self.activities: list[ActivityRecord | str] = []
        """A record once it has ended; until then, whose it is and what it waits for."""
        self.profiles: list[Profile] = []
        self.profile_of: dict[int, int] = {}
        """The profile of a share, by the share's identity: shares outlive the run, and comparing them is dear."""

    @property
    def now(self) -> int:
        """Picoseconds since the start."""
        return int(self.env.now)

    def unfinished(self) -> str:
        """The first few activities that have not ended, with what each waits for."""
        waiting = [each for each in self.activities if isinstance(each, str)]
        more = f", and {len(waiting) - 5} more" if len(waiting) > 5 else ""
        return "; ".join(waiting[:5]) + more

    def finished(self) -> Iterator[ActivityRecord]:
        """The activities that have ended, in program order."""
        return (each for each in self.activities if isinstance(each, ActivityRecord))

    def add_task(self, block: ProgramBlock, task: Task) -> int:
        """The index of a task that is about to run."""
        self.tasks.append((block, task))
        return len(self.tasks) - 1

    def add_activity(self, what: str) -> int:
        """The index of an activity that is about to run, and what to say of it until it has."""
        self.activities.append(what)
        return len(self.activities) - 1

    def serial(self, program: Program) -> Process:
        """One assignment after another."""
        for block in program.blocks:
            start_ps = self.now
            for task in block.tasks:
                index = self.add_task(block, task)
                for assignment in task.assignments:
                    activity = self.add_activity(f"{assignment.name} runs")
                    now = self.now
                    yield from self.perform(activity, index, assignment, ready_ps=now, cause=activity - 1, alone=True)
            yield from wait(self.env, (block.repeat - 1) * (self.now - start_ps))

    def perform(
        self,
        activity: int,
        task: int,
        assignment: Assignment,
        *,
        ready_ps: int,
        cause: int,
        waited_for: str = "",
        alone: bool = False,
        played: simpy.Event | None = None,
    ) -> Process:
        """Step through an assignment, or take the time of one that was alike, and record it; or wait until a medium has
        `played` it to its end.

        Nothing from outside reaches into an activity once it has its resource, so one stands for all of the same share,
        but for those in a medium. One that is `alone` at its time needs no turn to end: an event less, which is half of
        those of a run whose shares are all known.
        """
        start_ps = self.now
        profile = None if self.expand or played else self.profile_of.get(id(assignment.share))
        if played is not None:
            self.activities[activity] = f"{assignment.name} waits in {assignment.medium}"
            completion: Completion = yield played
            yield self.turn_to_end(activity)
            self.profiles.append(_contended_profile(assignment, completion, self.now - start_ps))
            profile = len(self.profiles) - 1
        elif profile is None:
            stepped = yield from self.profile(assignment)
            if not alone:
                yield self.turn_to_end(activity)
            # The index is taken only now: other activities may have been profiled while this one ran.
            self.profiles.append(stepped)
            profile = len(self.profiles) - 1
            self.profile_of[id(assignment.share)] = profile
        else:
            yield from wait(self.env, self.profiles[profile].duration_ps)
            if not alone:
                yield self.turn_to_end(activity)
        self.record(activity, task, assignment, ready_ps, start_ps, waited_for, cause, profile)

    def record(
        self,
        activity: int,
        task: int,
        assignment: Assignment,
        ready_ps: int,
        start_ps: int,
        waited_for: str,
        cause: int,
        profile: int,
    ) -> None:
        """Put down what has ended now."""
        self.activities[activity] = ActivityRecord(
            task,
            assignment.name,
            assignment.component.name,
            assignment.resource,
            ready_ps,
            start_ps,
            self.now,
            waited_for,
            cause,
            profile,
        )

    def profile(self, assignment: Assignment) -> Generator[simpy.Event, Any, Profile]:
        """Step through an assignment, unless one like it has been stepped through."""
        known = None if self.expand else memo_entry(self.memo, assignment)
        if known is not None and known.profile is not None:
            yield from wait(self.env, known.profile.duration_ps)
            return known.profile
        walk = Walk(self.env, self.now)
        yield from walk.walk(expanded(assignment.work()) if self.expand else assignment.work())
        profile = walk.profile()
        if known is not None:
            known.profile = profile
        return profile

    def turn_to_end(self, activity: int) -> simpy.Event:
        """After all else that happens at this moment, in program order: who is next for what several give back at once
        must not depend on whether they were stepped through or took the time of one that was alike.
        """
        turn = self.env.event()
        turn._ok, turn._value = True, None
        self.env.schedule(turn, priority=simpy.events.EventPriority(simpy.events.NORMAL + 1 + activity))
        return turn


def _contended_profile(assignment: Assignment, completion: Completion, duration_ps: int) -> Profile:
    """What an activity did in a medium. Its component's closed form is what it takes alone; all beyond that is lost to
    others.
    """
    work = assignment.work()
    part = next((step.part for step in steps(work)), WAITING)
    own_ps = min(duration_ps, assignment.latency_ps())
    counts = action_counts(work) if completion.counts is None else dict(completion.counts)
    spans = [SpanRecord(part, "alone", 0, own_ps, 1, 1, 1)]
    parts_ps = {part: own_ps} if own_ps else {}
    if own_ps < duration_ps:
        parts_ps[WAITING] = duration_ps - own_ps
        why = f"waits for {completion.waited_for}" if completion.waited_for else "waits"
        spans.append(SpanRecord(WAITING, why, own_ps, duration_ps, 1, 1, 1))
    return Profile(duration_ps, duration_ps, parts_ps, dict(counts), tuple(spans), completion.waited_for)
