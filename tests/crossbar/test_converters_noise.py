"""Read noise and the converters' errors, each alone, against formulas. Bounds are 5.5 sd: false alarms below 1e-7."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from crossbar.programmed_matrix import program_matrix
from tests.crossbar.chips import chip

Z = 5.5
ROWS, COLUMNS, VECTORS = 64, 32, 2000
RATIO = 5.0
LRS, HRS = RATIO / (RATIO - 1), 1 / (RATIO - 1)  # in steps
BASE: dict[str, Any] = {
    "cell.hrs_ohm": 1e4 * RATIO, "array.rows": 64, "array.columns": 64, "array.rows_at_once": 64, "array.adcs": 64,
    "adc.bits": 16, "encoding.activations": "unsigned", "encoding.activation_bits": 1,
}  # fmt: skip


def errors(changes: dict[str, Any], weights: Any, x: Any, seed: int = 1) -> NDArray[np.float64]:
    """Results less the exact ones. [vectors, columns]."""
    matrix = program_matrix(weights, chip({**BASE, **changes}), seed)
    return np.asarray(matrix.multiply(x) - np.asarray(x) @ weights, np.float64)


def close(sample: NDArray[np.float64], sd: float) -> None:
    """Mean 0 and the sd of a normal distribution that is rounded to integers: Sheppard adds 1/12 to the variance."""
    variance = sd**2 + 1 / 12
    assert abs(sample.mean()) < Z * math.sqrt(variance / sample.size)
    assert abs(sample.var() / variance - 1) < Z * math.sqrt(2 / sample.size)


def driven(rows: int, vectors: int = VECTORS) -> NDArray[np.int64]:
    x = np.zeros((vectors, ROWS), np.int64)
    x[:, :rows] = 1
    return x


@pytest.mark.parametrize("rows", [20, 64])
@pytest.mark.parametrize(
    ("changes", "weight", "variance"),
    [
        ({"noise.read.lrs": 0.5}, 1, (0.5 * LRS) ** 2),
        ({"noise.read.lrs": 0.5, "noise.read.hrs": 1.5}, 1, (0.5 * LRS) ** 2 + (1.5 * HRS) ** 2),
        ({"noise.read.hrs": 1.5}, 0, 2 * (1.5 * HRS) ** 2),
        ({"noise.read.lrs": 0.5, "encoding.polarity": "one_is_hrs"}, 0, 2 * (0.5 * LRS) ** 2),
        (
            {"noise.read.lrs": 0.5, "encoding.cells": "reference_column", "encoding.weights": "unit"},
            1,
            (0.5 * LRS) ** 2,
        ),
    ],
)
def test_read_noise_by_state(changes: dict[str, Any], weight: int, variance: float, rows: int) -> None:
    """A column's variance is that of its driven cells, each in its own state."""
    found = errors(changes, np.full((ROWS, COLUMNS), weight), driven(rows))
    close(found.ravel(), math.sqrt(rows * variance))


@pytest.mark.parametrize(
    ("changes", "weights", "cells"),
    [
        # Of each pair one cell is in HRS; its noise is of another conversion than that of the cell in LRS.
        ({"encoding.readout": "separate"}, (1, -1), 1.0),
        # Half of the column, and all of the reference column.
        ({"encoding.cells": "reference_column", "encoding.weights": "unit"}, (1, 0), 1.5),
    ],
)
def test_read_noise_of_currents_of_one_sign(changes: dict[str, Any], weights: tuple[int, int], cells: float) -> None:
    """Half the rows at one weight, half at the other: codes begin at 0, where half of the noise would be cut off."""
    found = errors(
        {"noise.read.hrs": 1.5, **changes}, np.repeat(np.tile(weights, 32)[:, None], COLUMNS, axis=1), driven(64)
    )
    close(found.ravel(), math.sqrt(64 * cells) * 1.5 * HRS)


def test_read_noise_is_normal_and_independent() -> None:
    found = errors(
        {"noise.read.lrs": 2.0, "array.rows": 64, "array.rows_at_once": 32}, np.ones((ROWS, COLUMNS), int), driven(64)
    )
    sd = math.sqrt(64) * 2 * LRS
    close(found.ravel(), sd)  # of both groups of rows together: they are independent
    # Of rounded numbers, so compared at half integers.
    values, counts = np.unique(found, return_counts=True)
    cumulated = np.cumsum(counts) / found.size
    distance = abs(cumulated - stats.norm.cdf((values + 0.5) / math.sqrt(sd**2 + 1 / 12))).max()
    assert stats.kstwobign.sf(distance * math.sqrt(found.size)) > 1e-7
    columns = np.corrcoef(found.T) - np.eye(COLUMNS)
    assert abs(columns).max() < (Z + 1) / math.sqrt(VECTORS)  # the largest of 496
    for lag in (1, 2, 64):
        r = np.corrcoef(found[:-lag].ravel(), found[lag:].ravel())[0, 1]
        assert abs(r) < Z / math.sqrt(found[lag:].size)


@pytest.mark.parametrize("bits", [2, 5, 8])
def test_planes_are_independent(bits: int) -> None:
    """Plane p counts 2^p, so the variances 4^p add up; were two planes alike, their covariance would too."""
    x = np.full((VECTORS, ROWS), 2**bits - 1)
    changes = {"noise.read.lrs": 0.5, "encoding.activation_bits": bits}
    found = errors(changes, np.ones((ROWS, COLUMNS), int), x)
    close(found.ravel(), math.sqrt(ROWS * (0.5 * LRS) ** 2 * sum(4**p for p in range(bits))))


def test_levels_of_drivers_scale_the_noise_of_a_read() -> None:
    """A cell's noise current goes with the voltage on it: 3 levels up, 9 times the variance."""
    x = np.repeat(np.arange(ROWS)[None] % 4, VECTORS, axis=0)
    changes = {"noise.read.lrs": 0.5, "encoding.activation_bits": 2, "dac.bits": 2}
    found = errors(changes, np.ones((ROWS, COLUMNS), int), x)
    close(found.ravel(), math.sqrt((x[0] ** 2).sum()) * 0.5 * LRS)


def test_thermal_noise_is_in_steps_of_the_adc() -> None:
    """6 bits over 62 rows: a step of 62 / 31 = 2, and codes are whole numbers."""
    array = {"array.rows": 62, "array.rows_at_once": 62}
    found = errors({"adc.bits": 6, "adc.noise_lsb": 2.5, **array}, np.zeros((62, COLUMNS), int), driven(0)[:, :62])
    close(found.ravel() / 2, 2.5)


WIDE = 1024


def wide(changes: dict[str, Any], rows_in_lrs: int, adcs: int = 64) -> NDArray[np.float64]:
    """Errors of a vector, twice, over the ADCs of 16 arrays; the top rows' weights are 1, the others 0."""
    changes = {"adc.bits": 9, "array.adcs": adcs, **changes}
    weights = np.zeros((ROWS, WIDE), int)
    weights[:rows_in_lrs] = 1
    return errors(changes, weights, driven(64, 2))


def test_offsets() -> None:
    """Fixed for a chip, one for each ADC; 9 bits over 64 rows are a step of 64 / 255, which rounds up to 1/2."""
    found = wide({"adc.offset_lsb": 20.0}, 0)
    np.testing.assert_array_equal(found[0], found[1])
    close(found[0], 20.0 * 0.5)
    shared = wide({"adc.offset_lsb": 20.0}, 0, adcs=16)[0].reshape(16, 4, 16)
    np.testing.assert_array_equal(shared[:, 0], shared[:, 1])  # columns that share an ADC
    assert np.unique(shared[:, 0]).size > 30


def test_gain_errors() -> None:
    found = wide({"adc.gain_error": 0.1}, 30)
    np.testing.assert_array_equal(found[0], found[1])
    close(found[0], 0.1 * 30)
    assert (wide({"adc.gain_error": 0.1}, 0) == 0).all()


@pytest.mark.parametrize("rows", [0, 32])
def test_bow_is_that_of_a_parabola(rows: int) -> None:
    """u along the range: 4 u (1 - u) of the bow; nothing at the ends, all of it in the middle."""
    u = (rows / 0.5 + 256) / 511
    close(wide({"adc.inl_lsb": 20.0}, rows)[0], 20.0 * 0.5 * 4 * u * (1 - u))


def test_bow_vanishes_at_the_end_of_the_range() -> None:
    """One-sided codes 0 .. 63 over sums 0 .. 63: a sum of 0, and one of all rows, are read right."""
    changes = {
        "encoding.cells": "reference_column", "encoding.weights": "unit", "adc.inl_lsb": 10.0, "adc.bits": 6,
        "array.rows": 63, "array.rows_at_once": 63,
    }  # fmt: skip
    for rows, bent in ((0, False), (63, False), (31, True)):
        weights = np.zeros((63, WIDE), int)
        weights[:rows] = 1
        assert bool(errors(changes, weights, np.ones((1, 63), int)).any()) == bent


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_levels_of_drivers_are_off(bits: int) -> None:
    """Each driver's level by its own error, the same for all columns of its array and for all vectors."""
    level = 2**bits - 1
    changes = {
        "dac.bits": bits,
        "encoding.activation_bits": bits,
        "dac.level_error": 0.5,
        "array.columns": 1,
        "array.adcs": 1,
    }
    found = errors(changes, np.ones((ROWS, 500), int), np.full((2, ROWS), level))
    np.testing.assert_array_equal(found[0], found[1])
    close(found[0], 0.5 * math.sqrt(ROWS))
    shared = errors({**changes, "array.columns": 64}, np.ones((ROWS, 64), int), np.full(ROWS, level))
    assert np.unique(shared).size == 1
    assert (errors(changes, np.ones((ROWS, 5), int), np.zeros(ROWS, int)) == 0).all()
