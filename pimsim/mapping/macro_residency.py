"""Which tiles of the KV cache stay in SRAM compute-in-memory macros, and which are written when they are used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pimsim.base.errors import CapacityError, WorkloadInputError
from pimsim.config.schema import Config
from pimsim.hardware.component import ceil_div
from pimsim.hardware.sram_cim import SramCim
from pimsim.mapping.element_notes import element_notes
from pimsim.mapping.kv_in_place import attention_unit, check_in_place, element_bytes, is_expanded
from pimsim.mapping.predicted_entries import code_sizes, prediction_notes
from pimsim.mapping.processor_notes import processor_notes
from pimsim.mapping.tile_plan import TilePlan
from workloads.latent_ops import LatentScores, LatentValues
from workloads.ops import AttentionMatmul, AttentionScores, Op
from workloads.trace import Trace


@dataclass(frozen=True, slots=True)
class MacroResidency:
    """Tiles of the cache on one chip.

    Attributes:
        needed: Tiles of all keys and values of the chip's layers.
        kept: Tiles that stay in the macros, at most `needed`.
        code_bits: Bits of the codes and tables of a prediction.
        code_bits_held: Bits that its unit holds.
    """

    needed: int
    kept: int
    code_bits: int = 0
    code_bits_held: int = 0

    @property
    def whole(self) -> bool:
        """True if the whole cache stays in the macros."""
        return self.kept == self.needed

    def swapped_tiles(self, tiles: int) -> int:
        """Return the tiles of an op that are written when it uses them: the same fraction of every op, rounded up.

        Args:
            tiles: Tiles of the op.

        Returns:
            Number of tiles.
        """
        return tiles - tiles * self.kept // self.needed if self.needed else 0


EVERYTHING = MacroResidency(0, 0)
"""A cache that stays in the macros as a whole."""


def op_tiles(unit: SramCim, op: AttentionMatmul) -> int:
    """Return the tiles of the keys or values of an op.

    Args:
        unit: The macros.
        op: The matmul.

    Returns:
        Number of tiles of all KV heads and sequences.

    Raises:
        WorkloadInputError: If an element has more bits than a macro has columns.
    """
    if op.bits > unit.config.columns:
        raise WorkloadInputError(
            f"op {op.name!r}: an element of {op.bits} bits needs as many columns; machine.sram_cim.columns is "
            f"{unit.config.columns}"
        )
    m, k = (op.entries, op.d_head) if isinstance(op, AttentionScores) else (op.d_head, op.entries)
    return op.matmuls * unit.tiles(m, k, op.bits)


def swapped_bytes(unit: SramCim, residency: MacroResidency, op: AttentionMatmul) -> int:
    """Return the elements of an op that stay in memory, and are read and written into macros when it uses them.

    Args:
        unit: The macros.
        residency: Tiles of the chip.
        op: The matmul.

    Returns:
        Bytes, without scales.
    """
    tiles = op_tiles(unit, op)
    return ceil_div(element_bytes(op) * residency.swapped_tiles(tiles), tiles)


def kept_bytes(config: Config, residency: MacroResidency | None, op: Op) -> int:
    """Return the elements of an op that memory does not hold, because they stay in macros.

    Args:
        config: The config.
        residency: Tiles of the chip; None without macros.
        op: The op.

    Returns:
        Bytes.
    """
    macros = config.machine.sram_cim
    if residency is None or macros is None or not isinstance(op, AttentionMatmul):
        return 0
    if attention_unit(config, op) != "sram_cim":
        return 0
    return element_bytes(op) - swapped_bytes(SramCim(macros), residency, op)


def macro_residencies(config: Config, trace: Trace, plan: TilePlan) -> tuple[MacroResidency, ...]:
    """Divide the KV cache between the macros and the memory of each chip.

    Args:
        config: `mapping.attention` and `machine.sram_cim`.
        trace: The ops; with micro-batches, the trace of one of them.
        plan: Chips of the layers.

    Returns:
        The tiles of each chip; empty if the macros do not compute attention.

    Raises:
        CapacityError: If the cache does not fit and `overflow` is refuse, or the arrays of a prediction are too few.
        WorkloadInputError: If the macros cannot multiply the elements as they lie in the cache, or if it has latents.

    Reference:
        docs/near-memory.md, eq. (10).
    """
    macros = config.machine.sram_cim
    if config.mapping.attention != "sram_cim" or macros is None:
        return ()
    in_macros = [op for _, op in trace.ops() if attention_unit(config, op) == "sram_cim"]
    if any(isinstance(op, LatentScores | LatentValues) for op in in_macros):
        raise WorkloadInputError(
            f"mapping.attention=sram_cim: {trace.model} keeps the latents of multi-head latent attention, which macros "
            "do not hold as keys and as values at the same time; set mapping.attention to systolic or near_memory"
        )
    unit = SramCim(macros)
    needed: list[int] = []
    layers_of: dict[int, Counter[str]] = {}
    for block, layers in zip(trace.blocks, plan.blocks, strict=True):
        tiles = 0
        for op in block.ops:
            if isinstance(op, AttentionMatmul) and attention_unit(config, op) == "sram_cim":
                check_in_place(config, op)
                tiles += op_tiles(unit, op)
        for layer in layers:
            needed += [0] * (layer.chip + 1 - len(needed))
            needed[layer.chip] += config.mapping.microbatches * layer.repeat * tiles
            layers_of.setdefault(layer.chip, Counter())[block.name] += layer.repeat
    if macros.overflow == "refuse":
        _refuse(unit, trace, needed)
    held = unit.capacity_tiles(swapping=False), unit.capacity_tiles(swapping=True)
    codes = code_sizes(config, trace, layers_of)
    return tuple(
        MacroResidency(tiles, tiles if tiles <= held[0] else held[1], *codes.get(chip, (0, 0)))
        for chip, tiles in enumerate(needed)
    )


def prompt_notes(config: Config) -> tuple[str, ...]:
    """Say that the attention of prompts is not computed by the unit of `mapping.attention`.

    Args:
        config: The config.

    Returns:
        One sentence; none if one component computes all attention.
    """
    unit = config.mapping.attention
    if unit in ("systolic", "processor"):
        return ()
    return (f"mapping.attention={unit} is for decode steps: attention of a prompt's tokens is on the systolic array",)


def attention_notes(config: Config, trace: Trace, plan: TilePlan) -> Iterator[str]:
    """Say what the unit of `mapping.attention` does not compute, with which elements, and what the macros hold.

    Args:
        config: The config.
        trace: The ops.
        plan: Chips of the layers.

    Yields:
        At most one sentence on each.
    """
    matmuls = [op for _, op in trace.ops() if isinstance(op, AttentionMatmul)]
    if any(op.queries > 1 for op in matmuls):
        yield from prompt_notes(config)
    unit = config.mapping.attention
    if unit not in ("systolic", "processor") and any(is_expanded(op) for op in matmuls):
        yield (
            f"mapping.attention={unit} is for entries of the cache: with workload.mla=expanded, keys and values that "
            "are computed from latents in each pass are multiplied on the systolic array"
        )
    if unit == "sram_cim":
        in_macros = ((block.repeat, op) for block, op in trace.ops() if isinstance(op, AttentionMatmul))
        yield from prediction_notes(
            config, trace, (each for each in in_macros if attention_unit(config, each[1]) == unit)
        )
    yield from element_notes(config, trace)
    yield from processor_notes(config)
    macros = macro_residencies(config, trace, plan)
    needed, kept = (sum(getattr(each, name) for each in macros) for name in ("needed", "kept"))
    if kept < needed:
        yield (
            f"the compute-in-memory macros hold {kept:,} of {needed:,} tiles of the KV cache ({kept / needed:.1%}); "
            "the rest is read from memory and written into machine.sram_cim.swap_macros macros whenever it is used"
        )


def _refuse(unit: SramCim, trace: Trace, needed: Sequence[int]) -> None:
    """Refuse a cache that is larger than the macros.

    Args:
        unit: The macros.
        trace: The ops.
        needed: Tiles of each chip.

    Raises:
        CapacityError: If a chip needs more tiles than its macros hold.
    """
    config, held = unit.config, unit.capacity_tiles(swapping=False)
    if max(needed, default=0) <= held:
        return
    chip = next(index for index, tiles in enumerate(needed) if tiles > held)
    where = f" on chip {chip + 1} of {len(needed)}" if len(needed) > 1 else ""
    least = ceil_div(needed[chip], config.groups)
    raise CapacityError(
        f"the KV cache of {trace.model} at {trace.context_length:,} tokens needs {needed[chip]:,} tiles of "
        f"{config.active_rows} x {config.columns} cells{where}; machine.sram_cim.macros={config.macros:,} hold "
        f"{held:,}. Set macros to at least {least:,}, or machine.sram_cim.overflow to swap"
    )
