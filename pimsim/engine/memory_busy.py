"""Busy time of memories that activities share under the contended schedule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pimsim.engine.execute import EngineRun
from pimsim.steps.records import MediumRecord
from pimsim.steps.step_tree import WAITING


def memory_busy_ps(outcome: EngineRun, media: Sequence[MediumRecord]) -> int:
    """Return the time in which the memory of each chip is busy, by the same rule with and without a timing table.

    An activity has its closed form, which includes the rate of the port of the global buffer, since the channels cannot
    rest while the port takes their data. Channels that need longer are busy for longer; the time in which an activity
    is under way is the limit, since activities overlap.

    Args:
        outcome: The run.
        media: The memory of each chip that has one with a timing table, in order of first use.

    Returns:
        Sum over all chips, picoseconds.

    Reference:
        docs/memory.md, "Energy per bit".
    """
    own_ps: Counter[str] = Counter()
    under_way: dict[str, list[tuple[int, int]]] = {}
    for activity in outcome.activities:
        if activity.component == media[0].component:
            name = f"chip {outcome.tasks[activity.op][0].chip}/{activity.component}"
            parts_ps = outcome.profiles[activity.profile].parts_ps
            own_ps[name] += sum(parts_ps.values()) - parts_ps.get(WAITING, 0)
            under_way.setdefault(name, []).append((activity.start_ps, activity.end_ps))
    busy_ps = 0
    for medium in media:
        union_ps = last_ps = 0
        for start_ps, end_ps in sorted(under_way[medium.name]):
            union_ps += max(0, end_ps - max(start_ps, last_ps))
            last_ps = max(last_ps, end_ps)
        busy_ps += min(union_ps, max(own_ps[medium.name], medium.busy_ps))
    return busy_ps
