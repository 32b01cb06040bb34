"""Rows about the energies of the memory presets."""

from __future__ import annotations

from pimsim.config.loading import load_config
from pimsim.config.schema import DramConfig
from pimsim.studies.validation.workbench import Makers, from_labels

HBM2_IO_J_PER_BIT = 0.80e-12
"""I/O in the source of the preset's energy per bit: O'Connor, MICRO 2017 (configs/memory-hbm2-timing.yaml)."""


def _dram(preset: str) -> DramConfig:
    dram = load_config({"extends": ["defaults", preset]}).machine.memory.dram
    assert dram is not None  # of the timing presets
    return dram


def _hbm2_bit_pj(label: str) -> float:
    dram = _dram("memory-hbm2-timing")
    bit_j = {"read": dram.read_energy_j_per_bit, "write": dram.write_energy_j_per_bit}[label]
    return (bit_j - HBM2_IO_J_PER_BIT) * 1e12


def _lpddr4_bit_pj(_: str) -> float:
    return load_config({"extends": ["defaults", "memory-lpddr4"]}).machine.memory.read_energy_j_per_bit * 1e12


MAKERS: Makers = {
    "hbm2-bit-energy": from_labels(_hbm2_bit_pj),
    "hbm2-activate-energy": from_labels(lambda preset: _dram(preset).activate_energy_j * 1e12),
    "lpddr4-bit-energy": from_labels(_lpddr4_bit_pj),
}
