"""Shared media on the engine's clock: each advances by itself between the times at which it may receive a job."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nlargest
from typing import Any

import simpy

from pimsim.engine.simpy_events import schedule_success
from pimsim.hardware.shared.medium import Completion, Medium
from pimsim.steps.records import MediumRecord, Use

LISTED_USES = 16
"""Elements of a medium that a result keeps besides those that jobs waited for: 64 x 64 tiles have 16,000 links."""

LAST_PRIORITY = 1 << 60
LAST = simpy.events.EventPriority(LAST_PRIORITY)
"""Priority after all other events of a timestamp, so that jobs submitted at that time are included."""

AFTER_MEDIA_PRIORITY = LAST_PRIORITY + 1
AFTER_MEDIA = simpy.events.EventPriority(AFTER_MEDIA_PRIORITY)
"""Priority of what follows from the jobs that end at a timestamp, after each medium has advanced to it.

How often a medium wakes up before depends on what its memo knows of earlier runs. If the jobs of one medium were
followed before the next one has advanced, the order of these two would be that of their wake-ups.
"""

Ended = dict[int, list[tuple[Any, Completion]]]
"""Jobs of all media that end at a time in picoseconds, each with what waits for it."""


class MediumProcess:
    """A medium with an engine event for its next step.

    When the event fires, the medium advances up to the next event of the engine, because only engine events submit
    jobs. So it needs few events of the engine, not one for each of its own.
    """

    def __init__(
        self, env: simpy.Environment | None, name: str, component: str, medium: Medium, ended: Ended | None = None
    ) -> None:
        """Attach an idle medium.

        Args:
            env: SimPy environment; its clock counts picoseconds. None: a subclass has another clock.
            name: Name of the instance.
            component: Name of its component.
            medium: The medium.
            ended: Jobs that end at the same time, shared by all media of a run; None: the medium is the only one.
        """
        self.ended: Ended = {} if ended is None else ended
        self.env, self.name, self.component, self.medium = env, name, component, medium
        self.waiting: dict[int, Any] = {}
        self.jobs = self.busy_ps = self.since_ps = 0
        self.due_ps: int | None = None
        self.named: set[str] = set()

    def submit(self, ticket: int, share: Any) -> simpy.Event:
        """Submit a job now.

        Args:
            ticket: Number that identifies the job.
            share: Work of the component.

        Returns:
            Event that fires at the end of the job; its value is the `Completion`.
        """
        assert self.env is not None
        done = self.env.event()
        self._submit(ticket, share, done)
        return done

    def _submit(self, ticket: int, share: Any, done: Any) -> None:
        now_ps = self._now_ps()
        if not self.waiting:
            self.since_ps = now_ps
        self.jobs += 1
        self.medium.submit(ticket, share, now_ps)
        self.waiting[ticket] = done
        self._schedule_wake()

    def _schedule_wake(self) -> None:
        """Schedule a wake-up at the medium's next event, unless an earlier one is scheduled."""
        next_ps = self.medium.next_event_ps()
        if next_ps is None or (self.due_ps is not None and self.due_ps <= next_ps):
            return
        self.due_ps = next_ps
        self._wake_at(next_ps)

    def _wake(self, due_ps: int) -> None:
        if due_ps != self.due_ps:
            return  # an earlier wake-up has replaced this one
        self.due_ps = None
        for completion in self.medium.advance(self._limit_ps(self._now_ps())):
            self.named.add(completion.waited_for)
            self._complete(self.waiting.pop(completion.ticket), completion)
            if not self.waiting:
                self.busy_ps += completion.end_ps - self.since_ps
        self._schedule_wake()

    def _now_ps(self) -> int:
        """Return the present time, picoseconds."""
        assert self.env is not None
        return int(self.env.now)

    def _limit_ps(self, now_ps: int) -> int:
        """Return the last time before the next event that may submit a job, or now, picoseconds."""
        assert self.env is not None
        engine_ps = self.env.peek()
        return max(now_ps, int(engine_ps) - 1) if engine_ps != float("inf") else 1 << 62

    def _wake_at(self, time_ps: int) -> None:
        """Let `_wake` be called at a time, after all other events of that time."""
        assert self.env is not None
        wake = self.env.event()
        assert wake.callbacks is not None
        wake.callbacks.append(lambda event: self._wake(event.value))
        schedule_success(self.env, wake, time_ps, priority=LAST, delay_ps=time_ps - int(self.env.now))

    def _complete(self, done: Any, completion: Completion) -> None:
        """Let who waits for a job continue at its end, when all media have advanced to that time."""
        end_ps = completion.end_ps
        if end_ps not in self.ended:
            self.ended[end_ps] = []
            self._follow_at(end_ps)
        self.ended[end_ps].append((done, completion))

    def _follow(self, end_ps: int) -> None:
        for done, completion in self.ended.pop(end_ps):
            self._resume(done, completion)

    def _follow_at(self, end_ps: int) -> None:
        """Let `_follow` be called at a time, after the media have advanced to it."""
        assert self.env is not None
        follow = self.env.event()
        assert follow.callbacks is not None
        follow.callbacks.append(lambda event: self._follow(event.value))
        schedule_success(self.env, follow, end_ps, priority=AFTER_MEDIA, delay_ps=end_ps - int(self.env.now))

    def _resume(self, done: Any, completion: Completion) -> None:
        """Let who waits for a job that ends now continue."""
        done.succeed(completion)

    def record(self, summaries: dict[int, Summary]) -> MediumRecord:
        """Return the statistics of the medium over the run.

        Args:
            summaries: Summaries by identity of the uses; it is added to. Media with equal periods return the same
                object from `uses`, so it is summarized once.

        Returns:
            The record.
        """
        uses = self.medium.uses()
        summary = summaries.get(id(uses)) or summaries.setdefault(id(uses), Summary(uses))
        kept = summary.kept(frozenset(self.named))
        return MediumRecord(
            self.name, self.component, self.jobs, self.busy_ps, summary.waited_ps, summary.moved_bytes, kept
        )


class Summary:
    """Uses of a medium with their sums; those with the longest waiting times first."""

    def __init__(self, uses: tuple[Use, ...]) -> None:
        self.uses = uses
        self.longest = tuple(nlargest(LISTED_USES, uses, key=_importance))
        self.waited_ps = sum(use.waited_ps for use in uses)
        self.moved_bytes = sum(use.out_bytes for use in uses)
        self._kept: dict[frozenset[str], tuple[Use, ...]] = {}

    def kept(self, named: frozenset[str]) -> tuple[Use, ...]:
        """Return the uses that a result keeps, computed once for media whose jobs name the same elements.

        Args:
            named: Names of the elements for which a job waited longest.

        Returns:
            The first `LISTED_USES`, and those that are named, longest first.
        """
        if named not in self._kept:
            listed = {use.name for use in self.longest}
            also = [use for use in self.uses if use.name in named and use.name not in listed] if named - {""} else []
            self._kept[named] = (*self.longest, *sorted(also, key=_importance, reverse=True))
        return self._kept[named]


def _importance(use: Use) -> tuple[int, int]:
    return use.waited_ps, use.busy_ps


class MediumProcesses:
    """All media of a run by name; each is created at its first use."""

    def __init__(self, env: Any, chunks: int = 0, kind: Any = MediumProcess) -> None:
        """Create an empty collection.

        Args:
            env: Clock of the run.
            kind: Class of a medium on that clock.
            chunks: Chunks of memory requests that each memory with a timing table will get, about.
        """
        self.env, self.chunks, self.kind = env, chunks, kind
        self.by_name: dict[str, Any] = {}
        self.ended: Ended = {}

    def get(self, name: str, component: Any) -> Any:
        """Return the medium `name`.

        Args:
            name: Name of the instance.
            component: Its component, whose `contended()` creates a medium.

        Returns:
            The medium; None if the component has none.
        """
        if name not in self.by_name:
            create = getattr(component, "contended", None)
            medium: Medium | None = create() if create else None
            if self.chunks and (for_work := getattr(medium, "for_work", None)):
                medium = for_work(self.chunks)
            self.by_name[name] = (
                None if medium is None else self.kind(self.env, name, component.name, medium, self.ended)
            )
        return self.by_name[name]

    def records(self) -> tuple[MediumRecord, ...]:
        """Return the statistics of all media that the run has used.

        Returns:
            A record per medium, in the order of first use.
        """
        summaries: dict[int, Summary] = {}
        return tuple(process.record(summaries) for process in self.by_name.values() if process)

    def stuck(self) -> Iterator[str]:
        """Describe what unfinished jobs wait for inside media.

        Yields:
            A sentence per medium with unfinished jobs.
        """
        for name, process in self.by_name.items():
            if process and process.waiting:
                yield f"{name}: {process.medium.stuck()}"
