"""Estimate of the duration of a sweep, with a clock of its own: what is paid once is counted once."""

from __future__ import annotations

from typing import Any

import pytest

from pimsim.studies.sweep.running.estimate import MAX_SECONDS, MOST_SECONDS, measure
from pimsim.studies.sweep.running.evaluate_point import Outcome


class Clock:
    """A machine on which each point takes as long as `cost` says."""

    def __init__(self, cost: Any) -> None:
        self.now, self.cost, self.seen = 0.0, cost, []

    def time(self) -> float:
        return self.now

    def evaluate(self, point: Any) -> Outcome:
        self.now += self.cost(self, point)
        self.seen.append(point)
        return Outcome("key", (1.0,))

    def whole(self, points: list[Any]) -> float:
        """Time of all points, one after another on a new machine."""
        other = Clock(self.cost)
        for point in points:
            other.evaluate(point)
        return other.now


def kernels_first(clock: Clock, point: Any) -> float:
    return 0.02 if clock.seen else 20.0


def memoized(clock: Clock, point: Any) -> float:
    return 0.002 + 0.05 * all(point[0] != each[0] for each in clock.seen) + 0.03 * (point not in clock.seen)


def slow(clock: Clock, point: Any) -> float:
    return 12.0


@pytest.mark.parametrize("cost", [kernels_first, memoized, slow])
@pytest.mark.parametrize("count", [3, 400])
def test_the_estimate_is_within_a_factor_of_two(cost: Any, count: int) -> None:
    points = [(number // 20, number % 20) for number in range(count)]
    clock = Clock(cost)
    guess = measure(points, clock.evaluate, clock.time)
    whole = clock.whole(points)
    assert whole / 2 <= guess.total_s(count, 1) <= 2 * whole
    assert clock.now <= max(MAX_SECONDS, MOST_SECONDS) + 2 * 12.0 + 1


def test_workers_divide_what_each_point_takes_but_not_what_is_paid_once() -> None:
    clock = Clock(kernels_first)
    guess = measure([(number, 0) for number in range(400)], clock.evaluate, clock.time)
    assert guess.once_s == pytest.approx(20.0 - 0.02, abs=1e-9)
    assert guess.total_s(400, 4) == pytest.approx(0.8 + 19.98 + 400 * 0.02 / 4, abs=1e-9)
