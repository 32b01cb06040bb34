"""Fits of measured cells: the spread of a state over cells, and the exponent of drift."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Distribution = Literal["normal", "lognormal"]

FEWEST_SAMPLES = 3
"""Fewest samples of a state from which a distribution is chosen."""
FEWEST_OF_A_CELL = 3
"""Fewest times of a cell that give it an exponent with a residual."""
_NO_SPREAD = 1e-18
"""Mean square of centred abscissas that is rounding alone."""


@dataclass(frozen=True, slots=True)
class StateFit:
    """Nominal conductance and spread of one state, as `machine.crossbar.pair.noise.variation` defines them.

    Attributes:
        siemens: Nominal conductance: the mean of a normal distribution, the median of a lognormal one.
        standard_error: Standard error of it, siemens; None without a number of samples.
        distribution: The chosen distribution.
        sigma: Standard deviation: relative to `siemens` (normal), or of ln g (lognormal).
        samples: Number of samples; None if a summary does not state it.
        log_likelihoods: Maximum log-likelihood of each distribution; empty for a summary and for equal samples.
    """

    siemens: float
    standard_error: float | None
    distribution: Distribution
    sigma: float
    samples: int | None
    log_likelihoods: Mapping[Distribution, float]


@dataclass(frozen=True, slots=True)
class DriftFit:
    """Exponent nu of g(t) = g(start) (t / start)^-nu, by least squares of ln g on ln t.

    Attributes:
        start_s: First time, seconds.
        last_s: Last time, seconds.
        exponent: nu, common to all groups.
        standard_error: Its standard error, with the spread of nu over the measured cells.
        residual: Root mean square of the residuals of ln g, over the degrees of freedom.
        points: Number of points.
        groups: Number of groups, each with a conductance of its own at the start: cells, or states.
        by_state: nu and its standard error of each state alone.
        cell_sigma: Standard deviation of nu over cells, without what the residuals explain; None without enough cells.
        cells: Number of cells that `cell_sigma` comes from.
    """

    start_s: float
    last_s: float
    exponent: float
    standard_error: float
    residual: float
    points: int
    groups: int
    by_state: Mapping[str, tuple[float, float]]
    cell_sigma: float | None
    cells: int


def fit_state(siemens: Sequence[float]) -> StateFit:
    """Choose the distribution of the samples of a state by likelihood, and fit it.

    Both distributions have two parameters, so the larger maximum of the likelihood decides. The standard deviation that
    is returned has n - 1 in its denominator.

    Args:
        siemens: Samples, siemens, all above 0, at least `FEWEST_SAMPLES`.

    Returns:
        The fit.
    """
    samples = np.asarray(siemens, np.float64)
    logs = np.log(samples)
    count = samples.size
    mean, deviation = float(samples.mean()), float(samples.std(ddof=1))
    # Equal samples differ from their mean by rounding alone.
    if deviation <= 1e-12 * mean:
        return StateFit(mean, 0.0, "normal", 0.0, count, {})
    likelihoods: dict[Distribution, float] = {
        "normal": _log_likelihood(samples),
        "lognormal": _log_likelihood(logs) - float(logs.sum()),
    }
    if likelihoods["normal"] >= likelihoods["lognormal"]:
        return StateFit(mean, deviation / math.sqrt(count), "normal", deviation / mean, count, likelihoods)
    median, theta = float(np.exp(logs.mean())), float(logs.std(ddof=1))
    return StateFit(median, median * theta / math.sqrt(count), "lognormal", theta, count, likelihoods)


def _log_likelihood(samples: NDArray[np.float64]) -> float:
    """Return the maximum log-likelihood of a normal distribution.

    Args:
        samples: The samples, [n] float64.

    Returns:
        -n/2 (ln(2 pi s^2) + 1), with n in the denominator of s^2.
    """
    return -samples.size / 2 * (math.log(2 * math.pi * float(samples.var())) + 1)


def fit_drift(
    seconds: Sequence[float], siemens: Sequence[float], states: Sequence[str], cells: Sequence[str]
) -> DriftFit | None:
    """Fit the exponent of drift to measurements at several times.

    Args:
        seconds: Times since programming, above 0.
        siemens: Conductances, siemens, in the same order.
        states: Name of the state of each.
        cells: Name of the cell of each; empty names if they are not known.

    Returns:
        The fit; None if the times do not differ, or if there are fewer points than parameters.
    """
    x, y = np.log(np.asarray(seconds, np.float64)), np.log(np.asarray(siemens, np.float64))
    state_of = np.asarray(states)
    names = [f"{state}\n{cell}" for state, cell in zip(states, cells, strict=True)]
    unique, group_of = np.unique(names, return_inverse=True)
    whole = _slope(x, y, group_of)
    if whole is None:
        return None
    slope, error, residual = whole
    cell_sigma, count = _spread_over_cells(x, y, group_of) if any(cells) else (None, 0)
    by_state = {}
    for state in dict.fromkeys(states):
        chosen = state_of == state
        alone = _slope(x[chosen], y[chosen], np.unique(group_of[chosen], return_inverse=True)[1])
        if alone is not None:
            by_state[state] = -alone[0], _with_cells(alone[1], cell_sigma, np.unique(group_of[chosen]).size)
    return DriftFit(
        start_s=float(min(seconds)),
        last_s=float(max(seconds)),
        exponent=-slope,
        standard_error=_with_cells(error, cell_sigma, unique.size),
        residual=residual,
        points=x.size,
        groups=unique.size,
        by_state=by_state,
        cell_sigma=cell_sigma,
        cells=count,
    )


def _with_cells(error: float, cell_sigma: float | None, cells: int) -> float:
    return math.hypot(error, (cell_sigma or 0.0) / math.sqrt(cells))


def _slope(
    x: NDArray[np.float64], y: NDArray[np.float64], group_of: NDArray[np.intp]
) -> tuple[float, float, float] | None:
    """Fit one slope to several groups, each with an intercept of its own.

    Args:
        x: Abscissas, [points] float64.
        y: Ordinates, [points] float64.
        group_of: Number of the group of each point, [points] int.

    Returns:
        Slope, its standard error, and the root mean square residual over the degrees of freedom; None if there are
        no more points than parameters, or no group has different abscissas.
    """
    sizes = np.bincount(group_of)
    freedom = x.size - sizes.size - 1
    dx = x - (np.bincount(group_of, x) / sizes)[group_of]
    dy = y - (np.bincount(group_of, y) / sizes)[group_of]
    squares = float(dx @ dx)
    if freedom < 1 or squares <= _NO_SPREAD * x.size:
        return None
    slope = float(dx @ dy) / squares
    rest = dy - slope * dx
    variance = float(rest @ rest) / freedom
    return slope, math.sqrt(variance / squares), math.sqrt(variance)


def _spread_over_cells(
    x: NDArray[np.float64], y: NDArray[np.float64], group_of: NDArray[np.intp]
) -> tuple[float | None, int]:
    """Return the spread of nu over cells: the variance of their slopes, less the mean variance of their errors.

    Args:
        x: Logarithms of the times, [points] float64.
        y: Logarithms of the conductances, [points] float64.
        group_of: Number of the cell of each point, [points] int.

    Returns:
        Standard deviation, 0 if the errors explain all of it, and the number of cells; None for fewer than three cells.
    """
    sizes = np.bincount(group_of)
    dx = x - (np.bincount(group_of, x) / sizes)[group_of]
    dy = y - (np.bincount(group_of, y) / sizes)[group_of]
    squares = np.bincount(group_of, dx * dx)
    kept = (sizes >= FEWEST_OF_A_CELL) & (squares > _NO_SPREAD * sizes)
    squares = np.where(kept, squares, 1.0)
    slopes = np.bincount(group_of, dx * dy) / squares
    rest = np.bincount(group_of, (dy - slopes[group_of] * dx) ** 2)
    count = int(kept.sum())
    if count < FEWEST_SAMPLES:
        return None, count
    errors = rest[kept] / (sizes[kept] - 2) / squares[kept]
    return math.sqrt(max(0.0, float(slopes[kept].var(ddof=1) - errors.mean()))), count
