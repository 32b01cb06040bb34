"""Sobol' shares against closed forms: Ishigami's function, a linear model, and a figure without variance."""

from __future__ import annotations

import numpy as np
import pytest

from pimsim.studies.ranges.draws import draws
from pimsim.studies.ranges.variance_shares import variance_shares
from tests.support.closeness import near


@pytest.mark.parametrize("samples", [200, 1000])
def test_ishigami(samples: int) -> None:
    """Ishigami and Homma 1990, a = 7, b = 0.1 on [-pi, pi]^3: first-order indices 0.3139, 0.4424 and 0.

    By hand: V1 = (1 + b pi^4 / 5)^2 / 2 = 4.346, V2 = a^2 / 8 = 6.125, V = V1 + V2 + b^2 pi^8 (1/18 - 1/50) = 13.845.
    """
    uniform = {name: draws(name, samples, 0) for name in ("x1", "x2", "x3")}
    x1, x2, x3 = (np.pi * (2 * numbers - 1) for numbers in uniform.values())
    shares = variance_shares(uniform, np.sin(x1) + 7 * np.sin(x2) ** 2 + 0.1 * x3**4 * np.sin(x1))
    assert list(shares) == ["x2", "x1", "x3"]
    for name, index in (("x1", 0.3139), ("x2", 0.4424), ("x3", 0.0)):
        # The half width is that of a 95 % interval: twice it is exceeded once in ten thousand times.
        assert abs(shares[name].share - index) < 2 * shares[name].half_width
        assert shares[name].half_width < (0.12 if samples == 200 else 0.05)


def test_a_linear_model_with_many_sources() -> None:
    """The share of each is its squared weight over the sum of all; 30 sources and 1,000 samples are exact."""
    weights = [5, 4, 3, 2, 1, *[0.1] * 25]
    uniform = {f"x{index}": draws(f"x{index}", 1000, 0) for index in range(30)}
    figure = sum(weight * numbers for weight, numbers in zip(weights, uniform.values(), strict=True))
    shares = variance_shares(uniform, np.asarray(figure))
    total = sum(weight**2 for weight in weights)
    for index, weight in enumerate(weights):
        assert shares[f"x{index}"].share == near(weight**2 / total)


def test_a_small_sample_still_ranks_its_largest_sources() -> None:
    uniform = {f"x{index}": draws(f"x{index}", 40, 0) for index in range(30)}
    shares = variance_shares(uniform, uniform["x7"] ** 3 + 0.01 * uniform["x3"])
    assert next(iter(shares)) == "x7"
    assert abs(shares["x7"].share - 1) < 0.05


def test_a_figure_without_variance_has_no_shares() -> None:
    uniform = {"x": draws("x", 50, 0)}
    assert variance_shares(uniform, np.full(50, 3.0)) == {}
    assert variance_shares({}, np.arange(50.0)) == {}


def test_a_source_that_explains_nothing_has_no_share_on_average() -> None:
    """Ten coefficients of pure noise have a tenth of the variance of 100 samples, which is subtracted."""
    uniform = {"x": draws("x", 100, 0)}
    found = [
        variance_shares(uniform, np.random.default_rng(seed).standard_normal(100))["x"].share for seed in range(30)
    ]
    assert abs(sum(found) / len(found)) < 0.03
