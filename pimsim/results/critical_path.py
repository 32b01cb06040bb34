"""The critical path of a run: the chain of activities that determines its latency."""

from __future__ import annotations

from collections.abc import Sequence

from pimsim.steps.records import ActivityRecord


def critical_path(activities: Sequence[ActivityRecord], *, serial: bool) -> tuple[ActivityRecord, ...]:
    """Follow the causes from the activity that ends last to the start of the run.

    Args:
        activities: All activities of the run.
        serial: True if tasks ran one after another. Then the last of several activities that end last is the end of the
            path, so that all are on it except those that ran beside a longer one.

    Returns:
        The chain in order of time; each activity started when the one before it ended.
    """
    if not activities:
        return ()
    chain = []
    last = max(range(len(activities)), key=lambda index: (activities[index].end_ps, index if serial else -index))
    while last >= 0:
        chain.append(activities[last])
        last = activities[last].cause
    return tuple(reversed(chain))
