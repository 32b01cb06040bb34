"""How long a sweep will take, from running a few of its points."""

from __future__ import annotations

import time
from dataclasses import dataclass

from pimsim.studies.sweep.running.evaluate_point import Evaluator
from pimsim.studies.sweep.space.plan import Plan

MAX_POINTS = 24
MAX_SECONDS = 2.0
START_SECONDS = 0.8
"""Until workers run: starting them, importing, reading configs."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the points that ran took, each; how many of them failed, with what messages."""

    points: int
    seconds_per_point: float
    failed: int
    messages: tuple[str, ...]

    def total_s(self, points: int, workers: int) -> float:
        """Seconds that so many points take so many workers."""
        start = START_SECONDS if workers > 1 else 0.0
        return start + points * self.seconds_per_point / max(1, min(workers, points))


def estimate(plan: Plan) -> Estimate:
    """Run some points in this process, neighbours and far ones: neighbours share more of what is computed once."""
    evaluator = Evaluator(plan.space)
    begun, failed, messages, done = time.perf_counter(), 0, [], 0
    pairs = max(1, min(MAX_POINTS, len(plan)) // 2)
    numbers = sorted(
        {number for place in range(pairs) for number in _pair(place * (len(plan) - 1) // max(1, pairs - 1), len(plan))}
    )
    for number in numbers:
        outcome = evaluator.evaluate(plan[number])
        done += 1
        if outcome.error:
            failed += 1
            messages.append(outcome.error)
        if time.perf_counter() - begun > MAX_SECONDS:
            break
    return Estimate(done, (time.perf_counter() - begun) / done, failed, tuple(dict.fromkeys(messages)))


def _pair(number: int, count: int) -> tuple[int, int]:
    return number, min(number + 1, count - 1)
