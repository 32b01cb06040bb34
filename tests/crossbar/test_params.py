"""The array's parameters: units worked out by hand, and every rule that they keep."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from crossbar import encoding as numerics
from crossbar.circuit_params import SensingParams
from crossbar.params import (
    AdcParams,
    ArrayParams,
    CellParams,
    CorrectionParams,
    CrossbarParams,
    DacParams,
    DriftParams,
    EncodingParams,
    FaultParams,
    NoiseParams,
    StateNoise,
    StateSpread,
    TelegraphParams,
    VariationParams,
    WireParams,
    WriteVerifyParams,
)
from pimsim.config.loading import load_config
from tests.crossbar.valid_params import (
    ADC,
    ALL,
    ARRAY,
    CELL,
    CORRECTION,
    DAC,
    DRIFT,
    ENCODING,
    FAULTS,
    NOISE,
    PAIR,
    READ,
    SENSING,
    SPREAD,
    TELEGRAPH,
    VARIATION,
    VERIFY,
    WIRES,
)
from tests.oracles import naive_tiles
from tests.support.closeness import near


def test_cell_by_hand() -> None:
    cell = CellParams(**CELL)
    # 0.67 / 1 MOhm + 0.33 / 10 kOhm = 0.67 uS + 33 uS; 0.1 x (0.15 V)^2 x 33.67 uS x 3.16 ns; (3 V)^2 / 10 kOhm x 10 ns
    assert cell.mean_read_conductance_s == near(33.67e-6, rel=1e-12)
    assert cell.read_power_w * CELL["read_pulse_s"] == near(2.393937e-16, rel=1e-6)
    assert cell.write_energy_j == near(9e-12, rel=1e-12)


@pytest.mark.parametrize(
    ("bits", "rate_hz", "nanoseconds"), [(1, 1e9, 3.0), (6, 1e9, 8.0), (8, 1.28e9, 7.8125), (8, 5e8, 20.0)]
)
def test_a_conversion_takes_bits_plus_two_steps(bits: int, rate_hz: float, nanoseconds: float) -> None:
    adc = AdcParams(**ADC | {"bits": bits, "energy_bits": bits, "sample_rate_hz": rate_hz})
    dac = DacParams(**DAC | {"bits": bits, "sample_rate_hz": rate_hz})
    assert adc.conversion_s == near(nanoseconds * 1e-9, rel=1e-12)
    assert dac.conversion_s == near(nanoseconds * 1e-9, rel=1e-12)
    assert dac.conversion_energy_j == near(3.9e-6 * nanoseconds * 1e-9, rel=1e-12)


@pytest.mark.parametrize(
    ("bits", "milliwatts", "gigasamples", "picojoules"),
    [(10, 6.92, 1.5, 55.4), (8, 2, 1.28, 15.6), (8, 4, 1.1, 36.4), (6, 1.26, 1, 10.1), (4, 0.7, 1, 4.2)],
)
def test_mnsim_s_adc_energies_follow_from_its_powers(
    bits: int, milliwatts: float, gigasamples: float, picojoules: float
) -> None:
    """The table of ADC choices in docs/model.md: power times (bits + 2) steps."""
    adc = AdcParams(**ADC | {"bits": bits, "energy_bits": bits, "sample_rate_hz": gigasamples * 1e9})
    assert milliwatts * 1e-3 * adc.conversion_s * 1e12 == pytest.approx(picojoules, abs=0.06)


def test_shipped_adc_is_mnsim_s_stock_choice() -> None:
    machine = load_config({}).machine
    assert machine.crossbar
    pair = machine.crossbar.pair
    assert pair.adc.conversion_energy_j == near(1.26e-3 * pair.adc.conversion_s, rel=1e-9)
    assert pair.adc.energy_per_conversion_j == pair.adc.conversion_energy_j
    assert pair.dac.conversion_s == near(3e-9, rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "bits", "steps"),
    [("sar", 6, 8), ("sar", 8, 10), ("flash", 4, 3), ("flash", 8, 3), ("ramp", 4, 18), ("ramp", 8, 258)],
)
def test_steps_of_a_conversion_by_kind(kind: str, bits: int, steps: int) -> None:
    adc = AdcParams(**ADC | {"kind": kind, "bits": bits, "energy_bits": None, "sample_rate_hz": 2e9})
    assert adc.conversion_s == near(steps * 0.5e-9, rel=1e-12)


@pytest.mark.parametrize("kind", ["sar", "flash", "ramp"])
def test_figures_stated_for_every_resolution_hold_at_every_one(kind: str) -> None:
    for bits in (1, 6, 16):
        adc = AdcParams(**ADC | {"kind": kind, "bits": bits, "energy_bits": None, "series": "mnsim"})
        assert (adc.energy_per_conversion_j, adc.converter_area_m2) == (adc.conversion_energy_j, adc.area_m2)
        assert adc.scaling is None


def test_other_bits_without_a_series_are_refused_and_the_choices_named() -> None:
    with pytest.raises(ValidationError) as refused:
        AdcParams(**ADC | {"bits": 8})
    message = str(refused.value)
    assert "bits=8 differs from the 6 bits" in message
    for choice in ("series=mnsim, mnsim_small or walden", "energy_bits=8", "pimsim devices"):
        assert choice in message


@pytest.mark.parametrize("kind", ["flash", "ramp"])
def test_only_sar_adcs_follow_the_designs_of_mnsim(kind: str) -> None:
    with pytest.raises(ValidationError, match=f"series=mnsim has no ADCs of kind={kind}.*series=walden"):
        AdcParams(**ADC | {"kind": kind, "bits": 8, "series": "mnsim"})
    adc = AdcParams(**ADC | {"kind": kind, "bits": 8, "series": "walden"})
    assert adc.energy_per_conversion_j == near(4 * adc.conversion_energy_j, rel=1e-12)


@pytest.mark.parametrize("kind", ["sar", "flash", "ramp"])
@pytest.mark.parametrize("bits", [1, 6, 16])
def test_a_conversion_at_the_stated_resolution_takes_the_stated_energy_exactly(kind: str, bits: int) -> None:
    adc = AdcParams(**ADC | {"kind": kind, "bits": bits, "energy_bits": bits})
    assert adc.energy_per_conversion_j == adc.conversion_energy_j


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
        (ArrayParams, ARRAY, {"spare_columns": 128}),
        (ArrayParams, ARRAY, {"spare_columns": -1}),
        (ArrayParams, ARRAY, {"remapping": "rows"}),
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
        (DacParams, DAC, {"level_error": -0.1}),
        (DacParams, DAC, {"level_error": 5.1}),
        (AdcParams, ADC, {"kind": "pipeline"}),
        (AdcParams, ADC, {"energy_bits": 0}),
        (AdcParams, ADC, {"energy_bits": 17}),
        (AdcParams, ADC, {"series": "isaac"}),
        (AdcParams, ADC, {"range": "half"}),
        (AdcParams, ADC, {"range_coverage": 0.0}),
        (AdcParams, ADC, {"range_coverage": 1.01}),
        (AdcParams, ADC, {"offset_lsb": -1.0}),
        (AdcParams, ADC, {"gain_error": 5.1}),
        (AdcParams, ADC, {"inl_lsb": float("inf")}),
        (AdcParams, ADC, {"noise_lsb": 1001.0}),
        (EncodingParams, ENCODING, {"weights": "int17"}),
        (EncodingParams, ENCODING, {"cells": "pair"}),
        (EncodingParams, ENCODING, {"readout": "sum"}),
        (EncodingParams, ENCODING, {"polarity": "one"}),
        (EncodingParams, ENCODING, {"activations": "signed"}),
        (EncodingParams, ENCODING, {"activation_bits": 0}),
        (EncodingParams, ENCODING, {"activation_bits": 1}),
        (EncodingParams, ENCODING, {"activation_bits": 9}),
        (StateSpread, SPREAD, {"distribution": "uniform"}),
        (StateSpread, SPREAD, {"sigma": -0.01}),
        (StateSpread, SPREAD, {"sigma": float("nan")}),
        (StateSpread, SPREAD, {"sigma": 5.1}),
        (VariationParams, VARIATION, {"sigma_polynomial": ()}),
        (VariationParams, VARIATION, {"sigma_polynomial": (0.0,) * 7}),
        (VariationParams, VARIATION, {"sigma_polynomial": (1.0,), "lrs": SPREAD | {"distribution": "lognormal"}}),
        (VariationParams, VARIATION, {"sigma_polynomial": (1.0,), "hrs": SPREAD | {"distribution": "lognormal"}}),
        (WriteVerifyParams, VERIFY, {"tolerance": 0.0}),
        (WriteVerifyParams, VERIFY, {"tolerance": 10.1}),
        (WriteVerifyParams, VERIFY, {"max_pulses": 0}),
        (WriteVerifyParams, VERIFY, {"max_pulses": 1001}),
        (StateNoise, READ, {"lrs": -0.01}),
        (StateNoise, READ, {"hrs": 5.1}),
        (DriftParams, DRIFT, {"age_s": -1.0}),
        (DriftParams, DRIFT, {"age_s": 2e12}),
        (DriftParams, DRIFT, {"start_s": 0.0}),
        (DriftParams, DRIFT, {"exponent": 5.1}),
        (DriftParams, DRIFT, {"exponent": float("nan")}),
        (DriftParams, DRIFT, {"exponent_sigma": -0.1}),
        (DriftParams, DRIFT, {"shift_siemens": float("-inf")}),
        (DriftParams, DRIFT, {"spread_siemens": -1e-9}),
        (DriftParams, DRIFT, {"spread_growth_siemens": 1.1}),
        (TelegraphParams, TELEGRAPH, {"fraction": 1.01}),
        (TelegraphParams, TELEGRAPH, {"amplitude": -0.01}),
        (TelegraphParams, TELEGRAPH, {"capture_s": 0.0}),
        (TelegraphParams, TELEGRAPH, {"emission_s": 0.0}),
        (FaultParams, FAULTS, {"stuck_lrs": 1.01}),
        (FaultParams, FAULTS, {"stuck_hrs": -0.01}),
        (FaultParams, FAULTS, {"stuck_lrs": 0.6, "stuck_hrs": 0.5}),
        (WireParams, WIRES, {"word_line_ohm": -1.0}),
        (WireParams, WIRES, {"bit_line_ohm": 1e7}),
        (WireParams, WIRES, {"model": "fast"}),
    ],
)
def test_refused(model: type[Any], values: dict[str, Any], wrong: dict[str, Any]) -> None:
    model(**values)
    with pytest.raises(ValidationError) as raised:
        model(**values | wrong)
    assert raised.value.error_count() == 1


@pytest.mark.parametrize(("model", "values"), ALL)
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
    with pytest.raises(ValidationError, match=r"stuck_lrs \+ stuck_hrs \(1\.1\) must not exceed 1"):
        FaultParams(stuck_lrs=0.5, stuck_hrs=0.6)
    with pytest.raises(ValidationError, match="activation_bits must be at least 2 for two's complement"):
        EncodingParams(**ENCODING | {"activation_bits": 1})


def test_what_lies_at_the_edge_of_a_rule_is_taken() -> None:
    assert FaultParams(stuck_lrs=0.25, stuck_hrs=0.75).stuck_hrs == 0.75
    assert EncodingParams(**ENCODING | {"activations": "unsigned", "activation_bits": 1}).activation_bits == 1
    lognormal = SPREAD | {"distribution": "lognormal"}
    assert VariationParams.model_validate(VARIATION | {"lrs": lognormal}).sigma_polynomial is None
    polynomial = VariationParams.model_validate(VARIATION | {"sigma_polynomial": [1.0, -0.5]})
    assert polynomial.sigma_polynomial == (1.0, -0.5)


@pytest.mark.parametrize(
    ("activations", "bits", "per_pulse", "planes"),
    [
        ("unsigned", 8, 1, 8),
        ("twos_complement", 8, 1, 8),
        ("unsigned", 8, 2, 4),
        ("twos_complement", 8, 2, 5),  # 2 + 2 + 2 + 1, and the sign
        ("unsigned", 8, 3, 3),
        ("twos_complement", 8, 3, 4),
        ("unsigned", 8, 8, 1),
        ("twos_complement", 8, 8, 2),
        ("unsigned", 1, 1, 1),
        ("twos_complement", 1, 1, 1),
        ("twos_complement", 2, 8, 2),
    ],
)
def test_planes_by_hand(activations: str, bits: int, per_pulse: int, planes: int) -> None:
    assert pair_of({"activations": activations}, per_pulse).planes(bits) == planes


@given(
    activations=st.sampled_from(["unsigned", "twos_complement"]), bits=st.integers(2, 8), per_pulse=st.integers(1, 8)
)
def test_planes_are_those_of_the_oracle_and_of_the_numerics(activations: str, bits: int, per_pulse: int) -> None:
    pair = pair_of({"activations": activations, "activation_bits": bits}, per_pulse)
    pulses = naive_tiles.planes(bits, per_pulse, activations == "twos_complement")
    assert pair.planes(bits) == len(pulses)
    assert [(plane.first, plane.bits) for plane in numerics.planes(pair)] == [(each[0], len(each)) for each in pulses]


@pytest.mark.parametrize(
    ("cells", "readout", "arrays", "conversions"),
    [
        ("differential", "difference", 2, 1),
        ("differential", "separate", 2, 2),
        ("reference_column", "difference", 1, 1),
        ("reference_column", "separate", 1, 1),
        ("offset", "difference", 1, 1),
        ("offset", "separate", 1, 1),
    ],
)
def test_arrays_and_conversions_by_encoding(cells: str, readout: str, arrays: int, conversions: int) -> None:
    encoding = EncodingParams(**ENCODING | {"cells": cells, "readout": readout})
    assert (encoding.arrays, encoding.conversions_per_column) == (arrays, conversions)


@pytest.mark.parametrize(
    ("weights", "pairs", "single_cells"),
    [("binary", 1, 1), ("ternary", 1, 2), ("unit", 1, 1), ("int2", 1, 2), ("int4", 3, 4), ("int8", 7, 8)],
)
def test_slices_are_those_of_the_numerics(weights: str, pairs: int, single_cells: int) -> None:
    for cells, slices in (("differential", pairs), ("reference_column", single_cells), ("offset", single_cells)):
        encoding = EncodingParams(**ENCODING | {"weights": weights, "cells": cells})
        assert encoding.slices == slices == numerics.weight_code(encoding).slices
        code = numerics.weight_code(
            EncodingParams(**ENCODING | {"weights": weights, "cells": cells, "readout": "separate"})
        )
        assert len(code.channels) == slices * (2 if cells == "differential" else 1)


def pair_of(encoding: dict[str, Any], dac_bits: int) -> CrossbarParams:
    return CrossbarParams.model_validate(PAIR | {"encoding": ENCODING | encoding, "dac": DAC | {"bits": dac_bits}})


@given(lrs=st.floats(1e2, 1e6), ratio=st.floats(1.001, 1e4), volts=st.floats(0.01, 5), pulse=st.floats(1e-12, 1e-3))
def test_mean_conductance_lies_between_the_states(lrs: float, ratio: float, volts: float, pulse: float) -> None:
    cell = CellParams(**CELL | {"lrs_ohm": lrs, "hrs_ohm": lrs * ratio, "read_voltage_v": volts, "read_pulse_s": pulse})
    assert 1 / cell.hrs_ohm < cell.mean_read_conductance_s < 1 / cell.lrs_ohm
    assert 0 < cell.read_power_w < volts**2 / lrs


def test_a_pair_is_its_parts() -> None:
    pair = CrossbarParams(
        cell=CellParams(**CELL),
        array=ArrayParams(**ARRAY),
        dac=DacParams(**DAC),
        adc=AdcParams(**ADC),
        encoding=EncodingParams(**ENCODING),
        noise=NoiseParams.model_validate(NOISE),
        wires=WireParams(**WIRES),
        lines=None,
        drivers=None,
        sensing=SensingParams(**SENSING),
        correction=CorrectionParams(**CORRECTION),
    )
    assert pair == CrossbarParams.model_validate(PAIR)


def test_rows_and_adcs_follow_the_size_of_the_array() -> None:
    size = {"rows": 256, "columns": 100, "rows_at_once": "all", "columns_per_adc": 8}
    array = ArrayParams.model_validate({**ARRAY, **size, "spare_columns": 0})
    assert (array.driven_rows, array.adc_count) == (256, 13)  # 13 ADCs of 8 columns, the last of 4
    with pytest.raises(ValidationError, match=r"columns_per_adc \(101\) must not exceed columns \(100\)"):
        ArrayParams.model_validate({**ARRAY, **size, "columns_per_adc": 101})
    stated = ArrayParams.model_validate({**ARRAY, "columns_per_adc": None})
    assert (stated.driven_rows, stated.adc_count) == (ARRAY["rows_at_once"], ARRAY["adcs"])
