"""What an accelerator with weights in ROM holds on its die: matrices, and keys and values of the first tokens."""

from __future__ import annotations

from pimsim.base.errors import CapacityError
from pimsim.config.schema import Config
from pimsim.hardware.component import ceil_div
from workloads.ops import AttentionMatmul, Op, Projection
from workloads.trace import Trace


def in_rom(config: Config, op: Projection) -> bool:
    """Return whether the weights of a projection are in ROM.

    Args:
        config: Its `machine.rom` decides.
        op: The projection.

    Returns:
        False on a machine without ROM.
    """
    rom = config.machine.rom
    return rom is not None and (op.weight_bits == 1 or rom.wide_weights == "rom")


def on_die_bytes(config: Config, op: Op) -> int:
    """Return the bytes of the KV cache of an op that are on the die of a machine with ROM.

    Args:
        config: Its `machine.rom.cache_tokens` decides.
        op: The op.

    Returns:
        Bytes; 0 on a machine without ROM.
    """
    rom = config.machine.rom
    if rom is None or not isinstance(op, AttentionMatmul):
        return 0
    if rom.cache_tokens is None:
        return op.cache_bytes
    return op.cache_bytes - op.cache_bytes * max(0, op.entries - rom.cache_tokens) // op.entries


def check_rom_capacity(config: Config, trace: Trace) -> None:
    """Check that the ROM holds all matrices that are to be in it.

    Args:
        config: Its `machine.rom`; without one nothing is checked.
        trace: The ops.

    Raises:
        CapacityError: If the matrices have more ternary weights than the macros.
    """
    rom = config.machine.rom
    if rom is None:
        return
    needed = sum(
        block.repeat * op.weights * op.weight_bits
        for block in trace.blocks
        for op in block.ops
        if isinstance(op, Projection) and in_rom(config, op)
    )
    if needed > rom.capacity_weights:
        raise CapacityError(
            f"{trace.model} has {needed:,} ternary weights, but the {rom.macros:,} macros of machine.rom hold "
            f"{rom.capacity_weights:,}; set machine.rom.macros to at least {ceil_div(needed, rom.weights_per_macro)}"
        )
