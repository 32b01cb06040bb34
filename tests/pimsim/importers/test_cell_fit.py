"""Fits of measured cells, against sums over densities and the general least-squares solution of numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pimsim.importers.cell_fit import fit_drift, fit_state
from tests.support.closeness import near

TIMES = np.array([1.0, 10.0, 100.0, 1e3])


def test_each_distribution_is_found_in_its_samples() -> None:
    """With 1000 samples and a spread of 30 % they differ by tens in log-likelihood."""
    z = np.random.default_rng(3).standard_normal(1000)
    normal, lognormal = fit_state(list(5e-5 * (1 + 0.2 * z))), fit_state(list(2e-6 * np.exp(0.3 * z)))
    assert (normal.distribution, lognormal.distribution) == ("normal", "lognormal")
    # The nominal conductance of a lognormal distribution is its median; 0.95 % is the error of the mean of z here.
    assert normal.siemens == near(5e-5 * (1 + 0.2 * z.mean()))
    assert lognormal.siemens == near(2e-6 * math.exp(0.3 * z.mean()))
    assert normal.sigma * normal.siemens == near(5e-5 * 0.2 * z.std(ddof=1))
    assert lognormal.sigma == near(0.3 * z.std(ddof=1))
    assert normal.standard_error == near(1e-5 * z.std(ddof=1) / math.sqrt(1000))


def test_log_likelihoods_are_the_sums_of_the_log_densities() -> None:
    g = np.array([1.0, 2.0, 2.5, 7.0])
    fit = fit_state(list(g))
    s, t = g.std(), np.log(g).std()
    normal = -0.5 * ((g - g.mean()) / s) ** 2 - np.log(s * math.sqrt(2 * math.pi))
    lognormal = -0.5 * ((np.log(g) - np.log(g).mean()) / t) ** 2 - np.log(g * t * math.sqrt(2 * math.pi))
    assert fit.log_likelihoods == {"normal": near(normal.sum()), "lognormal": near(lognormal.sum())}
    assert fit.distribution == "lognormal"


def test_equal_samples_have_no_spread() -> None:
    fit = fit_state([0.1 + 0.2, 0.3, 0.3])
    assert (fit.distribution, fit.sigma, fit.log_likelihoods) == ("normal", 0.0, {})


def test_the_exponent_of_an_exact_power_law() -> None:
    seconds = [*TIMES, *TIMES]
    siemens = [*(1e-4 * TIMES**-0.05), *(1e-6 * TIMES**-0.05)]
    fit = fit_drift(seconds, siemens, ["on"] * 4 + ["off"] * 4, [""] * 8)
    assert fit is not None
    assert fit.exponent == near(0.05)
    assert fit.residual < 1e-12
    assert (fit.start_s, fit.last_s, fit.points, fit.groups, fit.cell_sigma) == (1, 1000, 8, 2, None)
    assert list(fit.by_state) == ["on", "off"]
    assert np.array(list(fit.by_state.values())) == pytest.approx(np.array([[0.05, 0], [0.05, 0]]), abs=1e-12)


def test_slope_and_error_are_those_of_general_least_squares() -> None:
    """Design matrix: ln t and one indicator per state; the covariance is s^2 (X' X)^-1."""
    rng = np.random.default_rng(1)
    seconds, on = np.tile(TIMES, 10), np.repeat([0.0, 1.0], 20)
    y = -0.03 * np.log(seconds) + 2 * on + 0.1 * rng.standard_normal(40)
    design = np.column_stack([np.log(seconds), on, 1 - on])
    solution, squares, *_ = np.linalg.lstsq(design, y, rcond=None)
    variance = squares[0] / (40 - 3)
    fit = fit_drift(list(seconds), list(np.exp(y)), ["on" if each else "off" for each in on], [""] * 40)
    assert fit is not None
    assert fit.exponent == near(-solution[0])
    assert fit.residual == near(math.sqrt(variance))
    assert fit.standard_error == near(math.sqrt(variance * np.linalg.inv(design.T @ design)[0, 0]))


def test_the_spread_of_nu_over_cells_is_not_that_of_noise() -> None:
    """500 cells with nu of 0.02 +- 0.01, read with 5 % noise, which alone gives +- 0.0097 per cell."""
    rng = np.random.default_rng(2)
    nu = 0.02 + 0.01 * rng.standard_normal(500)
    logs = -nu[:, None] * np.log(TIMES) + 0.05 * rng.standard_normal((500, TIMES.size))
    cells = [str(cell) for cell in range(500) for _ in TIMES]
    fit = fit_drift(list(np.tile(TIMES, 500)), list(np.exp(logs).ravel()), ["on"] * len(cells), cells)
    still = fit_drift(
        list(np.tile(TIMES, 500)), list(np.exp(logs + nu[:, None] * np.log(TIMES)).ravel()), ["on"] * len(cells), cells
    )
    assert fit is not None
    assert still is not None
    assert fit.cells == 500
    assert fit.cell_sigma == near(0.01, rel=0.1)
    assert still.cell_sigma == pytest.approx(0, abs=0.003)
    # 0.0139 of one cell over the root of 500.
    assert fit.standard_error == near(0.00062, rel=0.1)
    assert fit.exponent == pytest.approx(0.02, abs=3 * 0.00062)


@pytest.mark.parametrize("seconds", [[1.0, 1.0, 1.0], [1.0, 10.0, 1.0]])
def test_too_few_times_have_no_fit(seconds: list[float]) -> None:
    """One time; two times, but of two states with one point more than parameters or fewer."""
    assert fit_drift(seconds, [1.0, 2.0, 3.0], ["on", "on", "off"], ["", "", ""]) is None
