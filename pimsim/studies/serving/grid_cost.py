"""Cost of an iteration that is interpolated between two contexts of a grid."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from pimsim.config.schema import MAX_CONTEXT_LENGTH
from pimsim.studies.serving.step_cost import Groups, StepCost

GRID = 64
"""Distance between contexts of the interpolation grid, tokens."""


def grid_cost(groups: Groups, attended: Callable[[int], float], whole: Callable[[Groups], StepCost]) -> StepCost:
    """Interpolate the cost of an iteration between the two nearest contexts of the grid.

    Args:
        groups: Groups of the iteration, at least one of them with decode steps.
        attended: Function of a context that returns the entries that a decode step attends to.
        whole: Function that simulates an iteration with such groups.

    Returns:
        Interpolated cost.

    Reference:
        docs/serving.md, eq. (8).
    """
    decodes = [group for group in groups if group[0] == 1]
    others = tuple(group for group in groups if group[0] > 1)
    sequences = sum(each for _, _, each in decodes)
    entries = sum(attended(context) * each for _, context, each in decodes)
    longest = max(context for _, context, _ in decodes)
    typical = bisect_right(range(1, longest + 1), entries / sequences, key=attended)
    below = max(1, typical // GRID * GRID)
    above = min(typical // GRID * GRID + GRID, MAX_CONTEXT_LENGTH)
    low, high = (whole(((1, context, sequences), *others)) for context in (below, above))
    least, most = attended(below), attended(above)
    weight = (entries / sequences - least) / (most - least) if most > least else 0.0
    decode_j = _between(low.attention_j[0], high.attention_j[0], weight)
    other_j = iter(_between(x, y, weight) for x, y in zip(low.attention_j[1:], high.attention_j[1:], strict=True))
    return StepCost(
        latency_ps=round(_between(low.latency_ps, high.latency_ps, weight)),
        shared_j=_between(low.shared_j, high.shared_j, weight),
        attention_j=tuple(
            decode_j * attended(context) * each / entries if queries == 1 else next(other_j)
            for queries, context, each in groups
        ),
        leakage_j=_between(low.leakage_j, high.leakage_j, weight),
        estimated=1,
        traffic=low.traffic.scaled(1 - weight) + high.traffic.scaled(weight),
        terms=tuple(
            (term, share * fraction)
            for fraction, cost in ((1 - weight, low), (weight, high))
            for term, share in cost.terms
        ),
        short_of_port=max(low.short_of_port, high.short_of_port),
    )


def _between(low: float, high: float, weight: float) -> float:
    return low + weight * (high - low)
