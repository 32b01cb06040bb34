"""Helpers for SimPy events: the only place that sets private fields of SimPy."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]
"""A SimPy process: a generator of the events for which it waits."""


def wait(env: simpy.Environment, duration_ps: int) -> Process:
    """Wait for a duration with one event, or with none if it is 0.

    Args:
        env: Environment whose clock counts picoseconds.
        duration_ps: Duration, picoseconds.

    Yields:
        The timeout.
    """
    if duration_ps:
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

    Args:
        env: Environment of the event.
        event: An event that has not been triggered.
        value: Value of the event.
        priority: Order among events with the same time; the lowest value is first.
        delay_ps: Time from now until the event is processed, picoseconds.
    """
    event._ok, event._value = True, value
    env.schedule(event, priority=priority, delay=delay_ps)
