"""HDF5 files of the activity that `pimsim array` measured: driven rows, the conductances on them, and codes.

The format is "pimsim-activity", version 1: the fields of `MeasuredActivity` as attributes of the root, the table
`codes` if codes were counted, and the dataset `config` with the config of the array as YAML.
`machine.crossbar.activity` names such a file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from crossbar.params import CrossbarParams
from crossbar.thermal import at_temperature
from pimsim.base.errors import printable
from pimsim.base.stored_columns import Column, Table
from pimsim.config.circuit_rules import influences_activity
from pimsim.config.schema import Config
from pimsim.results.hdf5 import RecordFile

_NAME_CHARS = 80


@dataclass(frozen=True)
class MeasuredActivity:
    """Activity of a matrix product on the first chip of an array study.

    Attributes:
        config: Config of the study.
        version: Version of pimsim that measured it.
        matrix: Name of the matrix.
        inputs: Number of rows of the matrix.
        outputs: Number of columns of the matrix.
        vectors: Number of input vectors.
        seed: Seed of all random numbers.
        row_pulses: Rows times pulses, over all array columns and slices.
        rows_active: How many of them have a level above 0.
        squared_drive: Sum over them of the squared level relative to the highest level.
        cell_reads: Cells times pulses, with and without input.
        conductance_sum_s: Sum over them of the conductance times the squared relative level of its row, siemens.
        codes: Number of ADC conversions by code, from the lowest code; empty if the measured config has
            `adc.code_energy: none`, and in a file of an earlier version.
    """

    config: Config
    version: Annotated[str, Column("pimsim_version")]
    matrix: str
    inputs: int
    outputs: int
    vectors: int
    seed: int
    row_pulses: int
    rows_active: int
    squared_drive: float
    cell_reads: int
    conductance_sum_s: float
    codes: Annotated[tuple[int, ...], Table(value="conversions", optional=True)] = ()

    @property
    def driven_share(self) -> float:
        """Share of the row pulses whose level is above 0."""
        return self.rows_active / self.row_pulses

    @property
    def drive(self) -> float:
        """Mean of (voltage of a row / read voltage)^2 over rows and pulses, as `cell.read_activity` states it."""
        return self.squared_drive / self.row_pulses

    @property
    def conductance_s(self) -> float:
        """Mean over cell reads of the conductance times the squared relative level of its row, siemens."""
        return self.conductance_sum_s / self.cell_reads

    @property
    def pair(self) -> CrossbarParams:
        """Parameters of the measured arrays when they were read."""
        pair = self.config.machine.operating_pair
        assert pair is not None
        return pair

    @property
    def origin(self) -> str:
        """What was measured, in words."""
        size = f"{self.inputs} x {self.outputs}, {self.vectors} vector{'' if self.vectors == 1 else 's'}"
        name, matrix = printable(self.config.name, _NAME_CHARS), printable(self.matrix, _NAME_CHARS)
        return f"pimsim array of {name}, {matrix}, {size}, seed {self.seed}"

    def figures(self) -> dict[str, Any]:
        """Return what was measured as JSON values.

        Returns:
            The fields, with the name of the config in place of the config, and the three means that a run uses.
        """
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "config"}
        means = {"driven_share": self.driven_share, "drive": self.drive, "conductance_s": self.conductance_s}
        return {"name": self.config.name} | fields | means


def differing_key(pair: CrossbarParams, other: CrossbarParams, *, codes: bool = False) -> str:
    """Name the first key in which two arrays differ so that an activity of one is not one of the other.

    Args:
        pair: Parameters of the arrays that are to use the activity.
        other: Parameters of the measured arrays.
        codes: Whether the codes of the activity are used, too.

    Returns:
        The key below `machine.crossbar.pair` with both values, for a message; empty if the activity holds for both.
    """
    measured = dict(_leaves(_as_read(other).model_dump(mode="json")))
    for key, value in _leaves(_as_read(pair).model_dump(mode="json")):
        if key in measured and measured[key] == value:
            continue
        if influences_activity(key, codes=codes):
            return f"machine.crossbar.pair.{key} is {measured.get(key)} there and {value} here"
    return ""


def _as_read(pair: CrossbarParams) -> CrossbarParams:
    """Return arrays whose stated resistances are those at the temperature of the read."""
    thermal = pair.thermal.model_copy(update={"calibration_k": None})
    return at_temperature(pair.model_copy(update={"thermal": thermal}))


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a tree by dotted key; a list is one value, and null is one at the key of its section."""
    if not isinstance(tree, Mapping):
        yield path, tree
        return
    for name, value in tree.items():
        yield from _leaves(value, f"{path}.{name}" if path else str(name))


def _problem(activity: MeasuredActivity) -> str | None:
    """Return why a record cannot be an activity; None if it can."""
    if activity.config.machine.crossbar is None:
        return "dataset config has no crossbars"
    if not (activity.inputs and activity.outputs and activity.vectors and activity.row_pulses and activity.cell_reads):
        return "its matrix or its vectors are empty"
    if activity.rows_active > activity.row_pulses:
        return f"rows_active {activity.rows_active} exceeds row_pulses {activity.row_pulses}"
    if activity.squared_drive > activity.rows_active * (1 + 1e-9):
        return f"squared_drive {activity.squared_drive:g} exceeds rows_active {activity.rows_active}"
    if activity.codes and (len(activity.codes) != 1 << activity.pair.adc.bits or not any(activity.codes)):
        return f"codes has {len(activity.codes)} rows, and no conversions or not those of {activity.pair.adc.bits} bits"
    if not math.isfinite(activity.conductance_sum_s) or bool(activity.rows_active) != bool(activity.squared_drive):
        return "squared_drive or conductance_sum_s cannot be a sum over the driven rows"
    return None


def write_activity(activity: MeasuredActivity, path: str | Path) -> None:
    """Write an activity to an HDF5 file, atomically.

    Args:
        activity: The activity, such as `ArrayStudy.activity`.
        path: File to write; an existing file is replaced.

    Raises:
        OutputError: If the file cannot be written.
    """
    FILE.write(path, activity, activity.config, problem=_problem(activity))


def read_activity(path: str | Path) -> MeasuredActivity:
    """Read an activity from an HDF5 file.

    Args:
        path: A file from `write_activity`; it is untrusted input.

    Returns:
        The activity, equal to the one that was written.

    Raises:
        ResultFileError: If the file cannot be read, is damaged, or has another format or version.
    """
    return FILE.read(path)


FILE = RecordFile("pimsim-activity", "activity_version", 1, "result of pimsim array --out", MeasuredActivity, _problem)
