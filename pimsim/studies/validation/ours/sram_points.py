"""Rows about the energies, the leakage and the area of SRAM."""

from __future__ import annotations

from pimsim.hardware.sram_model import SramFigures, sram_figures
from pimsim.studies.validation.workbench import Maker, Makers, from_labels

_UNITS = {"read_energy_j": 1e12, "write_energy_j": 1e12, "leakage_w": 1e3, "area_m2": 1e6}
"""Factor from SI units to those of the rows: pJ, mW and mm^2."""


def figures(label: str) -> SramFigures:
    """Return the figures of the model.

    Args:
        label: Capacity in bytes, bits per access and node in nm, such as "2048 64 45".

    Returns:
        The figures with `hp` transistors.
    """
    capacity_bytes, width_bits, node_nm = map(float, label.split())
    return sram_figures(capacity_bytes, width_bits, node_nm, "hp")


def _figure(name: str) -> Maker:
    return from_labels(lambda label: float(getattr(figures(label), name)) * _UNITS[name])


MAKERS: Makers = {
    "sram-read-mnsim": _figure("read_energy_j"),
    "sram-write-mnsim": _figure("write_energy_j"),
    "sram-wide-read-mnsim": _figure("read_energy_j"),
    "sram-leakage-mnsim": _figure("leakage_w"),
    "sram-area-mnsim": _figure("area_m2"),
    "sram-leakage-puma": _figure("leakage_w"),
    "sram-area-puma": _figure("area_m2"),
    "sram-area-isaac": _figure("area_m2"),
    "sram-large-area": _figure("area_m2"),
    "sram-macro-area-12nm": from_labels(lambda label: figures(label).area_m2 * 1e12),
    "sram-macro-area-130nm": _figure("area_m2"),
    "sram-read-horowitz": _figure("read_energy_j"),
    "sram-read-14nm": from_labels(lambda label: figures(label).read_energy_j / float(label.split()[1]) * 1e15),
}
