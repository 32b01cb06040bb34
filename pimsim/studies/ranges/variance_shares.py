"""First-order Sobol' shares from a given sample: the fraction of the variance of a figure that a source explains alone.

The figure is fitted by a sum of polynomials, one per source. Legendre polynomials of a uniform number are orthonormal,
so the variance of each polynomial is the sum of its squared coefficients; a squared coefficient is too large by its
squared standard error on average, which is subtracted. So the sample of the intervals is enough: no point is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

LEAST_DEGREE, MAX_DEGREE = 6, 10
"""Degrees of the polynomials: as many as the sample allows."""

SAMPLES_PER_TERM = 5
"""Least number of samples for each coefficient of the joint fit."""

RESIDUAL_DEGREE = 2
"""Degree for the sources that explain least, if the sample is too small for all: they are fitted to the residual."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class VarianceShare:
    """First-order Sobol' index of a source.

    Attributes:
        share: Estimated fraction of the variance; by chance it may lie slightly below 0.
        half_width: Half of the width of its 95 % confidence interval.
    """

    share: float
    half_width: float


def variance_shares(numbers: Mapping[str, Array], figure: Array) -> dict[str, VarianceShare]:
    """Estimate the first-order Sobol' shares of a figure.

    Args:
        numbers: Uniform random numbers of each source, [samples] float64, independent of each other.
        figure: Values of the figure, [samples] float64.

    Returns:
        Share by source, the largest first; none if the figure has no variance.

    Reference:
        docs/ranges.md, eq. (7) and (8); B. Sudret, Reliability Engineering and System Safety 93(7), 2008.
    """
    if not numbers or float(np.ptp(figure)) <= 1e-12 * float(np.abs(figure).max()):
        return {}
    budget = len(figure) // SAMPLES_PER_TERM
    degree = min(MAX_DEGREE, max(LEAST_DEGREE, budget // len(numbers)))
    bases = {name: _basis(uniform, degree) for name, uniform in numbers.items()}
    alone = {name: _fit([basis[:, :RESIDUAL_DEGREE]], figure)[0][0].share for name, basis in bases.items()}
    ranked = sorted(bases, key=lambda name: -alone[name])
    joint, others = ranked[: max(1, budget // degree)], ranked[max(1, budget // degree) :]
    parts, residual = _fit([bases[name] for name in joint], figure)
    found = dict(zip(joint, parts, strict=True))
    terms = 1 + degree * len(joint)
    # Not the variance of the sample, in which the sources are slightly correlated by chance.
    total = sum(part.share for part in parts) + float(residual @ residual) / max(1, len(figure) - terms)
    for name in others:
        (part,), _ = _fit([bases[name][:, :RESIDUAL_DEGREE]], residual)
        found[name] = part
    shares = {name: VarianceShare(part.share / total, 1.96 * part.half_width / total) for name, part in found.items()}
    return dict(sorted(shares.items(), key=lambda each: -each[1].share))


def _basis(uniform: Array, degree: int) -> Array:
    """Return the orthonormal Legendre polynomials of degree 1 and more at uniform numbers: [samples, degree]."""
    values = legendre.legvander(2 * uniform - 1, degree)[:, 1:]
    return np.asarray(values * np.sqrt(2 * np.arange(1, degree + 1) + 1), dtype=np.float64)


def _fit(bases: list[Array], figure: Array) -> tuple[list[VarianceShare], Array]:
    """Fit a constant and the polynomials of some sources by least squares.

    Args:
        bases: Polynomials of each source, [samples, terms] float64.
        figure: Values to fit, [samples] float64.

    Returns:
        Variance of each source with its standard deviation, in the square of the unit of the figure; and the residual.
    """
    design = np.concatenate([np.ones((len(figure), 1)), *bases], axis=1)
    inverse = np.linalg.pinv(design.T @ design)
    coefficients = inverse @ (design.T @ figure)
    residual = figure - design @ coefficients
    errors = float(residual @ residual) / max(1, len(figure) - design.shape[1]) * np.diag(inverse)
    found, start = [], 1
    for basis in bases:
        terms = slice(start, start := start + basis.shape[1])
        squared, error = coefficients[terms] ** 2, errors[terms]
        deviation = float(np.sqrt((4 * squared * error + 2 * error**2).sum()))
        found.append(VarianceShare(float(squared.sum() - error.sum()), deviation))
    return found, residual
