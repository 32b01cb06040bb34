"""Valid values of each parameter model of an array, from which tests change one at a time."""

from __future__ import annotations

from typing import Any

from crossbar.circuit_params import DriverParams, IntegrationParams, LineParams, SensingParams
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
    ThermalParams,
    UpkeepParams,
    VariationParams,
    WireParams,
    WriteVerifyParams,
)

CELL: dict[str, Any] = {
    "lrs_ohm": 1e4,
    "hrs_ohm": 1e6,
    "read_voltage_v": 0.15,
    "read_pulse_s": 3.16e-9,
    "read_activity": 0.1,
    "write_voltage_v": 3.0,
    "write_pulse_s": 10e-9,
    "endurance_writes": 1e6,
    "area_m2": 0.0,
}


ARRAY: dict[str, Any] = {
    "rows": 256, "columns": 128, "rows_at_once": 64, "adcs": 16, "columns_per_adc": None, "spare_columns": 0,
    "remapping": "none", "reference_columns": 1,
}  # fmt: skip


DAC: dict[str, Any] = {"bits": 1, "sample_rate_hz": 1e9, "power_w": 3.9e-6, "area_m2": 0.0, "level_error": 0.0}


ADC: dict[str, Any] = {
    "kind": "sar",
    "bits": 6,
    "sample_rate_hz": 1e9,
    "conversion_energy_j": 10.08e-12,
    "energy_bits": 6,
    "series": None,
    "code_energy": "none",
    "code_energy_fraction": 0.5,
    "area_m2": 0.0,
    "range": "full",
    "range_coverage": 1.0,
    "offset_lsb": 0.0,
    "gain_error": 0.0,
    "inl_lsb": 0.0,
    "noise_lsb": 0.0,
}


ENCODING: dict[str, Any] = {
    "weights": "ternary",
    "cell_bits": 1,
    "cells": "differential",
    "readout": "difference",
    "polarity": "one_is_lrs",
    "activations": "twos_complement",
    "activation_bits": 8,
}


SPREAD: dict[str, Any] = {"distribution": "normal", "sigma": 0.01}


VARIATION: dict[str, Any] = {"lrs": SPREAD, "hrs": SPREAD, "sigma_polynomial": None}


VERIFY: dict[str, Any] = {"tolerance": None, "max_pulses": 1}


READ: dict[str, Any] = {"lrs": 0.01, "hrs": 0.01}


DRIFT: dict[str, Any] = {
    "age_s": 0.0,
    "start_s": 1.0,
    "exponent": 0.0,
    "exponent_sigma": 0.0,
    "shift_siemens": 0.0,
    "spread_siemens": 0.0,
    "spread_growth_siemens": 0.0,
}


TELEGRAPH: dict[str, Any] = {"fraction": 0.0, "amplitude": 0.0, "capture_s": 1.0, "emission_s": 1.0}


FAULTS: dict[str, Any] = {"stuck_lrs": 0.001, "stuck_hrs": 0.001}


NOISE: dict[str, Any] = {
    "variation": VARIATION,
    "write_verify": VERIFY,
    "read": READ,
    "drift": DRIFT,
    "telegraph": TELEGRAPH,
    "faults": FAULTS,
}


WIRES: dict[str, Any] = {
    "word_line_ohm": 2.82,
    "bit_line_ohm": 2.82,
    "model": "none",
    "word_line_ends": "one",
    "bit_line_ends": "one",
    "attenuates_noise": False,
}


LINES: dict[str, Any] = {
    "input_line": "word", "word_line_f": 1e-15, "word_end_f": 0.0, "bit_line_f": 1e-15, "bit_end_f": 0.0,
    "bit_swing_v": 0.1, "select_line_f": 2.1e-15, "select_end_f": 48e-15, "select_low_v": 0.9, "select_high_v": 2.2,
}  # fmt: skip


DRIVERS: dict[str, Any] = {"energy_j": 0.5e-12, "area_m2": 1e-9, "resistance_ohm": 1e3}


INTEGRATION: dict[str, Any] = {
    "weighting": "pulse_count", "signed_inputs": True, "one_phase_planes": 3, "phases": 2,
    "narrow_later_phases": False, "step_s": 0.27e-6, "phase_s": 0.3e-6, "step_energy_j": 0.25e-12,
}  # fmt: skip


SENSING: dict[str, Any] = {
    "mode": "current", "held": True, "sampled": "column_group",
    "input_ohm": 0.0, "clamp_energy_j": 0.0, "sample_energy_j": 0.0,
    "column_area_m2": 0.0, "integration": None,
}  # fmt: skip


UPKEEP: dict[str, Any] = {
    "adc_ranges": "at_age", "drift_compensation": "none", "test_vectors": 32, "interval_s": None,
}  # fmt: skip


THERMAL: dict[str, Any] = {
    "temperature_k": None, "calibration_k": None, "reference_k": 300.0, "lrs_tcr": 0.0, "hrs_ev": 0.0, "drift_ev": 0.0,
}  # fmt: skip
CORRECTION: dict[str, Any] = {"gains": "none", "gain_bits": 8, "input_sums": False}


PAIR: dict[str, Any] = {
    "cell": CELL,
    "array": ARRAY,
    "dac": DAC,
    "adc": ADC,
    "encoding": ENCODING,
    "noise": NOISE,
    "wires": WIRES,
    "lines": None,
    "drivers": None,
    "sensing": SENSING,
    "upkeep": UPKEEP,
    "thermal": THERMAL,
    "correction": CORRECTION,
}


ALL: list[tuple[type[Any], dict[str, Any]]] = [
    (LineParams, LINES),
    (DriverParams, DRIVERS),
    (IntegrationParams, INTEGRATION),
    (SensingParams, SENSING),
    (UpkeepParams, UPKEEP),
    (ThermalParams, THERMAL),
    (CellParams, CELL),
    (ArrayParams, ARRAY),
    (DacParams, DAC),
    (AdcParams, ADC),
    (EncodingParams, ENCODING),
    (StateSpread, SPREAD),
    (VariationParams, VARIATION),
    (WriteVerifyParams, VERIFY),
    (StateNoise, READ),
    (DriftParams, DRIFT),
    (TelegraphParams, TELEGRAPH),
    (FaultParams, FAULTS),
    (NoiseParams, NOISE),
    (WireParams, WIRES),
    (CorrectionParams, CORRECTION),
    (CrossbarParams, PAIR),
]
