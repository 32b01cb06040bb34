"""The port of the global buffer, shared by all units that stream operands or results through it at the same time.

A unit makes its accesses evenly while it works, so that each job has a demand: the fraction of the port that it needs
to run at full speed. While the demands add up to more than the whole port, it is divided by max-min fairness, the limit
of round-robin arbitration word by word: no job gets more than its demand, and jobs that get less have equal fractions.

Reference:
    Bertsekas and Gallager, Data Networks, 2nd edition, 1992, section 6.5.2; docs/contention.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from pimsim.hardware.shared.medium import Completion, Use
from pimsim.steps.step_tree import PORT

FULL_SPEED = 1 << 40
"""Speed of a job that gets its demand. Other speeds are rounded down to integers, so that no job ends too early."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Accesses of the global buffer that a unit makes while it works.

    Attributes:
        port_ps: Time of all accesses on an idle port, picoseconds.
        size_bytes: Bytes that pass the port.
        buffer: The buffer, whose `contended()` creates the port that is shared under the contended schedule.
        next_chip: True if as many bytes pass the port of the next chip at the same time.
    """

    port_ps: int
    size_bytes: int
    buffer: Any = field(compare=False, repr=False)
    next_chip: bool = False

    @property
    def name(self) -> str:
        """Name of the buffer."""
        return str(self.buffer.name)


@dataclass(frozen=True, slots=True)
class PortJob:
    """Accesses of one activity.

    Attributes:
        stream: The accesses.
        unit_ps: Time of the unit that makes them, picoseconds.
    """

    stream: Stream
    unit_ps: int


@dataclass(slots=True)
class _Running:
    """A job in the port.

    Attributes:
        job: The job.
        submitted_ps: Time of its submission, picoseconds.
        alone_ps: Its duration on an idle port, picoseconds.
        demand: Fraction of the port that it needs to run at full speed.
        left: What remains of `alone_ps`, times `FULL_SPEED`.
        speed: Its present speed.
    """

    job: PortJob
    submitted_ps: int
    alone_ps: int
    demand: Fraction
    left: int
    speed: int = FULL_SPEED


class Port:
    """The port as a shared medium (`pimsim.hardware.shared.medium.Medium`)."""

    def __init__(self) -> None:
        """Create an idle port."""
        self.now_ps = 0
        self.jobs: dict[int, _Running] = {}
        self.busy_ps = self.waited_ps = self.in_bytes = self.out_bytes = self.peak = 0

    def submit(self, ticket: int, share: PortJob, now_ps: int) -> None:
        """Submit the accesses of an activity; a later `advance` returns its completion.

        Args:
            ticket: Number that identifies the job.
            share: Its accesses.
            now_ps: Time of submission, not before any event handled so far.
        """
        self._pass_time(now_ps)
        alone_ps = max(share.unit_ps, share.stream.port_ps)
        demand = Fraction(share.stream.port_ps, alone_ps) if alone_ps else Fraction(0)
        self.jobs[ticket] = _Running(share, now_ps, alone_ps, demand, alone_ps * FULL_SPEED)
        self.in_bytes += share.stream.size_bytes
        self.peak = max(self.peak, len(self.jobs))
        self._divide()

    def next_event_ps(self) -> int | None:
        """Return the time at which the next job ends if none is submitted before.

        Returns:
            Picoseconds since the start of the run; None if the port is idle.
        """
        ends = (self.now_ps - (-each.left // each.speed) for each in self.jobs.values())
        return min(ends, default=None)

    def advance(self, limit_ps: int) -> list[Completion]:
        """Pass the time until the first end of jobs up to and including `limit_ps`.

        Args:
            limit_ps: Last time to handle.

        Returns:
            The jobs that ended, all at the same time; empty if none did.
        """
        end_ps = self.next_event_ps()
        if end_ps is None or end_ps > limit_ps:
            return []
        self._pass_time(end_ps)
        ended = [ticket for ticket, each in self.jobs.items() if not each.left]
        completions = [self._completion(ticket, self.jobs.pop(ticket)) for ticket in ended]
        self._divide()
        return completions

    def stuck(self) -> str:
        """Describe the unfinished jobs.

        Returns:
            Text for an error message; "" if there are none.
        """
        return f"{len(self.jobs)} streams pass the port" if self.jobs else ""

    def uses(self) -> tuple[Use, ...]:
        """Return the statistics so far.

        Returns:
            One record; its busy time is that of all accesses that have ended.
        """
        return (Use(PORT, self.busy_ps, self.waited_ps, self.in_bytes, self.out_bytes, self.peak),)

    def _completion(self, ticket: int, ended: _Running) -> Completion:
        waited_ps = self.now_ps - ended.submitted_ps - ended.alone_ps
        self.busy_ps += ended.job.stream.port_ps
        self.waited_ps += waited_ps
        self.out_bytes += ended.job.stream.size_bytes
        return Completion(ticket, self.now_ps, PORT if waited_ps else "", waited_ps)

    def _pass_time(self, until_ps: int) -> None:
        for each in self.jobs.values():
            each.left = max(0, each.left - (until_ps - self.now_ps) * each.speed)
        self.now_ps = until_ps

    def _divide(self) -> None:
        """Set the speeds of all jobs: those with small demands get them, the others get equal fractions of the rest."""
        waiting = sorted(self.jobs.values(), key=lambda each: each.demand)
        room = Fraction(1)
        for index, each in enumerate(waiting):
            fair = room / (len(waiting) - index)
            if each.demand > fair:
                for crowded in waiting[index:]:
                    crowded.speed = FULL_SPEED * fair // crowded.demand
                return
            each.speed = FULL_SPEED
            room -= each.demand
