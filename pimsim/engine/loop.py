"""State of a run: the clock, the tasks and activities so far, and the execution of one activity."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import simpy

from pimsim.engine.contended_profile import ClosedForm, contended_profile
from pimsim.engine.simpy_events import Clock, Process, schedule_success, wait
from pimsim.engine.walk import Walk, walked_alone
from pimsim.hardware.shared.medium import Completion
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Task
from pimsim.steps.records import ActivityRecord, Profile
from pimsim.steps.step_tree import Work, event_count, expanded


@dataclass(slots=True)
class MemoEntry:
    """Stored results for one share of a component.

    Attributes:
        events: Upper bound on the events of its steps.
        profile: Its profile; None until its steps have been simulated.
        work: Its steps, until they have been simulated.
    """

    events: int
    profile: Profile | None = None
    work: Work | None = field(default=None, compare=False, repr=False)

    def take_work(self, assignment: Assignment) -> Work:
        """Return the steps, and forget them.

        Args:
            assignment: Component, share and stream of the entry.

        Returns:
            The step tree.
        """
        work, self.work = self.work, None
        return assignment.work() if work is None else work


Memo = dict[str, dict[Any, MemoEntry]]
"""Stored results by component name and share, for runs with equal components, such as the steps of a generation or the
points of a sweep. A component has no state, so equal shares have equal steps.
"""


def memo_entry(memo: Memo, assignment: Assignment) -> MemoEntry:
    """Return the memo entry of an assignment; a new one is created with the number of its events.

    To count the events its steps are built, which takes longer than a run whose profiles are all in the memo.

    Args:
        memo: Memo to look in and to add to.
        assignment: Component, share and stream.

    Returns:
        The entry.
    """
    of_component = memo.setdefault(assignment.component.name, {})
    key = assignment.share if assignment.stream is None else (assignment.share, assignment.stream)
    entry = of_component.get(key)
    if entry is None:
        work = assignment.work()
        entry = of_component[key] = MemoEntry(event_count(work), None, work)
    return entry


class EventLoop:
    """State of a run: the clock, the tasks and activities so far, and the profiles of activities."""

    def __init__(self, expand: bool, memo: Memo) -> None:
        """Start a run at time 0.

        Args:
            expand: Simulate all identical rounds and copies.
            memo: Profiles from earlier runs; new ones are added.
        """
        self.env = Clock()
        self.expand = expand
        self.memo = memo
        self.tasks: list[tuple[ProgramBlock, Task]] = []
        self.activities: list[ActivityRecord | str] = []
        """The record of an activity that has ended; before, a sentence with its name and what it waits for."""
        self.profiles: list[Profile] = []
        self.profile_of: dict[tuple[int, int], int] = {}
        """Index into `profiles` by identity of share and stream: both outlive the run and are expensive to compare."""

        self.closed_forms: dict[tuple[str, Any, Any], ClosedForm] = {}
        """What activities in media do alone, by component, share and stream."""

    def closed_form(self, assignment: Assignment) -> ClosedForm:
        """Return what an activity does alone; equal shares have equal steps, which take long to build.

        Args:
            assignment: Component, share and stream.

        Returns:
            The closed form.
        """
        key = (assignment.component.name, assignment.share, assignment.stream)
        found = self.closed_forms.get(key)
        if found is None:
            found = self.closed_forms[key] = ClosedForm.of(assignment)
        return found

    @property
    def now(self) -> int:
        """Present time, picoseconds since the start of the run."""
        return self.env.now_ps

    def unfinished(self) -> str:
        """Describe the activities that have not ended, for the message of `StalledError`.

        Returns:
            The first five activities with what each waits for, and the number of the others; "" if all have ended.
        """
        waiting = [each for each in self.activities if type(each) is str]
        more = f", and {len(waiting) - 5} more" if len(waiting) > 5 else ""
        return "; ".join(waiting[:5]) + more

    def finished(self) -> Iterator[ActivityRecord]:
        """Return the records of the activities that have ended.

        Returns:
            Iterator over the records, in program order.
        """
        return (each for each in self.activities if type(each) is ActivityRecord)

    def finished_count(self) -> int:
        """Return the number of activities that have ended; also called from the thread that reports progress.

        Returns:
            Number of activities.
        """
        return sum(1 for _ in self.finished())

    def add_task(self, block: ProgramBlock, task: Task) -> int:
        """Add a task that is about to run.

        Args:
            block: Block of the task.
            task: The task.

        Returns:
            Index of the task.
        """
        self.tasks.append((block, task))
        return len(self.tasks) - 1

    def add_activity(self, waits_for: str) -> int:
        """Add an activity that is about to run.

        Args:
            waits_for: Sentence that says what it waits for, used if the run stalls.

        Returns:
            Index of the activity.
        """
        self.activities.append(waits_for)
        return len(self.activities) - 1

    def serial(self, program: Program) -> Process:
        """Run the tasks of a program one after another, and so the assignments of a task unless it is parallel.

        Args:
            program: Program whose repeated blocks are simulated once.

        Yields:
            The events for which the run waits.
        """
        before = -1
        for block in program.blocks:
            start_ps = self.now
            for task in block.tasks:
                index = self.add_task(block, task)
                if task.parallel:
                    before = yield from self._parallel(index, task, before)
                    continue
                for assignment in task.assignments:
                    activity = self.add_activity(f"{assignment.name} runs")
                    yield from self.perform(activity, index, assignment, ready_ps=self.now, cause=before, alone=True)
                    before = activity
            yield from wait(self.env, (block.repeat - 1) * (self.now - start_ps))

    def _parallel(self, index: int, task: Task, before: int) -> Generator[simpy.Event, Any, int]:
        """Run all assignments of a task at the same time.

        Args:
            index: Index of the task.
            task: The task.
            before: Index of the activity whose end let the task start; -1 for none.

        Yields:
            The event that all of them have ended.

        Returns:
            Index of the activity that ended last; of several, the first.
        """
        activities = [self.add_activity(f"{each.name} runs") for each in task.assignments]
        performed = (
            self.perform(activity, index, each, ready_ps=self.now, cause=before)
            for activity, each in zip(activities, task.assignments, strict=True)
        )
        yield self.env.all_of([self.env.process(each) for each in performed])
        return max(activities, key=self.end_ps, default=before)

    def end_ps(self, activity: int) -> int:
        """Return the end of an activity that has ended.

        Args:
            activity: Index of the activity.

        Returns:
            Picoseconds since the start of the run.
        """
        record = self.activities[activity]
        assert isinstance(record, ActivityRecord)
        return record.end_ps

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
        in_media: tuple[simpy.Event, ...] = (),
    ) -> Process:
        """Execute an assignment that has its resources, and record it.

        The steps are simulated, or the profile of an equal share is used, or the completion from a medium is awaited.
        An activity is independent of others once it has its resource, so equal shares have equal profiles, except in a
        medium.

        Args:
            activity: Index of the activity.
            task: Index of its task.
            assignment: Component and share.
            ready_ps: Time at which its inputs were available, picoseconds.
            cause: Index of the activity whose end let it start; -1 for none.
            waited_for: Resource for which it waited longest, or "".
            alone: True if nothing else happens at the time of its end. Its end then needs no event of its own, which
                halves the events of a run whose profiles are all known.
            in_media: Events of its completion in each medium that serves it; empty if it does not run in a medium.

        Yields:
            The events for which it waits.
        """
        start_ps = self.now
        identity = (id(assignment.share), id(assignment.stream))
        profile = None if self.expand or in_media else self.profile_of.get(identity)
        if in_media:
            self.activities[activity] = f"{assignment.name} waits in {assignment.media}"
            completions: list[Completion] = []
            for event in in_media:
                completion: Completion = yield event
                completions.append(completion)
            yield self.end_of_timestamp(activity)
            alone_in_media = self.closed_form(assignment)
            self.profiles.append(contended_profile(alone_in_media, completions, self.now - start_ps))
            profile = len(self.profiles) - 1
        elif profile is None:
            simulated = yield from self.profile(assignment)
            if not alone:
                yield self.end_of_timestamp(activity)
            # The index is determined now, since other profiles may have been added while this activity ran.
            self.profiles.append(simulated)
            profile = len(self.profiles) - 1
            self.profile_of[identity] = profile
        else:
            yield from wait(self.env, self.profiles[profile].duration_ps)
            if not alone:
                yield self.end_of_timestamp(activity)
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
        """Replace the sentence about an activity by its record; it ends now.

        Args:
            activity: Index of the activity.
            task: Index of its task.
            assignment: Component and share.
            ready_ps: Time at which its inputs were available, picoseconds.
            start_ps: Start, picoseconds.
            waited_for: Resource for which it waited longest, or "".
            cause: Index of the activity whose end let it start; -1 for none.
            profile: Index of its profile.
        """
        resource = assignment.constraints.resource
        self.activities[activity] = ActivityRecord(
            task,
            assignment.name,
            assignment.component.name,
            resource.name if resource else "",
            ready_ps,
            start_ps,
            self.now,
            waited_for,
            cause,
            profile,
        )

    def profile(self, assignment: Assignment) -> Generator[simpy.Event, Any, Profile]:
        """Simulate the steps of an assignment, or wait for its duration if the memo has its profile.

        Args:
            assignment: Component and share.

        Yields:
            The events for which it waits.

        Returns:
            The profile.
        """
        if self.expand:
            walk = Walk(self.env, self.now)
            yield from walk.walk(expanded(assignment.work()))
            return walk.profile()
        entry = memo_entry(self.memo, assignment)
        if entry.profile is None:
            entry.profile = walked_alone(entry.take_work(assignment))
        yield from wait(self.env, entry.profile.duration_ps)
        return entry.profile

    def end_of_timestamp(self, activity: int) -> simpy.Event:
        """Return the event that fires last at the current timestamp, ties broken by activity index.

        So simultaneous completions release resources in program order, whether the activities were simulated step by
        step or waited for a known duration.

        Args:
            activity: Index of the activity.

        Returns:
            The event.
        """
        event = self.env.event()
        schedule_success(self.env, event, priority=simpy.events.EventPriority(simpy.events.NORMAL + 1 + activity))
        return event
