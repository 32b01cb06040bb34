"""The critical path of a run: the chain of activities that determines its latency."""

from __future__ import annotations

from collections.abc import Sequence

from pimsim.steps.records import ActivityRecord


def critical_path(activities: Sequence[ActivityRecord], *, serial: bool) -> tuple[ActivityRecord, ...]:
    """Follow the causes from the activity that ends last to the start of the run.

    Args:
        activities: All activities of the run.
        serial: True if they ran one after another, so that all are on the path.

    Returns:
        The chain in order of time; each activity started when the one before it ended.
    """
    if serial or not activities:
        return tuple(activities)
    chain = []
    last = max(range(len(activities)), key=lambda index: activities[index].end_ps)
    while last >= 0:
        chain.append(activities[last])
        last = activities[last].cause
    return tuple(reversed(chain))
