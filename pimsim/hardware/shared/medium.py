"""The interface of a shared medium: hardware inside which the jobs of several users delay one another.

Other components are resources: an activity waits until a unit is free, then holds it for a known time. Messages on a
mesh and requests to a memory delay one another in the middle of their work. So the schedule `contended` hands them to a
medium, which has its own event queue, and asks it when each of them has ended. A medium does not know the engine. It
receives jobs in order of time and advances only when asked, so it can be tested alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pimsim.steps.records import Use
from pimsim.steps.step_tree import Counts

__all__ = ["Completion", "Medium", "Use"]


@dataclass(frozen=True, slots=True)
class Completion:
    """A job that has ended.

    Attributes:
        ticket: Number under which the job was submitted.
        end_ps: End of the job, picoseconds.
        waited_for: Name of the link, buffer, bank or bus for which the job waited longest ("link (3,4) east"), or "".
        waited_ps: That waiting time, picoseconds.
        counts: Action counts, as in a `Step`; None means those of the component's `work(share)`.
    """

    ticket: int
    end_ps: int
    waited_for: str = ""
    waited_ps: int = 0
    counts: Counts | None = None


class Medium(Protocol):
    """A shared medium. All times are picoseconds since the start of the run and never decrease."""

    def submit(self, ticket: int, share: Any, now_ps: int) -> None:
        """Submit a job; a later `advance` returns its completion.

        Args:
            ticket: Number that identifies the job.
            share: The component's work for one op, for example a `MeshShare` or `MemoryShare`.
            now_ps: Time of submission, not before any event handled so far.
        """
        ...

    def next_event_ps(self) -> int | None:
        """Return the time of the next event if no job is submitted before.

        Returns:
            Picoseconds since the start of the run; None if the medium is idle or deadlocked.
        """
        ...

    def advance(self, limit_ps: int) -> list[Completion]:
        """Handle the events up to and including `limit_ps` in order of time.

        The call returns after the first time at which jobs end, so that jobs which start as a consequence can still be
        submitted at that time.

        Args:
            limit_ps: Last time to handle.

        Returns:
            The jobs that ended, all at the same time; empty if none did.
        """
        ...

    def stuck(self) -> str:
        """Describe what the unfinished jobs wait for.

        Returns:
            Text for an error message; "" if there are no unfinished jobs.
        """
        ...

    # A medium may have a method `for_work(self, work: int) -> Medium`. The engine calls it before the first job with
    # the amount of work that the run has for it (of a DRAM: chunks), and uses what it returns in its place.

    def uses(self) -> tuple[Use, ...]:
        """Return the statistics so far.

        Returns:
            A record per link, buffer, bank or bus.
        """
        ...
