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
    Equivalent(
        "pimsim/engine/media.py",
        'limit_ps = max(now_ps, int(engine_ps) - 1) if engine_ps != float("inf") else 1 << 62',
        'limit_ps = max(now_ps, int(engine_ps) - 1) if engine_ps != float("inf") else 2 << 62',
        "No run lasts 53 days in picoseconds, so both are after its last event.",
    ),
    Equivalent(
        "pimsim/engine/media.py",
        'limit_ps = max(now_ps, int(engine_ps) - 1) if engine_ps != float("inf") else 1 << 62',
        'limit_ps = max(now_ps, int(engine_ps) - 2) if engine_ps != float("inf") else 1 << 62',
        "What happens a picosecond before the engine's next event is handled by one more wake-up, at its own time.",
    ),
    Equivalent(
        "pimsim/hardware/shared/fabric.py",
        "if more <= 0:",
        "if more <= -1:",
        "With no link to add, every list grows by nothing.",
    ),
    *(
        Equivalent(
            "pimsim/hardware/shared/busy_period.py",
            code,
            mutant,
            "The numbers only put entries of one time in the order in which they came.",
        )
        for code, mutant in (("self.order += 1", "self.order += 2"), ("self.order = 0", "self.order = -1"))
    ),
    Equivalent(
        "pimsim/hardware/shared/busy_period.py",
        "limit = groups[0].end_ps",
        "limit = groups[ -1].end_ps",
        "All groups that the fabric returns at once ended at the same time.",
    ),
)
