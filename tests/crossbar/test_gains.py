"""Digital gains: least squares against NumPy's, exactly 1 for ideal arrays, and errors that they remove."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossbar import program_matrix
from crossbar.gains import GAIN_POINTS, INPUT_POINTS, fit, quantised
from crossbar.params import CrossbarParams
from crossbar.parasitics import transfer_matrix
from crossbar.programmed_matrix import ProgrammedMatrix
from crossbar.row_parts import RowParts
from tests.crossbar.valid_params import ADC, ARRAY, CELL, CORRECTION, ENCODING, NOISE, PAIR, WIRES
from tests.support.closeness import near

IDEAL = {
    **NOISE,
    "variation": {
        "lrs": {"distribution": "normal", "sigma": 0.0},
        "hrs": {"distribution": "normal", "sigma": 0.0},
        "sigma_polynomial": None,
    },
    "read": {"lrs": 0.0, "hrs": 0.0},
    "faults": {"stuck_lrs": 0.0, "stuck_hrs": 0.0},
}
ROWS, COLUMNS = 40, 21


def params(
    correction: dict[str, Any], encoding: dict[str, Any] | None = None, wires: dict[str, Any] | None = None,
    adc: dict[str, Any] | None = None, noise: dict[str, Any] | None = None, cell: dict[str, Any] | None = None,
) -> CrossbarParams:  # fmt: skip
    """Return arrays of 16 x 8 cells, of which 6 rows are driven together, with ADCs that resolve every sum."""
    return CrossbarParams.model_validate(
        PAIR
        | {
            "array": ARRAY | {"rows": 16, "columns": 8, "rows_at_once": 6, "adcs": 4},
            "adc": ADC | {"bits": 10, "energy_bits": None, **(adc or {})},
            "cell": CELL | (cell or {}),
            "noise": noise or IDEAL,
            "encoding": ENCODING | (encoding or {}),
            "wires": WIRES | (wires or {}),
            "correction": CORRECTION | correction,
        }
    )


def matrix_of(alphabet: str, seed: int) -> NDArray[np.int8]:
    values = {"binary": [-1, 1], "ternary": [-1, 0, 1], "unit": [0, 1], "int4": list(range(-7, 8))}[alphabet]
    return np.random.default_rng(seed).choice(values, (ROWS, COLUMNS)).astype(np.int8)


def vectors_of(encoding: str, count: int, seed: int) -> NDArray[np.int64]:
    low, high = (-128, 128) if encoding == "twos_complement" else (0, 256)
    return np.random.default_rng(seed).integers(low, high, (count, ROWS))


@given(
    weights=st.sampled_from(["binary", "ternary", "unit", "int4"]),
    cells=st.sampled_from(["differential", "reference_column", "offset"]),
    readout=st.sampled_from(["difference", "separate"]),
    polarity=st.sampled_from(["one_is_lrs", "one_is_hrs"]),
    activations=st.sampled_from(["unsigned", "twos_complement"]),
    gains=st.sampled_from(["column", "row_group"]),
    input_sums=st.booleans(),
    cell_bits=st.sampled_from([1, 2]),
    bits=st.integers(2, 24),
    seed=st.integers(0, 99),
)
def test_ideal_arrays_need_no_gain(
    weights: str, cells: str, readout: str, polarity: str, activations: str, gains: str, input_sums: bool,
    cell_bits: int, bits: int, seed: int,
) -> None:  # fmt: skip
    encoding = {
        "weights": weights, "cells": cells, "readout": readout, "polarity": polarity, "activations": activations,
        "cell_bits": cell_bits,
    }  # fmt: skip
    pair = params({"gains": gains, "gain_bits": bits, "input_sums": input_sums}, encoding, adc={"bits": 16})
    matrix, x = matrix_of(weights, seed), vectors_of(activations, 5, seed)
    chip = program_matrix(matrix, pair, seed)
    for ranging in chip.ranges:
        assert ranging.correction is not None
        assert (ranging.correction == 1).all()
        assert ranging.input_factors is None or not ranging.input_factors.any()
    assert (chip.multiply(x) == x @ matrix.astype(np.int64)).all()


def sums_behind_wires(chip: ProgrammedMatrix, x: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sums of a chip of one array in units of the result, from the conductances of its cells."""
    wires, cell = chip.params.wires, chip.params.cell
    plus, minus = (transfer_matrix(each, wires.word_line_ohm, wires.bit_line_ohm) for each in chip.conductances_s())
    sums: NDArray[np.float64] = x @ (plus - minus) / (1 / cell.lrs_ohm - 1 / cell.hrs_ohm)
    return sums


@pytest.mark.parametrize("input_sums", [False, True])
def test_gains_of_row_groups_are_least_squares(input_sums: bool) -> None:
    wires = {"word_line_ohm": 20.0, "bit_line_ohm": 30.0, "model": "exact"}
    correction = {"gains": "row_group", "gain_bits": 24, "input_sums": input_sums}
    pair = params(correction, wires=wires, adc={"bits": 16})
    matrix, sample = matrix_of("ternary", 3)[:16, :8], vectors_of("twos_complement", 12, 4)[:, :16]
    chip = program_matrix(matrix, pair, 5, calibration=sample)
    (ranging,) = chip.ranges
    assert ranging.correction is not None
    for group, (first, end) in enumerate(chip.layout.groups):
        driven = np.zeros_like(sample)
        driven[:, first:end] = sample[:, first:end]
        sums, exact = sums_behind_wires(chip, driven), driven @ matrix.astype(np.int64)
        for column in range(8):
            regressors = [sums[:, column], *([driven.sum(axis=1).astype(np.float64)] if input_sums else [])]
            factors, *_ = np.linalg.lstsq(np.stack(regressors, axis=1), exact[:, column].astype(np.float64), rcond=None)
            # Conductances are stored in 2^-12 of a step, and the ADC has 16 bits for the sums of 6 rows.
            assert ranging.correction[group, column] == near(float(factors[0]), rel=2e-3)
            if ranging.input_factors is not None:
                assert abs(ranging.input_factors[group, column] - factors[1]) < 2e-3


@given(seed=st.integers(0, 2**32 - 1), vectors=st.integers(3, 20), columns=st.integers(1, 6), both=st.booleans())
def test_fit_is_that_of_numpy(seed: int, vectors: int, columns: int, both: bool) -> None:
    random = np.random.default_rng(seed)
    converted, inputs = random.normal(size=(vectors, columns)), random.normal(size=vectors)
    exact = converted * random.uniform(1, 3, columns) + 0.1 * random.normal(size=(vectors, columns))
    gain, factor = fit(converted, exact, inputs if both else None)
    for column in range(columns):
        regressors = np.stack([converted[:, column], inputs][: 2 if both else 1], axis=1)
        if np.linalg.cond(regressors) > 1e3:
            continue
        wanted, *_ = np.linalg.lstsq(regressors, exact[:, column], rcond=None)
        if wanted[0] <= 0:
            continue
        assert gain[column] == near(float(wanted[0]), rel=1e-6)
        if factor is not None:
            assert abs(factor[column] - wanted[1]) < 1e-6


def test_columns_without_a_signal() -> None:
    silent, exact = np.zeros((3, 1)), np.array([[1.0], [2.0], [3.0]])
    assert fit(silent, exact, None)[0] == 1
    # The second factor stays 0 where both factors would be open.
    gain, factor = fit(exact, 2 * exact, exact[:, 0])
    assert factor is not None
    assert (gain[0], factor[0]) == (2, 0)
    opposed, _ = fit(exact, -exact, None)
    assert opposed == 0


def test_factors_by_hand() -> None:
    # 3 significant bits: 1.1 -> 1.0 or 1.25 in steps of 1/4; 5.3 in steps of 1; exponents -3 to 12.
    values = np.array([1.0, 1.1, 1.2, 5.3, 0.07, 0.001, 9000.0, 0.0])
    assert quantised(values, 3, GAIN_POINTS).tolist() == [1.0, 1.0, 1.25, 5.0, 0.0625, 0.0, 3584.0, 0.0]
    assert quantised(-values[:1], 3, INPUT_POINTS).tolist() == [-1.0]


@given(bits=st.integers(2, 24), value=st.floats(0.0625, 4000))
def test_rounding_keeps_the_significant_bits(bits: int, value: float) -> None:
    assert abs(quantised(np.array([value]), bits, GAIN_POINTS)[0] - value) <= value * 2.0**-bits * (1 + 1e-12)


def rms_error(correction: dict[str, Any], **keys: Any) -> float:
    matrix, x = matrix_of("ternary", 7), vectors_of("twos_complement", 64, 8)
    wires = {"word_line_ohm": 60.0, "bit_line_ohm": 60.0, "model": "approximate", "attenuates_noise": True}
    chip = program_matrix(matrix, params(correction, wires=wires, adc={"bits": 12, "range": "per_column"}, **keys), 9)
    return float(np.sqrt(np.mean((chip.multiply(x) - chip.exact(x)).astype(np.float64) ** 2)))


def test_finer_gains_remove_more_of_the_error() -> None:
    none, column, group = (rms_error({"gains": each}) for each in ("none", "column", "row_group"))
    assert group < column / 1.5
    assert column < none / 1.5


def test_input_sums_restore_cells_that_conduct_for_a_zero() -> None:
    # With an on/off ratio of 2, the subtracted zeros, those of ideal wires, are half of the current of a column.
    leaky = {"encoding": {"cells": "offset"}, "cell": {"hrs_ohm": 2e4}}
    without, added = (rms_error({"gains": "row_group", "input_sums": each}, **leaky) for each in (False, True))
    assert added < without / 2


def test_gains_stay_while_a_chip_ages_and_follow_a_calibration() -> None:
    noise = {**IDEAL, "drift": NOISE["drift"] | {"exponent": 0.05, "start_s": 1.0}}
    wires = {"model": "approximate"}
    chip = program_matrix(matrix_of("ternary", 1), params({"gains": "column"}, wires=wires, noise=noise), 2)
    aged = chip.aged(1e6)
    assert aged.ranges[0].correction is not None
    assert chip.ranges[0].correction is not None
    assert (aged.ranges[0].correction == chip.ranges[0].correction).all()
    again = aged.calibrated(chip.sample).ranges[0].correction
    assert again is not None
    # Drift by 1e6^-0.05 = 0.5 doubles the gains.
    ratio = again[:, chip.layout.place_of_column] / chip.ranges[0].correction[:, chip.layout.place_of_column]
    assert float(np.median(ratio)) == near(10**0.3, rel=0.05)


def test_threads_and_calls_give_the_same_bits() -> None:
    wires = {"model": "approximate", "attenuates_noise": True}
    pair = params({"gains": "row_group", "input_sums": True}, wires=wires, noise=NOISE)
    chip, x = program_matrix(matrix_of("ternary", 1), pair, 2), vectors_of("twos_complement", 9, 3)
    whole = chip.multiply(x, threads=1)
    parts = [chip.multiply(x[first : first + 4], first_vector=first, threads=2) for first in (0, 4, 8)]
    assert (whole == np.concatenate(parts)).all()


def test_parts_of_the_rows_add_up() -> None:
    wires = {"model": "approximate", "word_line_ohm": 60.0}
    chip = program_matrix(matrix_of("ternary", 1), params({"gains": "row_group", "input_sums": True}, wires=wires), 2)
    x = vectors_of("twos_complement", 9, 3)
    part_of = np.arange(chip.layout.array_rows)[:, None] % 2 * np.ones((1, COLUMNS), np.int64)
    sums, _, _ = RowParts(chip, part_of).convert(x)
    # Each part is rounded to integers on its own.
    assert np.abs(sums.sum(axis=0) - chip.multiply(x)).max() <= 1
