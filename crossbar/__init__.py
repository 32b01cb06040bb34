"""Analog ReRAM arrays as a library of its own: their electrical parameters, and the products that they compute.

The package contains no scheduling, no models and no file formats. Programming and multiplication are compiled by Numba.
All names are imported on first use, so code that needs only the parameters does not load Numba.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossbar.array_activity import Activity, ErrorStatistics, Observation
    from crossbar.array_errors import CrossbarError
    from crossbar.params import AdcParams, ArrayParams, CellParams, CrossbarParams, DacParams
    from crossbar.parasitics import approximate_transfer_matrix, solve_currents, transfer_matrix
    from crossbar.programmed_matrix import ProgrammedMatrix, program_matrix
    from crossbar.verification import expected_write_pulses

_HOMES = {
    "Activity": "array_activity",
    "AdcParams": "params",
    "ArrayParams": "params",
    "CellParams": "params",
    "CrossbarError": "array_errors",
    "CrossbarParams": "params",
    "DacParams": "params",
    "ErrorStatistics": "array_activity",
    "ProgrammedMatrix": "programmed_matrix",
    "Observation": "array_activity",
    "approximate_transfer_matrix": "parasitics",
    "expected_write_pulses": "verification",
    "program_matrix": "programmed_matrix",
    "solve_currents": "parasitics",
    "transfer_matrix": "parasitics",
}

__all__ = [
    "Activity",
    "AdcParams",
    "ArrayParams",
    "CellParams",
    "CrossbarError",
    "CrossbarParams",
    "DacParams",
    "ErrorStatistics",
    "Observation",
    "ProgrammedMatrix",
    "approximate_transfer_matrix",
    "expected_write_pulses",
    "program_matrix",
    "solve_currents",
    "transfer_matrix",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"crossbar.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'crossbar' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
