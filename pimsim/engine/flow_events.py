"""Events of the dataflow schedule in an order of their own, without SimPy, and media on their clock.

At each time, what follows from what has happened at that time comes first, in the order in which it arose; then
activities end in program order; then media advance. When all have, what follows from the jobs that ended comes first
again. `simpy_events` and `dataflow` order events in the same way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from pimsim.engine.media import AFTER_MEDIA_PRIORITY, LAST_PRIORITY, Ended, MediumProcess
from pimsim.hardware.shared.medium import Completion

Action = Callable[[Any], None]
END_PRIORITY = 2
"""Priority of the end of the first activity, later ones have higher values; the lowest comes first."""


class FlowEvents:
    """The queue of the events of a run.

    Attributes:
        now_ps: Present time, picoseconds.
        later: Heap of events: time, priority, order, action and its argument.
        soon: What follows at the present time, in order.
    """

    __slots__ = ("later", "now_ps", "order", "soon")

    def __init__(self) -> None:
        """Start at time 0."""
        self.now_ps = self.order = 0
        self.later: list[tuple[int, int, int, Action, Any]] = []
        self.soon: deque[tuple[Action, Any]] = deque()

    def at(self, time_ps: int, priority: int, action: Action, value: Any) -> None:
        """Add an event.

        Args:
            time_ps: Its time, not before now, picoseconds.
            priority: Its order among those of that time; the lowest is first.
            action: What happens.
            value: Argument of the action.
        """
        self.order += 1
        heappush(self.later, (time_ps, priority, self.order, action, value))

    def run_to_end(self) -> None:
        """Handle events until none is left."""
        later, soon = self.later, self.soon
        while True:
            while soon:
                action, value = soon.popleft()
                action(value)
            if not later:
                return
            self.now_ps, _, _, action, value = heappop(later)
            action(value)


class FlowMedium(MediumProcess):
    """A medium on the clock of `FlowEvents`. What waits for a job is the argument of an action, not a SimPy event."""

    def __init__(self, events: FlowEvents, name: str, component: str, medium: Any, ended: Ended | None = None) -> None:
        """Attach an idle medium.

        Args:
            events: Events of the run.
            name: Name of the instance.
            component: Name of its component.
            medium: The medium.
            ended: Jobs that end at the same time, shared by all media of a run; None: the medium is the only one.
        """
        super().__init__(None, name, component, medium, ended)
        self.events = events

    def submit_for(self, ticket: int, share: Any, action: Callable[[tuple[Any, Completion]], None], user: Any) -> None:
        """Submit a job now.

        Args:
            ticket: Number that identifies the job.
            share: Work of the component.
            action: Called at the end of the job with the user and its completion.
            user: Who waits for it.
        """
        self._submit(ticket, share, (action, user))

    def _now_ps(self) -> int:
        return self.events.now_ps

    def _limit_ps(self, now_ps: int) -> int:
        later = self.events.later
        return max(now_ps, later[0][0] - 1) if later else 1 << 62

    def _wake_at(self, time_ps: int) -> None:
        self.events.at(time_ps, LAST_PRIORITY, self._wake, time_ps)

    def _follow_at(self, end_ps: int) -> None:
        self.events.at(end_ps, AFTER_MEDIA_PRIORITY, self._follow, end_ps)

    def _resume(self, done: Any, completion: Completion) -> None:
        action, user = done
        action((user, completion))
