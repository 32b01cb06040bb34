"""Each source of what cells hold, alone, against its formula. Bounds are 5.5 sd: false alarms below 1e-7."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from crossbar.programmed_matrix import ProgrammedMatrix, program_matrix
from tests.crossbar.chips import chip
from tests.support.closeness import near

Z = 5.5
SIZE = (200, 200)
CELLS = {"cell.hrs_ohm": 5e4}
HRS_S, LRS_S = 2e-5, 1e-4


def made(changes: dict[str, Any], weight: int = 1, seed: int = 1) -> ProgrammedMatrix:
    return program_matrix(np.full(SIZE, weight), chip({**CELLS, **changes}), seed)


def cells_s(matrix: ProgrammedMatrix) -> NDArray[np.float64]:
    """Of the + cells: in LRS for weights of 1, in HRS for 0."""
    return matrix.conductances_s()[0].ravel()


def close(sample: NDArray[np.float64], mean: float, sd: float, kurtosis: float = 0.0) -> None:
    """Mean and sd of a sample lie within Z standard errors of what they should be; `kurtosis` is the excess."""
    n = sample.size
    assert abs(sample.mean() - mean) < Z * sd / math.sqrt(n) + 1e-6 * abs(mean)
    assert abs(sample.var() / sd**2 - 1) < Z * math.sqrt((2 + kurtosis) / n) + 1e-5


@pytest.mark.parametrize(("weight", "state", "nominal"), [(1, "lrs", LRS_S), (0, "hrs", HRS_S)])
def test_normal_spread(weight: int, state: str, nominal: float) -> None:
    g = cells_s(made({f"noise.variation.{state}.sigma": 0.1}, weight))
    close(g, nominal, 0.1 * nominal)
    assert stats.kstest(g / nominal, stats.norm(1, 0.1).cdf).pvalue > 1e-7
    rows = g.reshape(SIZE)
    assert abs(np.corrcoef(rows[:-1].ravel(), rows[1:].ravel())[0, 1]) < Z / 199
    assert abs(np.corrcoef(rows[:, :-1].ravel(), rows[:, 1:].ravel())[0, 1]) < Z / 199


def test_both_cells_of_a_pair_and_all_slices_are_independent() -> None:
    matrix = made({"noise.variation.hrs.sigma": 0.1, "encoding.weights": "int4"}, 0)
    arrays = [array.ravel() for index in range(3) for array in matrix.conductances_s(index)]
    correlation = np.corrcoef(arrays) - np.eye(6)
    assert abs(correlation).max() < Z / 200


def test_a_normal_spread_is_cut_off_at_zero() -> None:
    """E[max(0, 1 + s z)] = Phi(1/s) + s phi(1/s): docs/array.md, eq. (19)."""
    sigma = 1.0
    g = cells_s(made({"noise.variation.lrs.sigma": sigma})) / LRS_S
    mean = stats.norm.cdf(1 / sigma) + sigma * stats.norm.pdf(1 / sigma)
    square = (1 + sigma**2) * stats.norm.cdf(1 / sigma) + sigma * stats.norm.pdf(1 / sigma)
    assert abs(g.mean() - mean) < Z * math.sqrt((square - mean**2) / g.size)
    at_zero = stats.norm.cdf(-1 / sigma)
    assert abs((g == 0).mean() - at_zero) < Z * math.sqrt(at_zero * (1 - at_zero) / g.size)


@pytest.mark.parametrize(("weight", "state", "nominal"), [(1, "lrs", LRS_S), (0, "hrs", HRS_S)])
def test_lognormal_spread(weight: int, state: str, nominal: float) -> None:
    spread = {"distribution": "lognormal", "sigma": 0.7}
    theta = np.log(cells_s(made({f"noise.variation.{state}": spread}, weight)) / nominal)
    close(theta, 0.0, 0.7)
    assert stats.kstest(theta, stats.norm(0, 0.7).cdf).pvalue > 1e-7


@pytest.mark.parametrize(("weight", "microsiemens"), [(1, 100.0), (0, 20.0)])
def test_polynomial_spread(weight: int, microsiemens: float) -> None:
    sd = 0.5 + 0.04 * microsiemens - 0.0001 * microsiemens**2
    matrix = made({"noise.variation.sigma_polynomial": (0.5, 0.04, -0.0001)}, weight)
    close(cells_s(matrix) * 1e6, microsiemens, sd)


def test_write_verify() -> None:
    """Accepted with chance p at each pulse: pulses are geometric, cut off; what is accepted is a truncated normal."""
    sigma, tolerance, most = 0.1, 0.05, 3
    matrix = made({
        "noise.variation.lrs.sigma": sigma, "noise.variation.hrs.sigma": sigma,
        "noise.write_verify": {"tolerance": tolerance, "max_pulses": most},
    })  # fmt: skip
    edge = tolerance / sigma
    p = 2 * stats.norm.cdf(edge) - 1
    chances = np.array([p, (1 - p) * p, (1 - p) ** 2])
    mean = chances @ [1, 2, 3]
    variance = chances @ np.array([1, 4, 9]) - mean**2
    cells = 2 * SIZE[0] * SIZE[1]
    assert mean == near((1 - (1 - p) ** most) / p)
    assert abs(matrix.writes / cells - mean) < Z * math.sqrt(variance / cells)
    assert matrix.endurance_used == near(matrix.writes / cells / matrix.params.cell.endurance_writes)
    z = (cells_s(matrix) / LRS_S - 1) / sigma
    outside = abs(z) > edge
    failed = (1 - p) ** most
    assert abs(outside.mean() - failed) < Z * math.sqrt(failed / z.size)
    assert stats.kstest(z[~outside], stats.truncnorm(-edge, edge).cdf).pvalue > 1e-7


def test_stuck_cells() -> None:
    lrs, hrs = 0.03, 0.08
    for weight, wrong, share in ((1, HRS_S, hrs), (0, LRS_S, lrs)):
        matrix = made({"noise.faults.stuck_lrs": lrs, "noise.faults.stuck_hrs": hrs}, weight)
        for array in matrix.conductances_s() if weight == 0 else matrix.conductances_s()[:1]:
            found = np.isclose(array, wrong, rtol=1e-5).mean()
            assert abs(found - share) < Z * math.sqrt(share * (1 - share) / array.size)
    everything = made({"noise.faults.stuck_lrs": 1.0}, 0)
    np.testing.assert_allclose(cells_s(everything), LRS_S, rtol=1e-5)


AGE, FOLDS = 1e4, math.log(1e4)


@pytest.mark.parametrize(
    ("changes", "mean", "sd"),
    [
        ({"exponent": 0.05}, LRS_S * AGE**-0.05, 0.0),
        ({"shift_siemens": -2e-6}, LRS_S - 2e-6 * FOLDS, 0.0),
        ({"spread_siemens": 3e-6}, LRS_S, 3e-6),
        ({"spread_growth_siemens": 1e-6}, LRS_S, 1e-6 * FOLDS),
        ({"spread_siemens": 3e-6, "spread_growth_siemens": 1e-6}, LRS_S, 3e-6 + 1e-6 * FOLDS),
    ],
)
def test_drift(changes: dict[str, Any], mean: float, sd: float) -> None:
    g = cells_s(made({"noise.drift.age_s": AGE, **{f"noise.drift.{name}": value for name, value in changes.items()}}))
    if sd:
        close(g, mean, sd)
    else:
        np.testing.assert_allclose(g, mean, rtol=1e-5)


def test_drift_exponents_scatter_over_cells() -> None:
    """log(g / g0) = -nu log(age / start): normal."""
    g = cells_s(made({"noise.drift.age_s": AGE, "noise.drift.exponent": 0.05, "noise.drift.exponent_sigma": 0.02}))
    close(np.log(g / LRS_S), -0.05 * FOLDS, 0.02 * FOLDS)


def test_drift_composes_and_starts_at_its_start() -> None:
    drift = {
        "noise.drift.exponent": 0.05, "noise.drift.exponent_sigma": 0.02, "noise.drift.spread_siemens": 1e-6,
        "noise.drift.start_s": 10.0, "noise.variation.lrs.sigma": 0.05,
    }  # fmt: skip
    new = made(drift)
    np.testing.assert_array_equal(cells_s(new), cells_s(new.aged(10.0)))
    assert (cells_s(new) != cells_s(new.aged(11.0))).all()
    np.testing.assert_array_equal(cells_s(new.aged(20.0).aged(80.0)), cells_s(new.aged(100.0)))
    np.testing.assert_array_equal(cells_s(new.aged(100.0)), cells_s(made({**drift, "noise.drift.age_s": 100.0})))


def test_telegraph_noise() -> None:
    """Traps are full with chance emission / (capture + emission), and forget at the sum of both rates."""
    fraction, amplitude, capture, emission = 0.8, 0.3, 3.0, 1.0
    matrix = made({
        "noise.telegraph.fraction": fraction, "noise.telegraph.amplitude": amplitude,
        "noise.telegraph.capture_s": capture, "noise.telegraph.emission_s": emission,
    })  # fmt: skip
    full = emission / (capture + emission)
    share = fraction * full
    seconds = 0.5
    moments = [matrix, matrix.aged(seconds), matrix.aged(seconds).aged(seconds)]
    blocked = []
    for moment in moments:
        g = cells_s(moment) / LRS_S
        low = np.isclose(g, 1 - amplitude, rtol=1e-5)
        assert (low | np.isclose(g, 1, rtol=1e-5)).all()
        assert abs(low.mean() - share) < Z * math.sqrt(share * (1 - share) / low.size)
        blocked.append(low)
    rate = 1 / capture + 1 / emission
    for gap, one, other in ((1, 0, 1), (1, 1, 2), (2, 0, 2)):
        both = fraction * full * (full + (1 - full) * math.exp(-gap * seconds * rate))
        found = (blocked[one] & blocked[other]).mean()
        assert abs(found - both) < Z * math.sqrt(both * (1 - both) / blocked[0].size)
    assert not (np.logical_or(*blocked[:2]).mean() > fraction)
