"""The contract of a shared medium: hardware in which jobs delay one another, with a clockwork of its own.

A component that is no such thing takes a resource and then its time. Messages on a mesh and requests to a memory meet
in the middle of their work, so the schedule `contended` hands them to a medium and asks it when each is done. A medium
knows nothing of the engine: it is told of jobs in the order of their times, and moves on when it is asked to, so that
it can be tested alone.
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
        ticket: the number that it was submitted under.
        end_ps: when it ended.
        waited_for: the link, buffer, bank or bus that its last part lost most time to ("link (3,4) east"), or "".
        waited_ps: that time.
        counts: actions as a `Step` counts them; None: those of the component's own `work(share)`.

    """

    ticket: int
    end_ps: int
    waited_for: str = ""
    waited_ps: int = 0
    counts: Counts | None = None


class Medium(Protocol):
    """Hardware that jobs share. Times are absolute, in ps, and never go back."""

    def submit(self, ticket: int, share: Any, now_ps: int) -> None:
        """Take on a job at a time not before that of any event handled so far. It ends by a later `advance`."""
        ...

    def next_event_ps(self) -> int | None:
        """When something happens next if no further job comes; None when idle or stuck."""
        ...

    def advance(self, limit_ps: int) -> list[Completion]:
        """Handle events in order of time up to and including `limit_ps`, and stop after the first moment at which jobs
        end: these are returned. Jobs that the engine submits then are still in time.
        """
        ...

    def stuck(self) -> str:
        """Who waits for what, of jobs that have not ended."""
        ...

    def uses(self) -> tuple[Use, ...]:
        """What its pieces did, for explanations."""
        ...
