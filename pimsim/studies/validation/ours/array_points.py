"""Rows about analog arrays, their cells and their converters."""

from __future__ import annotations

from functools import cache, lru_cache
from math import log

from pimsim.config.loading import load_config
from pimsim.config.schema import CrossbarConfig
from pimsim.studies.validation.workbench import Makers, from_labels

LRS_OHM, HRS_OHM, READ_V = 1e4, 1e6, 0.15
"""Cells and inputs of the row with badcrossbar."""
FEATURE_M = 130e-9
"""Feature size in the source of the default cell's area (configs/defaults.yaml)."""


@cache
def _crossbar(preset: str) -> CrossbarConfig:
    extends = ["defaults"] if preset == "defaults" else ["defaults", preset]
    crossbar = load_config({"extends": extends}).machine.crossbar
    assert crossbar is not None
    return crossbar


@lru_cache(maxsize=8)
def _currents_ua(size: int, word_line_ohm: float, bit_line_ohm: float) -> tuple[float, ...]:
    """Compute the currents of all columns of a square array.

    Args:
        size: Rows and columns.
        word_line_ohm: Resistance of a word line per cell.
        bit_line_ohm: Resistance of a bit line per cell.

    Returns:
        Currents, uA.
    """
    import numpy as np

    from crossbar.parasitics import solve_currents

    rows, columns = np.indices((size, size))
    ohm = np.where((7 * rows + 11 * columns) % 5 < 2, LRS_OHM, HRS_OHM)
    volts = np.where(np.arange(size) % 3 == 0, 0.0, READ_V)
    return tuple(float(each) * 1e6 for each in solve_currents(1 / ohm, volts[None, :], word_line_ohm, bit_line_ohm)[0])


def _column_ua(label: str) -> float:
    size, word_line_ohm, bit_line_ohm, column = label.split()
    return _currents_ua(int(size), float(word_line_ohm), float(bit_line_ohm))[int(column)]


def _spread_us(label: str) -> float:
    """Return the standard deviation of a conductance of NeuRRAM's preset; its parts are independent.

    Args:
        label: Conductance in uS and age in seconds, such as "10 86400".

    Returns:
        Standard deviation, uS.

    Reference:
        docs/array.md, programming and drift; configs/device-wan-neurram.yaml.
    """
    conductance_us, age_s = map(float, label.split())
    noise = _crossbar("device-wan-neurram").pair.noise
    drift, polynomial = noise.drift, noise.variation.sigma_polynomial
    assert polynomial is not None
    programmed_us = sum(each * conductance_us**power for power, each in enumerate(polynomial))
    elapsed = log(age_s / drift.start_s)
    grown_us = drift.spread_growth_siemens * 1e6 * elapsed
    relative = drift.exponent_sigma * elapsed
    return float((programmed_us**2 + grown_us**2 + (conductance_us * relative) ** 2) ** 0.5)


def _write_pj(preset: str) -> float:
    return _crossbar(preset).pair.cell.write_energy_j * 1e12


def _cell_um2(preset: str) -> float:
    return _crossbar(preset).pair.cell.area_m2 * 1e12


def _conversion_pj(preset: str) -> float:
    return _crossbar(preset).pair.adc.conversion_energy_j * 1e12


MAKERS: Makers = {
    "ir-drop-badcrossbar": from_labels(_column_ua),
    "spread-neurram": from_labels(_spread_us),
    "write-energy-published": from_labels(_write_pj),
    "write-energy-nvsim": from_labels(_write_pj),
    "cell-area-published": from_labels(lambda preset: _crossbar(preset).pair.cell.area_m2 / FEATURE_M**2),
    "cell-area-neurram": from_labels(_cell_um2),
    "adc-energy-survey": from_labels(_conversion_pj),
    "adc-survey-fit": from_labels(_conversion_pj),
    "adc-energy-neurosim": from_labels(_conversion_pj),
    "adc-energy-isaac": from_labels(_conversion_pj),
    "adc-area": from_labels(lambda preset: _crossbar(preset).pair.adc.area_m2 * 1e12),
}
