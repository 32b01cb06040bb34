"""Construction of the processor that computes every op of a machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pimsim.config.schema import MachineConfig
from pimsim.hardware.component import Component
from pimsim.hardware.dram_pim import DramPim
from pimsim.hardware.memory import Memory
from pimsim.hardware.op_share import OpShare
from pimsim.hardware.rom import Rom
from pimsim.hardware.roofline import Roofline
from pimsim.hardware.transpim import TransPim

_BUILDERS: Mapping[str, Callable[[Any, Memory], Component[OpShare]]] = {
    "roofline": Roofline,  # one a line
    "transpim": TransPim,
    "rom": Rom,
    "dram_pim": DramPim,
}
"""For each section of `machine` that describes a processor, a function of the section and of the memory."""


def build_processor(config: MachineConfig, memory: Memory) -> Component[OpShare] | None:
    """Build the processor of a machine.

    Args:
        config: Section `machine` of a config.
        memory: The memory of the machine.

    Returns:
        The processor; None for a machine whose ops are divided among components.
    """
    if config.processor is None:
        return None
    return _BUILDERS[config.processor](getattr(config, config.processor), memory)
