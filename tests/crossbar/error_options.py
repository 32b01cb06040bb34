"""Parameters of the errors of a chip: options to draw from, and one example of each source."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

SPREADS = {
    "none": {},
    "normal": {"noise.variation.lrs.sigma": 0.1, "noise.variation.hrs.sigma": 0.6},
    "lognormal": {
        "noise.variation.lrs": {"distribution": "lognormal", "sigma": 0.1},
        "noise.variation.hrs": {"distribution": "lognormal", "sigma": 1.5},
    },
    "polynomial": {"noise.variation.sigma_polynomial": (0.5, 0.1, -0.0005)},
    "wide": {"noise.variation.lrs": {"distribution": "lognormal", "sigma": 1.5}},  # cells that 16 bits do not hold
}
FAULTS = {"none": {}, "some": {"noise.faults.stuck_lrs": 0.05, "noise.faults.stuck_hrs": 0.1}}
AGES = {
    "fresh": {},
    "drifted": {
        "noise.drift.age_s": 1e4, "noise.drift.exponent": 0.02, "noise.drift.exponent_sigma": 0.01,
        "noise.drift.shift_siemens": -2e-7, "noise.drift.spread_siemens": 1e-6,
        "noise.drift.spread_growth_siemens": 2e-7,
    },
    "trapped": {"noise.telegraph.fraction": 0.3, "noise.telegraph.amplitude": 0.4, "noise.telegraph.capture_s": 3.0},
}  # fmt: skip
CONVERTERS = {
    "none": {},
    "all": {"adc.offset_lsb": 0.7, "adc.gain_error": 0.05},
    "bent": {"adc.offset_lsb": 0.7, "adc.gain_error": 0.05, "adc.inl_lsb": 1.5},
}
NOISE = {
    "none": {},
    "cells": {"noise.read.lrs": 0.05, "noise.read.hrs": 0.3},
    "both": {"noise.read.lrs": 0.05, "noise.read.hrs": 0.3, "adc.noise_lsb": 0.4},
}
CELLS = {"cell.hrs_ohm": 5e4}  # five times the LRS, so that both states are seen
SPREAD = {"distribution": "lognormal", "sigma": 0.3}
ERRORS: dict[str, dict[str, Any]] = {
    "variation": {"noise.variation": {"lrs": SPREAD, "hrs": SPREAD, "sigma_polynomial": None}},
    "read_noise": {"noise.read": {"lrs": 0.1, "hrs": 0.2}},
    "drift": {"noise.drift.age_s": 1e4, "noise.drift.exponent": 0.02, "noise.drift.exponent_sigma": 0.01},
    "telegraph": {"noise.telegraph.fraction": 0.2, "noise.telegraph.amplitude": 0.5},
    "temperature": {"thermal.temperature_k": 350.0, "thermal.calibration_k": 300.0, "thermal.lrs_tcr": 3e-3},
    "faults": {"noise.faults.stuck_lrs": 0.02, "noise.faults.stuck_hrs": 0.03},
    "wires": {"wires.model": "approximate", "wires.word_line_ohm": 5.0, "wires.bit_line_ohm": 5.0},
    "dac": {"dac.level_error": 0.1},
    "adc_quantisation": {},
    "adc_saturation": {},
    "adc_imperfections": {"adc.offset_lsb": 0.7, "adc.gain_error": 0.05, "adc.noise_lsb": 0.3},
}
ALL = {key: value for changes in ERRORS.values() for key, value in changes.items()}
NARROW = {"adc.bits": 3, "adc.range": "calibrated", "adc.range_coverage": 0.95}


def choice(options: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(sorted(options)).map(lambda name: options[name])
