"""Groups of compiled kernels, and which of them Numba's cache has."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossbar.kernels.warming import Part

KERNEL_MODULES = (
    "crossbar.kernels.array_parts",
    "pimsim.hardware.shared.compiled.contention_parts",
    "pimsim.inference.compiled.step_parts",
)
"""Modules whose `PARTS` are compiled."""
GROUPS = {
    "arrays": "drawing, programming and multiplication of 16-bit cells (array, accuracy, sweeps of their metrics)",
    "wires": "resistive lines, in addition to `arrays`",
    "wide": "cells whose two states are nearly equal, in addition to `arrays`",
    "packets": "the loop over packets on a shared mesh, in long contended runs",
    "decode": "a decode step between the arrays, in Python programs (`pimsim.inference.Decoder`)",
    "memory": "the loop over chunks of a memory with a timing table, in long contended runs",
}
"""Groups of kernels, and what needs them."""


def kernel_parts(groups: Iterable[str] = ()) -> list[Part]:
    """Return the kernels of groups.

    Args:
        groups: Keys of `GROUPS`; without any, all kernels are returned.

    Returns:
        Parts of `KERNEL_MODULES`, in their order.
    """
    wanted = set(groups)
    parts = [part for module in KERNEL_MODULES for part in import_module(module).PARTS]
    return [part for part in parts if not wanted or part.group in wanted]
