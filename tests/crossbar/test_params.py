"""The array's electrical parameters: units worked out by hand, and every rule that they keep."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from crossbar.params import AdcParams, ArrayParams, CellParams, CrossbarParams, DacParams
from pimsim.config import load_config

CELL: dict[str, Any] = {
    "lrs_ohm": 1e4,
    "hrs_ohm": 1e6,
    "read_voltage_v": 0.15,
    "read_pulse_s": 3.16e-9,
    "write_voltage_v": 3.0,
    "write_pulse_s": 10e-9,
    "endurance_writes": 1e6,
    "area_m2": 0.0,
}
ARRAY: dict[str, Any] = {"rows": 256, "columns": 128, "rows_at_once": 64, "adcs": 16}
DAC: dict[str, Any] = {"bits": 1, "sample_rate_hz": 1e9, "power_w": 3.9e-6, "area_m2": 0.0}
ADC: dict[str, Any] = {"bits": 6, "sample_rate_hz": 1e9, "conversion_energy_j": 10.08e-12, "area_m2": 0.0}


def test_cell_by_hand() -> None:
    cell = CellParams(**CELL)
    # 0.67 / 1 MOhm + 0.33 / 10 kOhm = 0.67 uS + 33 uS; 0.1 x (0.15 V)^2 x 33.67 uS x 3.16 ns; (3 V)^2 / 10 kOhm x 10 ns
    assert cell.mean_read_conductance_s == pytest.approx(33.67e-6, rel=1e-12)
    assert cell.read_energy_j == pytest.approx(2.393937e-16, rel=1e-6)
    assert cell.write_energy_j == pytest.approx(9e-12, rel=1e-12)


@pytest.mark.parametrize(
    ("bits", "rate_hz", "nanoseconds"), [(1, 1e9, 3.0), (6, 1e9, 8.0), (8, 1.28e9, 7.8125), (8, 5e8, 20.0)]
)
def test_a_conversion_takes_bits_plus_two_steps(bits: int, rate_hz: float, nanoseconds: float) -> None:
    adc = AdcParams(**ADC | {"bits": bits, "sample_rate_hz": rate_hz})
    dac = DacParams(**DAC | {"bits": bits, "sample_rate_hz": rate_hz})
    assert adc.conversion_s == pytest.approx(nanoseconds * 1e-9, rel=1e-12)
    assert dac.conversion_s == pytest.approx(nanoseconds * 1e-9, rel=1e-12)
    assert dac.conversion_energy_j == pytest.approx(3.9e-6 * nanoseconds * 1e-9, rel=1e-12)


@pytest.mark.parametrize(
    ("bits", "milliwatts", "gigasamples", "picojoules"),
    [(10, 6.92, 1.5, 55.4), (8, 2, 1.28, 15.6), (8, 4, 1.1, 36.4), (6, 1.26, 1, 10.1), (4, 0.7, 1, 4.2)],
)
def test_mnsim_s_adc_energies_follow_from_its_powers(
    bits: int, milliwatts: float, gigasamples: float, picojoules: float
) -> None:
    """The table of ADC choices in docs/model.md: power times (bits + 2) steps."""
    adc = AdcParams(**ADC | {"bits": bits, "sample_rate_hz": gigasamples * 1e9})
    assert milliwatts * 1e-3 * adc.conversion_s * 1e12 == pytest.approx(picojoules, abs=0.06)


def test_shipped_adc_is_mnsim_s_stock_choice() -> None:
    machine = load_config({}).machine
    assert machine.crossbar
    pair = machine.crossbar.pair
    assert pair.adc.conversion_energy_j == pytest.approx(1.26e-3 * pair.adc.conversion_s, rel=1e-9)
    assert pair.dac.conversion_s == pytest.approx(3e-9, rel=1e-12)


@pytest.mark.parametrize(
    ("model", "values", "wrong"),
    [
        (CellParams, CELL, {"hrs_ohm": 1e4}),
        (CellParams, CELL, {"hrs_ohm": 9e3}),
        (CellParams, CELL, {"lrs_ohm": 0.0}),
        (CellParams, CELL, {"lrs_ohm": float("nan")}),
        (CellParams, CELL, {"hrs_ohm": float("inf")}),
        (CellParams, CELL, {"read_voltage_v": -0.1}),
        (CellParams, CELL, {"write_voltage_v": 21.0}),
        (CellParams, CELL, {"read_pulse_s": 0.0}),
        (CellParams, CELL, {"read_pulse_s": 2e-3}),
        (CellParams, CELL, {"area_m2": -1e-12}),
        (CellParams, CELL, {"colour": 1}),
        (ArrayParams, ARRAY, {"rows_at_once": 257}),
        (ArrayParams, ARRAY, {"adcs": 129}),
        (ArrayParams, ARRAY, {"rows": 0}),
        (ArrayParams, ARRAY, {"rows": 4097}),
        (ArrayParams, ARRAY, {"columns": 4097}),
        (ArrayParams, ARRAY, {"rows": 64.0}),
        (ArrayParams, ARRAY, {"rows": True}),
        (DacParams, DAC, {"bits": 0}),
        (DacParams, DAC, {"bits": 9}),
        (DacParams, DAC, {"power_w": 1.5}),
        (DacParams, DAC, {"sample_rate_hz": 0.0}),
        (AdcParams, ADC, {"bits": 17}),
        (AdcParams, ADC, {"conversion_energy_j": -1e-12}),
        (AdcParams, ADC, {"conversion_energy_j": "10 pJ"}),
        (AdcParams, ADC, {"sample_rate_hz": 2e12}),
    ],
)
def test_refused(model: type[Any], values: dict[str, Any], wrong: dict[str, Any]) -> None:
    model(**values)
    with pytest.raises(ValidationError) as raised:
        model(**values | wrong)
    assert raised.value.error_count() == 1


@pytest.mark.parametrize(
    ("model", "values"), [(CellParams, CELL), (ArrayParams, ARRAY), (DacParams, DAC), (AdcParams, ADC)]
)
def test_every_value_must_be_given_and_none_can_change(model: type[Any], values: dict[str, Any]) -> None:
    for key in values:
        with pytest.raises(ValidationError, match=key):
            model(**{name: value for name, value in values.items() if name != key})
        with pytest.raises(ValidationError, match="frozen"):
            setattr(model(**values), key, values[key])


def test_refusals_say_both_numbers() -> None:
    with pytest.raises(ValidationError, match=r"hrs_ohm \(9000\) must be above lrs_ohm \(10000\)"):
        CellParams(**CELL | {"hrs_ohm": 9e3})
    with pytest.raises(ValidationError, match=r"rows_at_once \(300\) must not exceed rows \(256\)"):
        ArrayParams(**ARRAY | {"rows_at_once": 300})
    with pytest.raises(ValidationError, match=r"adcs \(300\) must not exceed columns \(128\)"):
        ArrayParams(**ARRAY | {"adcs": 300})


@given(lrs=st.floats(1e2, 1e6), ratio=st.floats(1.001, 1e4), volts=st.floats(0.01, 5), pulse=st.floats(1e-12, 1e-3))
def test_mean_conductance_lies_between_the_states(lrs: float, ratio: float, volts: float, pulse: float) -> None:
    cell = CellParams(**CELL | {"lrs_ohm": lrs, "hrs_ohm": lrs * ratio, "read_voltage_v": volts, "read_pulse_s": pulse})
    assert 1 / cell.hrs_ohm < cell.mean_read_conductance_s < 1 / cell.lrs_ohm
    assert 0 < cell.read_energy_j < volts**2 / lrs * pulse


def test_a_pair_is_its_four_parts() -> None:
    pair = CrossbarParams(
        cell=CellParams(**CELL), array=ArrayParams(**ARRAY), dac=DacParams(**DAC), adc=AdcParams(**ADC)
    )
    assert pair == CrossbarParams.model_validate({"cell": CELL, "array": ARRAY, "dac": DAC, "adc": ADC})
    with pytest.raises(ValidationError):
        CrossbarParams.model_validate({"cell": CELL, "array": ARRAY, "dac": DAC})
