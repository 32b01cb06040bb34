"""The simplest medium: one server with a queue, which behaves like a resource of the engine."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from pimsim.hardware.component import Area
from pimsim.hardware.shared.medium import Completion, Use
from pimsim.steps.step_tree import Work


@dataclass
class QueueMedium:
    """Serves jobs first come, first served; jobs submitted at the same time in the order of their tickets."""

    component: Any
    lost: bool = False
    now_ps: int = 0
    queue: deque[tuple[int, Any, int]] = field(default_factory=deque)
    current: tuple[int, int, int] | None = None
    free_ps: int = 0
    busy_ps: int = 0
    waited_ps: int = 0
    moves: list[int] = field(default_factory=list)

    def submit(self, ticket: int, share: Any, now_ps: int) -> None:
        assert now_ps >= self.now_ps
        self.now_ps = now_ps
        self.queue.append((ticket, share, now_ps))

    def next_event_ps(self) -> int | None:
        if self.lost or (self.current is None and not self.queue):
            return None
        if self.current is not None:
            return self.current[1]
        return max(self.free_ps, self.queue[0][2])

    def advance(self, limit_ps: int) -> list[Completion]:
        while (due := self.next_event_ps()) is not None and due <= limit_ps:
            assert due >= self.now_ps
            self.now_ps = due
            self.moves.append(due)
            if self.current is None:
                self._start(due)
                continue
            ticket, end_ps, waited_ps = self.current
            self.current, self.free_ps = None, end_ps
            return [Completion(ticket, end_ps, "the server", waited_ps)]
        return []

    def _start(self, now_ps: int) -> None:
        ticket, share, submitted_ps = self.queue.popleft()
        duration_ps = self.component.latency_ps(share)
        self.busy_ps += duration_ps
        self.waited_ps += now_ps - submitted_ps
        self.current = (ticket, now_ps + duration_ps, now_ps - submitted_ps)

    def stuck(self) -> str:
        return f"{len(self.queue)} jobs wait for the server"

    def uses(self) -> tuple[Use, ...]:
        return (Use("the server", self.busy_ps, self.waited_ps),)


@dataclass(frozen=True, eq=False)
class QueueComponent:
    """A component whose jobs run inside a QueueMedium."""

    inner: Any
    name: str = "queue"
    lost: bool = False
    units: int = 1

    def contended(self) -> QueueMedium:
        return QueueMedium(self.inner, self.lost)

    def work(self, share: Any) -> Work:
        work: Work = self.inner.work(share)
        return work

    def latency_ps(self, share: Any) -> int:
        return int(self.inner.latency_ps(share))

    def action_energies_j(self) -> dict[str, float]:
        return {}

    def areas(self) -> tuple[Area, ...]:
        return ()

    def leakage_w(self) -> float:
        return 0.0
