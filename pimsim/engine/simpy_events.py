"""Clock and events on top of SimPy. Only `Clock` uses its queue, and only `schedule_success` sets fields of events."""

from __future__ import annotations

from collections.abc import Generator
from heapq import heappop
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]
"""A SimPy process: a generator of the events for which it waits."""


class Clock(simpy.Environment):
    """SimPy environment that counts picoseconds, and that lets a process wait without an event if nothing else happens.

    A timeout that would be the next event is put into the queue only to be taken out again at once: for a run that
    simulates one activity at a time these are nearly all events, and take most of its time.
    """

    def __init__(self) -> None:
        """Start at time 0."""
        super().__init__(initial_time=0)
        self.now_ps = 0
        """Present time, the same as `now`, which is a property and takes longer to read."""
        self._single = False
        """True while the only callback of the present event runs, so that nothing else can happen at this time."""

    def run_to_end(self) -> None:
        """Process events until none is left, as `run()` does.

        Raises:
            BaseException: What a process raised, also an interrupt.
        """
        queue = self._queue
        while queue:
            self._now, _, _, event = heappop(queue)
            self.now_ps = int(self._now)
            callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
            self._single = len(callbacks) == 1
            for callback in callbacks:
                callback(event)
            if not event.ok and not event.defused:
                error = event.value
                assert isinstance(error, BaseException)  # also an interrupt by the user
                raise error

    def skip(self, duration_ps: int) -> bool:
        """Advance the clock if a timeout of this duration, created now by the running process, would be the next event.

        Args:
            duration_ps: Duration of the timeout, picoseconds.

        Returns:
            True if the clock was advanced; False if the process must wait for a timeout.
        """
        then_ps, queue = self.now_ps + duration_ps, self._queue
        if self._single and (not queue or queue[0][0] > then_ps):
            self._now = self.now_ps = then_ps
            return True
        return False


class SeveralPathsError(Exception):
    """Paths of a walk branch again, which needs a clock with events."""


def wait(env: Clock, duration_ps: int) -> Process:
    """Wait for a duration with at most one event.

    Args:
        env: Environment whose clock counts picoseconds.
        duration_ps: Duration, picoseconds.

    Yields:
        The timeout, unless the duration is 0 or nothing else happens meanwhile.
    """
    if duration_ps and not env.skip(duration_ps):
        yield env.timeout(duration_ps)


def schedule_success(
    env: simpy.Environment,
    event: simpy.Event,
    value: Any = None,
    *,
    priority: simpy.events.EventPriority = simpy.events.NORMAL,
    delay_ps: int = 0,
) -> None:
    """Let an event succeed at a later time or with another priority than `Event.succeed` allows.

    No method of SimPy does this, so its private fields are set here and nowhere else.

    Args:
        env: Environment of the event.
        event: An event that has not been triggered.
        value: Value of the event.
        priority: Order among events with the same time; the lowest value is first.
        delay_ps: Time from now until the event is processed, picoseconds.
    """
    event._ok, event._value = True, value
    env.schedule(event, priority=priority, delay=delay_ps)
