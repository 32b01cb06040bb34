"""Errors of training are those of the simulator: the weights of its cells, and what its results differ from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crossbar.params import CrossbarParams
from crossbar.programmed_matrix import program_matrix
from crossbar.remapping import stuck_cells
from pimsim.config.loading import load_config
from pimsim.inference.projections import Site, matrix_seed
from tools.training.chips import Chips, check_supported

PAIR = "machine.crossbar.pair"
SITE = Site(1, "ffn_down")
STORED = 2.0**-12
"""Unit of the conductances that the kernels read, steps; rounding is half of it per cell."""
SHAPE = 48, 20
WEIGHTS = np.random.default_rng(3).integers(-1, 2, SHAPE).astype(np.int8)
NOISE = [f"{PAIR}.noise.variation.{state}.sigma=0.2" for state in ("lrs", "hrs")]
FAULTS = [f"{PAIR}.noise.faults.stuck_{state}=0.1" for state in ("lrs", "hrs")]
SMALL = [f"{PAIR}.array={{rows: 32, columns: 16, rows_at_once: 16, adcs: 16}}", f"{PAIR}.noise.read={{lrs: 0, hrs: 0}}"]
FINE = [f"{PAIR}.adc.bits=16", f"{PAIR}.adc.range=full"]
NO_WIRES, WIRES = [f"{PAIR}.wires.model=none"], [f"{PAIR}.wires.word_line_ohm=1"]


def params(*settings: str) -> CrossbarParams:
    crossbar = load_config("pim-llm", [*SMALL, *settings]).machine.crossbar
    assert crossbar is not None
    return crossbar.pair


def activations(vectors: int) -> np.ndarray[Any, np.dtype[np.int8]]:
    return np.random.default_rng(4).integers(-127, 128, (vectors, SHAPE[0])).astype(np.int8)


@pytest.mark.parametrize("more", [NO_WIRES, WIRES, [*WIRES, f"{PAIR}.wires.model=exact"]])
@pytest.mark.parametrize("remapping", ["none", "columns"])
def test_weights_with_errors_are_those_that_the_arrays_multiply_by(more: list[str], remapping: str) -> None:
    """An ADC whose step is 2^-11 or less leaves x (W + D), up to the rounding of cells and codes."""
    chosen = params(*NOISE, *FAULTS, *FINE, *more, f"{PAIR}.array.remapping={remapping}")
    x = activations(8)
    exact = x.astype(np.float64) @ (WEIGHTS + Chips(chosen).weight_errors(WEIGHTS, SITE, 5))
    result = program_matrix(WEIGHTS, chosen, matrix_seed(5, SITE)).multiply(x)
    groups, largest = 4, 255
    assert np.abs(result - exact).max() <= largest * (groups * STORED + SHAPE[0] * STORED) + 1


def test_ideal_arrays_have_no_errors() -> None:
    ideal = [each.replace("0.2", "0").replace("0.1", "0") for each in (*NOISE, *FAULTS)]
    chips = Chips(params(*ideal, *NO_WIRES, *FINE))
    assert np.abs(chips.weight_errors(WEIGHTS, SITE, 5)).max() < STORED
    assert chips.rest(WEIGHTS, SITE, activations(16), 5) < STORED


def test_a_known_chip_has_its_stuck_cells_and_other_variation() -> None:
    """Without variation, chips of a known chip are all alike; with it, only healthy cells differ."""
    quiet = [each.replace("0.2", "0") for each in NOISE]
    known, other = 7, 8
    same = [Chips(params(*quiet, *FAULTS, *NO_WIRES), known).weight_errors(WEIGHTS, SITE, seed) for seed in (5, 6)]
    assert np.array_equal(*same)
    chosen = params(*quiet, *FAULTS, *NO_WIRES)
    assert same[0] == pytest.approx(Chips(chosen).weight_errors(WEIGHTS, SITE, known), abs=1e-6)
    assert not np.array_equal(same[0], Chips(chosen, other).weight_errors(WEIGHTS, SITE, 5))
    noisy = params(*NOISE, *FAULTS, *NO_WIRES)
    first, second = (Chips(noisy, known).weight_errors(WEIGHTS, SITE, seed) for seed in (5, 6))
    matrix = program_matrix(WEIGHTS, noisy, matrix_seed(known, SITE))
    plus, minus = stuck_cells(matrix.layout, matrix.draw, 0)
    lines = matrix.layout.default_lines
    both = (plus[:, lines] != 0) & (minus[:, lines] != 0)
    assert both.any()
    assert np.array_equal(first == second, both)


def test_the_rest_is_the_error_of_the_adcs() -> None:
    """A code of q steps adds q^2 / 12 per conversion, times the squared weight of the pulse."""
    ideal = [each.replace("0.2", "0").replace("0.1", "0") for each in (*NOISE, *FAULTS)]
    bits, range_steps, largest_code, groups = 3, 16, 3, 4
    chosen = params(*ideal, *NO_WIRES, f"{PAIR}.adc.bits={bits}", f"{PAIR}.adc.range=full")
    step = range_steps / largest_code
    expected = np.sqrt(groups * sum(4**bit for bit in range(8)) * step**2 / 12)
    assert Chips(chosen).rest(WEIGHTS, SITE, activations(400), 5) == pytest.approx(expected, abs=0.3 * expected)


def test_other_encodings_are_refused() -> None:
    for key, value in (("cells", "offset"), ("readout", "separate"), ("weights", "binary"), ("activation_bits", 4)):
        changed = params()
        encoding = changed.encoding.model_copy(update={key: value})
        with pytest.raises(ValueError, match=f"encoding.{key}"):
            check_supported(changed.model_copy(update={"encoding": encoding}))
