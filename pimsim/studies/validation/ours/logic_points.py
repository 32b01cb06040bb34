"""Rows about digital logic and wires."""

from __future__ import annotations

from functools import cache

from pimsim.config.loading import load_config
from pimsim.config.schema import MachineConfig
from pimsim.hardware.node_scaling import area_factor, delay_factor, energy_factor, wire_energy_factor
from pimsim.studies.validation.workbench import Makers, from_labels

HOP_MM = 2.0
"""Length of a hop in the source of `machine.mesh.hop_energy_j_per_bit` (configs/defaults.yaml), mm."""
ADDERS_PER_PE = 128
"""Adders of 32 bits in the source of `machine.crossbar.digital.pe_area_m2`, one for each ADC."""


@cache
def _machine() -> MachineConfig:
    return load_config("defaults").machine


def _node(of: float | None) -> float:
    assert of is not None  # of the defaults
    return of


def _array_unit_pj(label: str) -> float:
    array = _machine().systolic
    factor = energy_factor(_node(array.node_nm), float(label))
    return (array.mac_energy_j + array.unit_cycle_energy_j) * factor * 1e12


def _array_unit_um2(label: str) -> float:
    array = _machine().systolic
    return array.pe_area_m2 * area_factor(_node(array.node_nm), float(label)) * 1e12


def _add_fj(label: str) -> float:
    """Return the energy of an addition; `add_energy_j` is that of 8 bits, and an adder's energy grows with its width.

    Args:
        label: Bits and node in nm, such as "16 bits 28".

    Returns:
        Energy in fJ.
    """
    bits, _, node = label.split()
    crossbar = _machine().crossbar
    assert crossbar is not None
    digital = crossbar.digital
    return digital.add_energy_j * int(bits) / 8 * energy_factor(_node(digital.node_nm), float(node)) * 1e15


def _adder_um2(label: str) -> float:
    crossbar = _machine().crossbar
    assert crossbar is not None
    digital = crossbar.digital
    of_8_bits = digital.pe_area_m2 / ADDERS_PER_PE * 8 / 32
    return of_8_bits * area_factor(_node(digital.node_nm), float(label)) * 1e12


def _wire_fj(label: str) -> float:
    mesh = _machine().mesh
    assert mesh is not None
    node, _ = label.split()
    return mesh.hop_energy_j_per_bit / HOP_MM * wire_energy_factor(_node(mesh.wire_node_nm), float(node)) * 1e15


def _between(label: str) -> tuple[float, float]:
    from_nm, to_nm = map(float, label.split())
    return from_nm, to_nm


MAKERS: Makers = {
    "array-energy-45nm": from_labels(_array_unit_pj),
    "array-energy-7nm": from_labels(_array_unit_pj),
    "array-area-45nm": from_labels(_array_unit_um2),
    "array-area-tpu": from_labels(_array_unit_um2),
    "add-energy": from_labels(_add_fj),
    "add-area": from_labels(_adder_um2),
    "node-energy-foundry": from_labels(lambda label: energy_factor(*_between(label))),
    "node-area-foundry": from_labels(lambda label: area_factor(*_between(label))),
    "node-delay-foundry": from_labels(lambda label: delay_factor(*_between(label))),
    "wire-energy": from_labels(_wire_fj),
    "wire-scaling": from_labels(lambda label: wire_energy_factor(28, float(label))),
}
