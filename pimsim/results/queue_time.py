"""Time in which activities wait for a component that is busy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from pimsim.steps.records import ActivityRecord


def queue_time_ps(activities: Sequence[ActivityRecord], repeat: Sequence[int]) -> int:
    """Return the time in which at least one activity waits for the resource that it occupies.

    The commands of all ops are ready from the beginning and wait together, so that the sum of their times says nothing
    about the length of a queue.

    Args:
        activities: All activities of a component.
        repeat: Repetitions that each activity stands for.

    Returns:
        Time in picoseconds, summed over resources and repetitions.
    """
    waits: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    for times, each in zip(repeat, activities, strict=True):
        if each.waited_for == each.resource and each.ready_ps < each.start_ps:
            waits[each.resource, times].append((each.ready_ps, each.start_ps))
    total_ps = 0
    for (_, times), intervals in waits.items():
        end_ps = 0
        for low_ps, high_ps in sorted(intervals):
            total_ps += times * max(0, high_ps - max(low_ps, end_ps))
            end_ps = max(end_ps, high_ps)
    return total_ps
