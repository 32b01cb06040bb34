"""Estimate of the duration of a sweep, from running a few of its points."""

from __future__ import annotations

import time
from dataclasses import dataclass

from pimsim.studies.sweep.running.evaluate_point import Evaluator
from pimsim.studies.sweep.space.plan import Plan

MAX_POINTS = 24
MAX_SECONDS = 2.0
START_SECONDS = 0.8
"""Time until worker processes are ready: start, imports, reading of configs."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Measurements on a few points of a sweep.

    Attributes:
        points: Number of points that ran.
        seconds_per_point: Mean duration of a point.
        failed: Number of points that failed.
        messages: Distinct messages of the failures.
    """

    points: int
    seconds_per_point: float
    failed: int
    messages: tuple[str, ...]

    def total_s(self, points: int, workers: int) -> float:
        """Estimate the duration of a sweep.

        Args:
            points: Number of points of the sweep.
            workers: Number of worker processes.

        Returns:
            Duration in seconds.
        """
        start = START_SECONDS if workers > 1 else 0.0
        return start + points * self.seconds_per_point / max(1, min(workers, points))


def estimate(plan: Plan) -> Estimate:
    """Run a few points in this process and measure their duration.

    The points are pairs of neighbours that are spread over the sweep, because neighbours share more memoized work than
    distant points.

    Args:
        plan: The sweep.

    Returns:
        Duration and failures of the points that ran within `MAX_SECONDS`.
    """
    evaluator = Evaluator(plan.space)
    begin, failed, messages, done = time.perf_counter(), 0, [], 0
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
        if time.perf_counter() - begin > MAX_SECONDS:
            break
    return Estimate(done, (time.perf_counter() - begin) / done, failed, tuple(dict.fromkeys(messages)))


def _pair(number: int, count: int) -> tuple[int, int]:
    return number, min(number + 1, count - 1)
