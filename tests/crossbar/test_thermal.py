"""Cells at a temperature: conductances, ageing, and products off calibration, against closed forms by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar import device
from crossbar.array_errors import CrossbarError
from crossbar.programmed_matrix import program_matrix
from crossbar.snr_estimate import estimate_snr
from crossbar.thermal import at_temperature, off_calibration, thermal_gain
from tests.crossbar.chips import chip, random_vectors, random_weights, small
from tests.support.closeness import near

K_EV = 8.617333262e-5
WARM = {"thermal.temperature_k": 350.0, "thermal.lrs_tcr": 1e-3, "thermal.hrs_ev": 0.1}
"""LRS: 1 + 1e-3 * 50 = 1.05 times the resistance; HRS: e^(0.1 eV / k (1/300 - 1/350)) times the conductance."""
HRS_GAIN = math.exp(0.1 / K_EV * (1 / 300 - 1 / 350))
FLOAT32 = 1e-5
"""Conductances are drawn in single precision."""
kelvins = st.floats(250, 450)


def test_resistances_follow_the_temperature() -> None:
    params = at_temperature(chip(WARM))
    assert near(1.7379, 1e-4) == HRS_GAIN
    assert params.cell.lrs_ohm == near(chip().cell.lrs_ohm * 1.05)
    assert params.cell.hrs_ohm == near(chip().cell.hrs_ohm / HRS_GAIN)
    assert not off_calibration(params)


def test_drift_starts_earlier_where_it_is_hot() -> None:
    """1 eV at 350 K instead of 300 K: 251 times as fast; an age of 1 s is one of 251 s at 300 K."""
    factor = math.exp(1 / K_EV * (1 / 300 - 1 / 350))
    hot = chip({"thermal.temperature_k": 350.0, "thermal.drift_ev": 1.0, "noise.drift.age_s": 1.0})
    assert at_temperature(hot).noise.drift.start_s == near(1 / factor)
    weights, drift = random_weights(chip(), (20, 10), 1), {"noise.drift.exponent": 0.1}
    hot_cells, old_cells = (
        program_matrix(weights, chip({**drift, **more}), 1).conductances_s()[0]
        for more in (
            {"thermal.temperature_k": 350.0, "thermal.drift_ev": 1.0, "noise.drift.age_s": 1.0},
            {"noise.drift.age_s": factor},
        )
    )
    np.testing.assert_allclose(hot_cells, old_cells, rtol=FLOAT32)
    np.testing.assert_allclose(old_cells[weights == 1], factor**-0.1 / chip().cell.lrs_ohm, rtol=FLOAT32)


@given(kelvins, kelvins, st.floats(-1e-3, 2e-3), st.floats(0, 0.1), st.floats(0, 1.5))
def test_conversion_keeps_every_conductance(read_k: float, written_k: float, tcr: float, ev: float, age: float) -> None:
    """Converted once or twice, and read at any temperature, cells conduct as the stated ones do there."""
    keys = {"temperature_k": read_k, "calibration_k": written_k, "lrs_tcr": tcr, "hrs_ev": ev, "drift_ev": age}
    params = chip({f"thermal.{name}": value for name, value in keys.items()})
    once = at_temperature(params)
    assert at_temperature(once) is once
    for stated, converted in zip(device.states(params), device.states(once), strict=True):
        assert converted.conductance_s == near(stated.conductance_s, 1e-9)


def test_at_one_temperature_only_the_ratio_of_the_states_changes() -> None:
    """With 16 bits and no other error, products are exact: the step of the ADC was found at this temperature, too."""
    params = chip({**WARM, "adc.bits": 16, "adc.energy_bits": None, "adc.series": None})
    weights = random_weights(params, (40, 20), 1)
    x = random_vectors(params, 10, 40, 1)
    np.testing.assert_array_equal(program_matrix(weights, params, 1).multiply(x), x @ weights)


@pytest.mark.parametrize("cells", ["differential", "reference_column"])
@pytest.mark.parametrize("compensation", ["none", "global"])
def test_products_off_calibration_change_by_one_factor(cells: str, compensation: str) -> None:
    """Calibrated at 300 K: (1 / (1.05 LRS) - 1.7379 / HRS) / (1 / LRS - 1 / HRS), unless compensation measures it."""
    wide = {"adc.bits": 16, "adc.energy_bits": None, "adc.series": None, "encoding.cells": cells}
    wide["encoding.weights"] = "unit"  # stored as they are: no digital offset beside the sums
    params = small({**WARM, **wide, "thermal.calibration_k": 300.0, "upkeep.drift_compensation": compensation})
    cell, weights = params.cell, random_weights(params, (80, 30), 1)
    gain = (1 / (1.05 * cell.lrs_ohm) - HRS_GAIN / cell.hrs_ohm) / (1 / cell.lrs_ohm - 1 / cell.hrs_ohm)
    expected = gain if compensation == "none" else 1.0
    assert thermal_gain(at_temperature(params)) == near(expected)
    x = random_vectors(params, 30, 80, 1)
    products = program_matrix(weights, params, 1).multiply(x)
    assert abs(products - expected * (x @ weights)).max() <= 1 + 1e-3 * abs(products).max()


def test_the_estimate_knows_the_lost_gain() -> None:
    off = small({**WARM, "thermal.calibration_k": 300.0, "adc.bits": 12})
    assert estimate_snr(off).main_source == "temperature"
    assert estimate_snr(off).snr_db == near(-20 * math.log10(1 - thermal_gain(at_temperature(off))), 0.05)


def test_states_that_exchange_their_places_are_refused() -> None:
    params = chip({"thermal.temperature_k": 450.0, "thermal.hrs_ev": 0.5})
    with pytest.raises(CrossbarError, match=r"at 450 K, LRS \(1e\+04 Ohm\) is not below HRS"):
        program_matrix([[1]], params)
    assert estimate_snr(params).snr_db == -math.inf
