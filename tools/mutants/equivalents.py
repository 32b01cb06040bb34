"""Mutants that no test can notice, each with the reason. They count neither as killed nor as survived."""

from __future__ import annotations

from tools.mutants.choosing import Equivalent

EQUIVALENT: tuple[Equivalent, ...] = (
    *(
        Equivalent(
            "pimsim/engine/media.py",
            "LAST = simpy.events.EventPriority(1 << 60)",
            f"LAST = simpy.events.EventPriority(1 << {bits})",
            "Every number above the engine's other priorities puts the event last.",
        )
        for bits in (59, 61)
    ),
    Equivalent(
        "pimsim/hardware/shared/busy_period.py",
        "return tuple(packet for *_, packet in sorted(ordered, key=lambda each: each[:2]))",
        "return tuple(packet for *_, packet in sorted(ordered, key=lambda each: each[: 1]))",
        "Packets are appended in the order of their messages, and sorting keeps the order of equal keys.",
    ),
    Equivalent(
        "pimsim/hardware/shared/fabric.py",
        "each.extend([-1] * more)",
        "each.extend([-2] * more)",
        "All inputs come one turn later, in the same order; a time of -2 is as negative as one of -1.",
    ),
    Equivalent(
        "pimsim/hardware/shared/fabric.py",
        "self.full_since[link] = -1",
        "self.full_since[link] = -2",
        "Both are negative, and nothing else is asked of it.",
    ),
)
