"""Rows about the cycles of the systolic array."""

from __future__ import annotations

from pimsim.config.loading import load_config
from pimsim.hardware.systolic import MatmulShare, Systolic
from pimsim.studies.validation.workbench import Makers, from_labels


def _cycles(label: str) -> float:
    """Return the cycles of a matmul.

    Args:
        label: SCALE-Sim's M, N and K, and the dataflow, such as "128,1,128 os".

    Returns:
        The cycles on an array of 32 x 32.
    """
    shape, dataflow = label.split()
    vectors, outputs, k = map(int, shape.split(","))
    keys = {"rows": 32, "columns": 32, "dataflow": dataflow}
    config = load_config("defaults", {f"machine.systolic.{key}": value for key, value in keys.items()})
    return Systolic(config.machine.systolic).cycles(MatmulShare(m=outputs, n=vectors, k=k))


MAKERS: Makers = {"scalesim-cycles": from_labels(_cycles)}
