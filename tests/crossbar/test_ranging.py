"""Converters: ranges by design and by sample, steps, fixed errors of a chip, and what is on record of a read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.converters import adc_step, code_range
from crossbar.encoding import weight_code
from crossbar.programmed_matrix import ProgrammedMatrix, program_matrix
from tests.crossbar.chips import arrays, chip, encodings, random_vectors, random_weights, small
from tests.crossbar.error_options import CELLS, CONVERTERS, FAULTS, SPREADS, choice
from tests.oracles import naive_crossbar as naive
from tests.support.closeness import near
from tests.support.counts import scaled


def magnitudes(matrix: ProgrammedMatrix, x: Any, number: int) -> list[naive.Reals]:
    """Sums of a channel before conversion, in steps: for each group of rows, [vectors and pulses, columns]."""
    cells = naive.cells_of(matrix, number)
    unit = 2.0 ** -matrix.cells[number].fraction_bits
    found = []
    for rows in naive.row_groups(matrix.params, matrix.shape[0]):
        levels = [
            x[:, rows.start : rows.stop] >> first & (2**bits - 1) for first, bits, _ in naive.pulses(matrix.params)
        ]
        found.append(abs(np.concatenate(levels) @ cells[rows.start : rows.stop]) * unit)
    return found


def step_of(scale: float, largest: int) -> float:
    """Below 1 a power of two, so that whole sums fall on whole codes; not below the grid of stored sums."""
    step = max(scale / largest, 2.0**-12)
    if step >= 1:
        return step
    power = 2.0**-12
    while power < step:
        power *= 2
    return power


@settings(max_examples=scaled(25, 1000))
@given(
    encoding=encodings(), array=arrays(), spread=choice(SPREADS), faults=choice(FAULTS), bits=st.integers(1, 8),
    coverage=st.sampled_from((1.0, 0.99, 0.8)), shape=st.tuples(st.integers(1, 60), st.integers(1, 30)),
    seed=st.integers(0, 2**31), per_column=st.booleans(), own=st.booleans(),
)  # fmt: skip
def test_calibrated_ranges_cover_the_samples_quantile(
    encoding: dict[str, Any], array: dict[str, Any], spread: dict[str, Any], faults: dict[str, Any], bits: int,
    coverage: float, shape: tuple[int, int], seed: int, per_column: bool, own: bool,
) -> None:  # fmt: skip
    changes = {**CELLS, **encoding, **array, **spread, **faults, "adc.bits": bits, "adc.range_coverage": coverage}
    params = chip({**changes, "adc.range": "per_column" if per_column else "calibrated"})
    weights, x = random_weights(params, shape, seed), random_vectors(params, 5, shape[0], seed)
    matrix = (
        program_matrix(weights, params, seed, calibration=x)
        if own
        else program_matrix(weights, params, seed).calibrated(x)
    )
    at = naive.storage_column(params, np.arange(shape[1]))
    for number, ranging in enumerate(matrix.ranges):
        sums = magnitudes(matrix, x, number)
        codes = ranging.codes
        largest = codes.highest if codes.lowest and codes.highest else max(codes.highest, -codes.lowest)
        for group, mine in enumerate(sums):
            pool = mine if per_column else np.concatenate([part.ravel() for part in sums])[:, None]
            ordered = np.sort(pool, axis=0)
            index = int(np.ceil(round(coverage * (len(ordered) - 1), 9)))
            for column in range(shape[1]):
                scale = float(ordered[index, column if per_column else 0])
                if scale > 0:
                    assert ranging.step[group, at[column]] == step_of(scale, largest)


@pytest.mark.parametrize(("coverage", "most"), [(1.0, 0.0), (0.9, 0.1)])
def test_what_a_range_does_not_cover_saturates(coverage: float, most: float) -> None:
    params = chip(
        {**CELLS, **SPREADS["normal"], "adc.range": "calibrated", "adc.range_coverage": coverage, "adc.bits": 8}
    )
    x = random_vectors(params, 20, 100, 1)
    matrix = program_matrix(random_weights(params, (100, 48), 1), params, 1, calibration=x)
    seen = matrix.observe(x)
    assert seen.saturated <= most * seen.activity.conversions
    assert (seen.saturated > 0) == (coverage < 1)


def test_a_sample_is_drawn_if_none_is_given_and_full_needs_none() -> None:
    params = small({"adc.range": "calibrated"})
    weights = random_weights(params, (50, 20), 1)
    matrix, again = program_matrix(weights, params, 1), program_matrix(weights, params, 1)
    np.testing.assert_array_equal(matrix.ranges[0].step, again.ranges[0].step)
    np.testing.assert_array_equal(matrix.calibrated(matrix.sample).ranges[0].step, matrix.ranges[0].step)
    full = program_matrix(weights, small(), 1)
    np.testing.assert_array_equal(full.calibrated(matrix.sample).ranges[0].step, full.ranges[0].step)
    zero = program_matrix(weights, params, 1, calibration=np.zeros((3, 50), int))
    np.testing.assert_array_equal(zero.ranges[0].step, full.ranges[0].step)


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, (-32, 31)),
        ({"encoding.readout": "separate"}, (0, 63)),
        ({"encoding.cells": "offset"}, (0, 63)),
        ({"encoding.cells": "offset", "encoding.polarity": "one_is_hrs"}, (0, 63)),
        ({"encoding.cells": "reference_column"}, (0, 63)),
        ({"encoding.cells": "reference_column", "encoding.polarity": "one_is_hrs"}, (-63, 0)),
    ],
)
def test_codes(changes: dict[str, Any], codes: tuple[int, int]) -> None:
    params = chip({**changes, "adc.bits": 6})
    for channel in weight_code(params.encoding).channels:
        found = code_range(params.adc, channel)
        assert (found.lowest, found.highest) == codes
        assert adc_step(1e-9, found) == 2.0**-12


@settings(max_examples=scaled(20, 500))
@given(
    encoding=encodings(),
    array=arrays(),
    seed=st.integers(0, 2**31),
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_an_adc_has_the_same_errors_wherever_it_serves(
    encoding: dict[str, Any], array: dict[str, Any], seed: int, shape: tuple[int, int]
) -> None:
    """One for each array, channel and place in the multiplexers; the same for all groups of rows of the array."""
    params = chip({**encoding, **array, **CONVERTERS["bent"]})
    matrix = program_matrix(random_weights(params, shape, seed), params, seed)
    size = params.array
    seen: dict[tuple[int, int, int, int], tuple[float, float, float]] = {}
    for number, ranging in enumerate(matrix.ranges):
        for group, rows in enumerate(naive.row_groups(params, shape[0])):
            for column in range(shape[1]):
                at = naive.storage_column(params, column)
                adc = (number, rows.start // size.rows, column // size.columns, column % size.columns % size.adcs)
                gain = (
                    float(ranging.gain[group, at]) * ranging.step[group, at] * 2.0 ** matrix.cells[number].fraction_bits
                )
                mine = (round(gain, 5), float(ranging.offset[group, at]), float(ranging.bow[group, at]))
                assert seen.setdefault(adc, mine) == mine
    assert len(set(seen.values())) == len(seen)


@settings(max_examples=scaled(25, 1000))
@given(
    encoding=encodings(), array=arrays(), spread=choice(SPREADS), faults=choice(FAULTS), vectors=st.integers(1, 70),
    shape=st.tuples(st.integers(1, 60), st.integers(1, 40)), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_activity_is_what_a_count_by_hand_finds(
    encoding: dict[str, Any], array: dict[str, Any], spread: dict[str, Any], faults: dict[str, Any], vectors: int,
    shape: tuple[int, int], seed: int,
) -> None:  # fmt: skip
    params = chip({**CELLS, **encoding, **array, **spread, **faults})
    weights, x = random_weights(params, shape, seed), random_vectors(params, vectors, shape[0], seed)
    matrix = program_matrix(weights, params, seed)
    arrays_left = -(-shape[1] // params.array.columns)
    slices, pairs = matrix.code.slices, params.encoding.cells == "differential"
    on_a_row = sum(cells.sum(axis=1) for s in range(slices) for cells in matrix.conductances_s(s)[: 1 + pairs])
    rows_active, conductance_s = 0, 0.0
    for vector in x:
        for first, bits, _ in naive.pulses(params):
            levels = vector >> first & (2**bits - 1)
            rows_active += int((levels > 0).sum()) * arrays_left * slices
            conductance_s += float((levels / (2**params.dac.bits - 1)) ** 2 @ on_a_row)
    per_column = 2 if pairs and params.encoding.readout == "separate" else 1
    groups = len(naive.row_groups(params, shape[0]))
    conversions = vectors * len(naive.pulses(params)) * groups * shape[1] * per_column * slices
    found = matrix.activity(x)
    assert (found.vectors, found.rows_active, found.conversions) == (vectors, rows_active, conversions)
    assert found.conductance_sum_s == near(conductance_s, rel=1e-4)
    cell = params.cell
    energy_j = cell.read_voltage_v**2 * cell.read_pulse_s * found.conductance_sum_s
    assert found.cell_energy_j == near(energy_j, rel=1e-12)
    assert found.dac_energy_j == near(rows_active * params.dac.conversion_energy_j, rel=1e-12)
    assert found.adc_energy_j == near(conversions * params.adc.energy_per_conversion_j, rel=1e-12)


def test_errors_on_record() -> None:
    params = small({"adc.bits": 4})
    matrix = program_matrix(random_weights(params, (50, 20), 1), params, 1)
    seen = matrix.observe(random_vectors(params, 30, 50, 1))
    errors = seen.result.astype(float) - seen.exact
    np.testing.assert_array_equal(seen.exact, matrix.exact(random_vectors(params, 30, 50, 1)))
    assert seen.errors.mean == near(errors.mean())
    assert seen.errors.rms == near(np.sqrt((errors**2).mean()))
    assert seen.errors.largest == abs(errors).max()
    assert seen.errors.snr_db == near(10 * np.log10((seen.exact.astype(float) ** 2).mean() / (errors**2).mean()))
