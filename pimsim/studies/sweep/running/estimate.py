"""Estimate of the duration of a sweep, from running a few of its points."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome
from pimsim.studies.sweep.space.axes import Point
from pimsim.studies.sweep.space.plan import Plan

MAX_PAIRS = 40
MAX_SECONDS = 4.0
"""Time after which no more pairs are run, if there are `MIN_PAIRS` of them."""
MIN_PAIRS = 3
MOST_SECONDS = 30.0
"""Time after which no more pairs are run in any case, for points that take many seconds each."""
START_SECONDS = 0.8
"""Time until worker processes are ready: start, imports, reading of configs."""
_GOLDEN = 0.6180339887498949
"""Step of a sequence whose every beginning is spread evenly over 0 to 1, without the period of any axis."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Measurements on a few points of a sweep.

    Attributes:
        points: Number of points that ran.
        seconds_per_point: Mean duration of a point beside a point that ran before.
        failed: Number of points that failed.
        messages: Distinct messages of the failures.
        once_s: Time that each process takes once: loading of kernels and models, and the first simulations of parts
            that later points share.
    """

    points: int
    seconds_per_point: float
    failed: int
    messages: tuple[str, ...]
    once_s: float = 0.0

    def total_s(self, points: int, workers: int) -> float:
        """Estimate the duration of a sweep.

        Args:
            points: Number of points of the sweep.
            workers: Number of worker processes.

        Returns:
            Duration in seconds.
        """
        start = START_SECONDS if workers > 1 else 0.0
        return start + self.once_s + points * self.seconds_per_point / max(1, min(workers, points))


def estimate(plan: Plan, clock: Callable[[], float] = time.perf_counter) -> Estimate:
    """Run a few points in this process and measure their duration.

    They are pairs of neighbours. The second point of a pair takes as long as a point in the middle of the sweep, where
    all but the newest simulations are memoized. What the first point takes longer is paid once.

    Args:
        plan: The sweep.
        clock: Function that returns the time in seconds.

    Returns:
        Duration and failures of the points that ran within `MAX_SECONDS`.
    """
    evaluator = Evaluator(plan.space)
    return measure(plan, evaluator.evaluate, clock)


def measure(plan: Plan, evaluate: Callable[[Point], Outcome], clock: Callable[[], float]) -> Estimate:
    """Measure the duration of a few points, as `estimate` does.

    Args:
        plan: The sweep.
        evaluate: Function that runs a point.
        clock: Function that returns the time in seconds.

    Returns:
        Duration and failures of the points.
    """
    begin = clock()
    outcomes: dict[int, Outcome] = {}
    firsts: list[float] = []
    seconds: list[float] = []
    for place in range(MAX_PAIRS):
        first = int(place * _GOLDEN % 1 * max(1, len(plan) - 1))
        for number, durations in ((first, firsts), (min(first + 1, len(plan) - 1), seconds)):
            if number not in outcomes:
                before = clock()
                outcomes[number] = evaluate(plan[number])
                durations.append(clock() - before)
        elapsed = clock() - begin
        if elapsed > MOST_SECONDS or (elapsed > MAX_SECONDS and place + 1 >= MIN_PAIRS):
            break
    # In a very small sweep, most points have run before as the first of a pair.
    each = fmean(seconds) if len(seconds) > 1 else fmean(firsts + seconds)
    errors = [outcome.error for outcome in outcomes.values() if outcome.error]
    once = max(0.0, sum(firsts) - each * len(firsts))
    return Estimate(len(outcomes), each, len(errors), tuple(dict.fromkeys(errors)), once)
