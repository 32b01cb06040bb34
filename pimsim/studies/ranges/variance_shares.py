"""First-order Sobol' shares from a given sample: the fraction of the variance of a figure that one source explains alone.

The figure is fitted by a sum of polynomials, one per source. Legendre polynomials of a uniform number are orthonormal, so
the variance of each polynomial is the sum of its squared coefficients; a squared coefficient is too large by its
squared standard error on average, which is subtracted. So the sample of the intervals is enough, and no point is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

MAX_DEGREE = 10
SAMPLES_PER_TERM = 5
"""Least number of samples for each coefficient of the fit."""

MIN_SAMPLES = 20


@dataclass(frozen=True, slots=True)
class VarianceShare:
    """First-order Sobol' index of a source.

    Attributes:
        share: Estimated fraction of the variance; by chance it may lie slightly below 0.
        half_width: Half of the width of its 95 % confidence interval.
    """

    share: float
    half_width: float


def variance_shares(
    numbers: Mapping[str, NDArray[np.float64]], figure: NDArray[np.float64]
) -> dict[str, VarianceShare]:
    """Estimate the first-order Sobol' shares of a figure.

    Args:
        numbers: Uniform random numbers of each source, [samples] float64, independent of each other.
        figure: Values of the figure, [samples] float64.

    Returns:
        Share by source, the largest first; none if the figure has no variance or the sample is too small: at least
        `MIN_SAMPLES`, and twice as many as sources.

    Reference:
        docs/ranges.md, eq. (7) and (8); B. Sudret, Reliability Engineering and System Safety 93(7), 2008.
    """
    samples, sources = len(figure), len(numbers)
    spread = float(np.ptp(figure))
    if samples < max(MIN_SAMPLES, 2 * sources + 2) or not sources or spread <= 1e-12 * float(np.abs(figure).max()):
        return {}
    degree = min(MAX_DEGREE, max(1, samples // (SAMPLES_PER_TERM * sources)))
    basis = np.concatenate([_basis(uniform, degree) for uniform in numbers.values()], axis=1)
    design = np.concatenate([np.ones((samples, 1)), basis], axis=1)
    inverse = np.linalg.pinv(design.T @ design)
    coefficients = inverse @ (design.T @ figure)
    residual = figure - design @ coefficients
    noise = float(residual @ residual) / (samples - design.shape[1])
    errors = noise * np.diag(inverse)
    total = float(figure.var(ddof=1))
    found = {}
    for at, name in enumerate(numbers):
        terms = slice(1 + at * degree, 1 + (at + 1) * degree)
        squared, error = coefficients[terms] ** 2, errors[terms]
        share = float(squared.sum() - error.sum()) / total
        deviation = float(np.sqrt((4 * squared * error + 2 * error**2).sum())) / total
        found[name] = VarianceShare(share, 1.96 * deviation)
    return dict(sorted(found.items(), key=lambda each: -each[1].share))


def _basis(uniform: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
    """Return the orthonormal Legendre polynomials of degree 1 and more at uniform numbers: [samples, degree]."""
    values = legendre.legvander(2 * uniform - 1, degree)[:, 1:]
    scaled: NDArray[np.float64] = values * np.sqrt(2 * np.arange(1, degree + 1) + 1)
    return scaled
