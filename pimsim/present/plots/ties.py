"""Ties: values that intervals do not separate from the best one."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.lines import Line2D

TIE = "\N{ALMOST EQUAL TO}"
"""Sign above bars that are tied."""
Interval = tuple[float, float]


def tied_with_best(values: Sequence[float], intervals: Sequence[Interval | None], *, higher: bool) -> frozenset[int]:
    """Find the values whose intervals overlap the interval of the best value.

    Overlap is a cautious rule: two values whose intervals do not overlap differ, while values with a common source of
    error can differ although their intervals overlap.

    Args:
        values: Values.
        intervals: Interval of each value; None for a value that does not vary, which is its own interval.
        higher: Whether a higher value is better.

    Returns:
        Indices of the best value and of those that are tied with it; empty if none is tied or if no value has an
        interval.
    """
    if not any(intervals):
        return frozenset()
    ends = [each or (value, value) for value, each in zip(values, intervals, strict=True)]
    best = max(range(len(values)), key=lambda index: values[index] if higher else -values[index])
    low, high = ends[best]
    tied = frozenset(index for index, (first, last) in enumerate(ends) if first <= high and last >= low)
    return tied if len(tied) > 1 else frozenset()


def tie_entry(sign: str = TIE) -> Line2D:
    """Return the legend's entry of bars that are tied.

    Args:
        sign: Sign that marks them.

    Returns:
        An entry without a mark.
    """
    return Line2D([], [], linestyle="", label=f"{sign} tie with the best: intervals overlap")
