"""Attenuation of read noise by wires: a closed form, and the noise that a multiplication shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crossbar import program_matrix
from crossbar.params import CrossbarParams
from tests.crossbar.valid_params import ADC, ARRAY, CORRECTION, ENCODING, NOISE, PAIR, WIRES
from tests.support.closeness import near

ROWS = 32


def params(**wires: Any) -> CrossbarParams:
    quiet = {"lrs": {"distribution": "normal", "sigma": 0.0}, "hrs": {"distribution": "normal", "sigma": 0.0}}
    return CrossbarParams.model_validate(
        PAIR
        | {
            "array": ARRAY | {"rows": ROWS, "columns": 16, "rows_at_once": 8, "adcs": 4},
            "adc": ADC | {"bits": 14, "energy_bits": None},
            "noise": {
                **NOISE,
                "variation": {**quiet, "sigma_polynomial": None},
                "read": {"lrs": 0.2, "hrs": 0.2},
                "faults": {"stuck_lrs": 0.0, "stuck_hrs": 0.0},
            },
            "encoding": ENCODING | {"weights": "unit", "cells": "offset", "activations": "unsigned"},
            "wires": WIRES | {"model": "exact"} | wires,
            "correction": CORRECTION,
        }
    )


@pytest.mark.parametrize("word_ohm", [0.0, 500.0])
def test_one_column_by_hand(word_ohm: float) -> None:
    # One column of cells in LRS: a word line is one segment and one cell, psi = 1 / (1 + r g).
    pair = params(word_line_ohm=word_ohm, bit_line_ohm=0.0, attenuates_noise=True)
    chip = program_matrix(np.ones((ROWS, 1), np.int8), pair)
    if not word_ohm:
        assert chip.cells[0].noise_attenuation is None
        return
    factor = chip.cells[0].noise_attenuation
    assert factor is not None
    assert factor.shape == (4, 16)
    assert factor[:, 0].tolist() == [near(1 / (1 + word_ohm / pair.cell.lrs_ohm), rel=1e-6)] * 4
    assert (factor[:, 1:] == 1).all()


def test_a_bit_line_attenuates_more_the_farther_its_rows_are_from_the_output() -> None:
    pair = params(word_line_ohm=0.0, bit_line_ohm=30.0, attenuates_noise=True)
    factor = program_matrix(np.ones((ROWS, 1), np.int8), pair).cells[0].noise_attenuation
    assert factor is not None
    assert (np.diff(factor[:, 0]) > 0).all()


def test_noise_of_results_is_attenuated() -> None:
    ones, x = np.ones((ROWS, 1), np.int8), np.full((400, ROWS), 1)
    spreads = []
    for attenuates in (False, True):
        pair = params(word_line_ohm=1e4, bit_line_ohm=0.0, attenuates_noise=attenuates)
        read = pair.noise.read.model_copy(update={"lrs": 0.99})
        loud = pair.model_copy(update={"noise": pair.noise.model_copy(update={"read": read})})
        # Inputs of 15 drive four planes, so that the spread is many units of the rounded results.
        spreads.append(float(np.std(program_matrix(ones, loud).multiply(x * 15))))
    # psi = 1 / 2 for a segment as resistive as a cell.
    assert spreads[1] / spreads[0] == near(0.5, rel=0.1)


def test_ideal_wires_and_the_default_attenuate_nothing() -> None:
    for wires in ({"model": "none", "attenuates_noise": True}, {"attenuates_noise": False}):
        assert program_matrix(np.ones((ROWS, 3), np.int8), params(**wires)).cells[0].noise_attenuation is None
