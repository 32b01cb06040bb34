"""Time in which something waits for a component, by hand."""

from __future__ import annotations

from pimsim.results.queue_time import queue_time_ps
from pimsim.steps.records import ActivityRecord


def waiting(ready_ps: int, start_ps: int, resource: str = "unit", waited_for: str = "unit") -> ActivityRecord:
    return ActivityRecord(0, "a[0]", "unit", resource, ready_ps, start_ps, start_ps + 1, waited_for, -1, 0)


def test_waits_that_overlap_count_once() -> None:
    """Ten commands ready at 0 that start at 0, 1, ..., 9 wait 45 in all, in 9 ps."""
    commands = [waiting(0, start_ps) for start_ps in range(10)]
    later = [waiting(20, 21), waiting(20, 22), waiting(21, 22), waiting(5, 9)]
    assert queue_time_ps(commands, [1] * 10) == 9
    assert queue_time_ps([*commands, *later], [1] * 14) == 9 + 2


def test_repetitions_and_resources_add_up() -> None:
    activities = [waiting(0, 4), waiting(2, 6), waiting(0, 4, "other", "other"), waiting(0, 9, "other", "buffer")]
    assert queue_time_ps(activities, [3, 3, 1, 1]) == 3 * 6 + 4
