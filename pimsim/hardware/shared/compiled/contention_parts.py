"""The loops over packets and over chunks of DRAM, compiled ahead of their use, with the types of their calls."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.kernels.warming import Calls, Part
from pimsim.hardware.shared.compiled.dram_kernel import advance
from pimsim.hardware.shared.compiled.packet_jobs import run_jobs


def _zeros(dimensions: int) -> NDArray[Any]:
    return np.zeros((0,) * dimensions, np.int64)


def _packets() -> Calls:
    return [(run_jobs, (0, _zeros(1)))]


def _memory() -> Calls:
    return [(advance, (_zeros(1), 0, _zeros(2), _zeros(3), _zeros(2), 0))]


PARTS = (Part(__name__, "packet", "packets", 5.0, _packets), Part(__name__, "DRAM", "memory", 4.0, _memory))
"""One part of one kernel for each loop; all that it calls is compiled into it."""
