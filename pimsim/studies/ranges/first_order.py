"""First-order propagation of ranges: a figure is linearised in its uncertain numbers, at the likely values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pimsim.studies.ranges.config_ranges import KeyRange

STEP = 0.05
"""Half of the relative step of the differences. Times are whole picoseconds: smaller steps would measure rounding."""

QUANTILES = 4096
Z_95 = 1.959964

INVERSE = ("_hz", "_bps", "_bytes_per_s", "_ohm")
"""Endings of keys of frequencies, data rates and resistances."""

Evaluate = Callable[[Mapping[str, float]], Mapping[str, float]]
"""Function from values by dotted key to figures by name."""


@dataclass(frozen=True, slots=True)
class FirstOrder:
    """Interval of a figure by its linearisation, and the fraction of the variance that each source has in it.

    Attributes:
        low: Lower end of the 95 % interval.
        high: Upper end.
        shares: Fraction of the variance by source; they add up to 1.
    """

    low: float
    high: float
    shares: Mapping[str, float]


RECIPROCAL = ("tokens_per_s", "tokens_per_j", "gops", "gops_per_w")
"""Figures that are something constant divided by a time or an energy, which is what is nearly linear in the numbers."""


def first_order(ranges: Sequence[KeyRange], evaluate: Evaluate) -> dict[str, FirstOrder]:
    """Linearise every figure in its uncertain numbers, at the likely values.

    Args:
        ranges: Ranges of the numbers.
        evaluate: Computes the figures of some values.

    Returns:
        Interval and shares by figure; a figure of 0 has none.

    Reference:
        docs/ranges.md, eq. (5) and (6); Guide to the expression of uncertainty in measurement, JCGM 100:2008, 5.1.
    """
    likely = {each.key: each.range.likely for each in ranges}
    point = {name: value for name, value in evaluate(likely).items() if value > 0}
    probabilities = (np.arange(QUANTILES) + 0.5) / QUANTILES
    effects: dict[str, NDArray[np.float64]] = {}
    for each in ranges:
        ends = each.range.quantile(probabilities), np.array([each.range.likely])
        moved, at = (_linear(each.key, values) for values in ends)
        moved = moved - at
        effect = np.outer(_slopes(each, likely, evaluate, tuple(point)), moved)
        effects[each.group] = effects[each.group] + effect if each.group in effects else effect
    return {
        name: _interval(name, value, {group: effect[at] for group, effect in effects.items()})
        for at, (name, value) in enumerate(point.items())
    }


def _interval(name: str, point: float, effects: Mapping[str, NDArray[np.float64]]) -> FirstOrder:
    """Return the interval of a lognormal figure with the mean and the variance of the linearised one.

    Args:
        name: Name of the figure.
        point: Its value at the likely values.
        effects: What each source adds to it, at equally probable values of the source, [`QUANTILES`] float64; for a
            reciprocal figure, to its reciprocal.

    Returns:
        Interval and shares.
    """
    value = 1 / point if name in RECIPROCAL else point
    mean = value + math.fsum(float(each.mean()) for each in effects.values())
    mean = mean if mean > 0 else value  # far from linear: the other interval shows it
    variances = {group: float(each.var()) for group, each in effects.items()}
    variance = math.fsum(variances.values())
    deviation = math.sqrt(math.log1p(variance / mean**2))
    middle = math.log(mean) - deviation**2 / 2
    ends = [math.exp(middle + side * Z_95 * deviation) for side in (-1, 1)]
    low, high = (1 / ends[1], 1 / ends[0]) if name in RECIPROCAL else ends
    return FirstOrder(low, high, {group: each / variance if variance else 0.0 for group, each in variances.items()})


def _slopes(
    each: KeyRange, likely: Mapping[str, float], evaluate: Evaluate, names: Sequence[str]
) -> NDArray[np.float64]:
    """Return the derivatives of the figures, or of the reciprocals of reciprocal ones, by a number: [figures]."""
    value = each.range.likely
    step = STEP * (value or each.range.high)
    ends = (value - step if value else 0.0, value + step)
    low, high = (evaluate({**likely, each.key: end}) for end in ends)
    width = float(np.diff(_linear(each.key, np.array(ends)))[0])
    rises = (1 / high[name] - 1 / low[name] if name in RECIPROCAL else high[name] - low[name] for name in names)
    return np.array(list(rises)) / width


def _linear(key: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quantity in which times and powers are nearly linear: the reciprocal of a rate or a resistance."""
    return 1 / values if key.endswith(INVERSE) else values
