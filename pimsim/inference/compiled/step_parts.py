"""The loops of a decode step, compiled ahead of their use, with the types of their calls."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.kernels.warming import Calls, Part
from pimsim.inference.compiled import step_kernels as kernels

_ONE = np.float32(1)


def _zeros(dimensions: int, dtype: Any = np.float32) -> NDArray[Any]:
    return np.zeros((0,) * dimensions, dtype)


def _steps() -> Calls:
    row, rows, codes, plan = _zeros(1), _zeros(2), _zeros(1, np.int8), _zeros(2, np.int64)
    stored = _zeros(4, np.int8), _zeros(3)
    return [
        (kernels.row_sum, (row, plan)),
        (kernels.norm_codes, (row, 0, row, row, _ONE, plan, _ONE, row, codes)),
        (kernels.scaled, (_zeros(1, np.int32), 1.0, row, row, False, row)),
        (kernels.write_and_score, (rows, rows, rows, row, row, *stored, row, _ONE, row, 0, 0, 0, rows)),
        (kernels.weigh_values, (rows, *stored, _ONE, False, 0, 0, rows)),
    ]


PARTS = (Part(__name__, "steps", "decode", 4.0, _steps),)
"""One part, since a step needs all of them."""
