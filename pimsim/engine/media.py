"""Media on the engine's clock: each moves on by itself between the moments at which the engine may hand it a job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import simpy

from pimsim.hardware.shared.medium import Completion, Medium
from pimsim.steps.records import MediumRecord, Use

LISTED_USES = 16
"""Pieces of a medium that a result keeps, and those that jobs name: a mesh of 64 x 64 tiles has 16,000 links."""

LAST = simpy.events.EventPriority(1 << 60)
"""After all else that happens at a moment, so that jobs which are handed over at that moment are in time for it."""


class MediumProcess:
    """A medium, woken when its next event is due.

    Once awake it may run ahead of the clock as far as the engine has nothing else to do, since only what the engine
    does hands it jobs: so it takes an event of the engine now and then, and not one for each of its own.
    """

    def __init__(self, env: simpy.Environment, name: str, component: str, medium: Medium) -> None:
        self.env, self.name, self.component, self.medium = env, name, component, medium
        self.waiting: dict[int, simpy.Event] = {}
        self.jobs = self.busy_ps = self.since_ps = 0
        self.due_ps: int | None = None
        self.named: set[str] = set()

    def submit(self, ticket: int, share: Any) -> simpy.Event:
        """Hand over a job; the event's value is its Completion."""
        now_ps = int(self.env.now)
        if not self.waiting:
            self.since_ps = now_ps
        self.jobs += 1
        self.medium.submit(ticket, share, now_ps)
        self.waiting[ticket] = done = self.env.event()
        self._arm()
        return done

    def _arm(self) -> None:
        """Ask to be woken, unless that is to happen by then anyway."""
        next_ps = self.medium.next_event_ps()
        if next_ps is None or (self.due_ps is not None and self.due_ps <= next_ps):
            return
        self.due_ps = next_ps
        wake = self.env.event()
        wake._ok, wake._value = True, next_ps
        assert wake.callbacks is not None
        wake.callbacks.append(self._wake)
        self.env.schedule(wake, priority=LAST, delay=next_ps - int(self.env.now))

    def _wake(self, event: simpy.Event) -> None:
        if event.value != self.due_ps:
            return  # an earlier moment took its place
        self.due_ps = None
        now_ps, other_ps = int(self.env.now), self.env.peek()
        limit_ps = max(now_ps, int(other_ps) - 1) if other_ps != float("inf") else 1 << 62
        for completion in self.medium.advance(limit_ps):
            self._finish(completion, now_ps)
        self._arm()

    def _finish(self, completion: Completion, now_ps: int) -> None:
        self.named.add(completion.waited_for)
        done = self.waiting.pop(completion.ticket)
        done._ok, done._value = True, completion
        self.env.schedule(done, delay=completion.end_ps - now_ps)
        if not self.waiting:
            self.busy_ps += completion.end_ps - self.since_ps

    def record(self, summaries: dict[int, Summary]) -> MediumRecord:
        """What it did over the run. Media that did the same have the very same uses, which are summed up once."""
        uses = self.medium.uses()
        summary = summaries.get(id(uses)) or summaries.setdefault(id(uses), Summary(uses))
        ranked = summary.ranked
        most = [use for use in ranked if use.name in self.named] if self.named else []
        kept = tuple(dict.fromkeys((*ranked[:LISTED_USES], *most)))
        return MediumRecord(
            self.name, self.component, self.jobs, self.busy_ps, summary.waited_ps, summary.moved_bytes, kept
        )


class Summary:
    """The uses of a medium, those that were waited for longest first, and their sums."""

    def __init__(self, uses: tuple[Use, ...]) -> None:
        self.uses = uses
        self.ranked = sorted(uses, key=_importance, reverse=True)
        self.waited_ps = sum(use.waited_ps for use in uses)
        self.moved_bytes = sum(use.out_bytes for use in uses)


def _importance(use: Use) -> tuple[int, int]:
    return use.waited_ps, use.busy_ps


class MediumProcesses:
    """All media of a run, by name; each is made when it is first needed."""

    def __init__(self, env: simpy.Environment) -> None:
        self.env = env
        self.by_name: dict[str, MediumProcess | None] = {}

    def of(self, name: str, component: Any) -> MediumProcess | None:
        """The medium of that name, or None if its component is none whose users meet inside it."""
        if name not in self.by_name:
            made = getattr(component, "contended", None)
            medium: Medium | None = made() if made else None
            self.by_name[name] = None if medium is None else MediumProcess(self.env, name, component.name, medium)
        return self.by_name[name]

    def records(self) -> tuple[MediumRecord, ...]:
        """Of all media, in the order in which they were first used."""
        summaries: dict[int, Summary] = {}
        return tuple(player.record(summaries) for player in self.by_name.values() if player)

    def stuck(self) -> Iterator[str]:
        """Who waits for what inside media."""
        for name, player in self.by_name.items():
            if player and player.waiting:
                yield f"{name}: {player.medium.stuck()}"
