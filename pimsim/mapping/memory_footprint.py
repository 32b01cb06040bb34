"""What the memory of each chip holds: weights, KV caches and activations, and whether it is large enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pimsim.base.errors import CapacityError
from pimsim.config.schema import Config, MachineConfig
from pimsim.hardware.component import ceil_div
from pimsim.mapping.macro_residency import kept_bytes, macro_residencies
from pimsim.mapping.op_sizes import DIGITAL_BYTES, activation_bits, packed_bytes, stored_bytes, sum_widths
from pimsim.mapping.rom_capacity import check_rom_capacity, in_rom, on_die_bytes
from pimsim.mapping.tile_plan import TilePlan
from workloads.ops import (
    BLOCK_INPUT,
    Activation,
    AttentionMatmul,
    AttentionScores,
    Dequantise,
    Op,
    Projection,
    Quantise,
    Residual,
    Softmax,
)
from workloads.trace import Block, Trace

_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclass(frozen=True, slots=True)
class MemoryFootprint:
    """Sizes of what the memory of one chip holds.

    Attributes:
        weight_bytes: Weights and embedding tables that the run reads from memory, swapped layers included.
        kv_bytes: KV caches of the chip's layers for all sequences.
        activation_bytes: Activations that exceed the global buffer.
        loaded_bytes: Weights that crossbars keep; they are in memory before the run, when they are loaded.
        spilled_bytes: Activations that exceed the global buffer, summed over the layers; 0 if activations are in memory
            anyway and their way is counted.
    """

    weight_bytes: int = 0
    kv_bytes: int = 0
    activation_bytes: int = 0
    loaded_bytes: int = 0
    spilled_bytes: int = 0

    @property
    def run_bytes(self) -> int:
        """Bytes that the run needs at once."""
        return self.weight_bytes + self.kv_bytes + self.activation_bytes


def memory_footprints(
    config: Config, trace: Trace, plan: TilePlan, vectors: Callable[[Block], int] = lambda _: 1
) -> tuple[MemoryFootprint, ...]:
    """Compute what the memory of each chip holds.

    Weights that crossbars keep are in memory only while they are loaded, before there is a KV cache: the cells keep
    them without power. Activations are in the global buffer as far as it holds them. Scores and probabilities are made
    and used row by row, and are not counted. Keys and values of a prompt that the KV cache does not keep are in memory
    while their layer is computed; they count as activations.

    Args:
        config: Machine and mapping.
        trace: The ops; with micro-batches, the trace of one of them.
        plan: Tiles of its weight matrices.
        vectors: Factor of the activations of a block, for the trace of one token in place of one with as many tokens.

    Returns:
        One footprint per chip that holds layers, in order.

    Raises:
        CapacityError: If the weights of a machine with ROM do not fit in it.

    Reference:
        docs/model.md, eq. (49).
    """
    check_rom_capacity(config, trace)
    chips: list[MemoryFootprint] = []
    macros = macro_residencies(config, trace, plan)
    batches, buffer_bytes = config.mapping.microbatches, config.machine.sram.capacity_bytes
    if config.mapping.projection_activations != "global_buffer" or config.machine.processor is not None:
        buffer_bytes = 0
    for block, layers, entering in zip(trace.blocks, plan.blocks, _block_inputs(trace), strict=True):
        of_one = live_bits(block.ops, entering, sum_widths(config, block.ops))
        live_bytes = ceil_div(vectors(block) * batches * of_one * activation_bits(config), 64 * DIGITAL_BYTES)
        for layer in layers:
            chips += [MemoryFootprint()] * (layer.chip + 1 - len(chips))
            held = chips[layer.chip]
            weights = kv = loaded = passing = 0
            for op in block.ops:
                match op:
                    case Projection() if op.name in layer.matrices and not layer.swapped:
                        loaded += packed_bytes(config, op.weights, layer.matrices[op.name].weights)
                    case Projection() if op.name in layer.matrices:
                        weights += packed_bytes(config, op.weights, layer.matrices[op.name].weights)
                    case Projection():
                        weights += 0 if in_rom(config, op) else stored_bytes(config, op)
                    case _:
                        weights += op.parameter_bytes
                        kv += op.cache_bytes - kept_bytes(config, macros[layer.chip] if macros else None, op)
                        kv -= on_die_bytes(config, op)
                        passing += op.passing_bytes if isinstance(op, AttentionMatmul) else 0
            chips[layer.chip] = replace(
                held,
                weight_bytes=held.weight_bytes + layer.repeat * weights,
                kv_bytes=held.kv_bytes + layer.repeat * batches * kv,
                spilled_bytes=held.spilled_bytes
                + layer.repeat * (max(0, live_bytes - buffer_bytes) if buffer_bytes else 0),
                activation_bytes=max(held.activation_bytes, max(0, live_bytes - buffer_bytes) + batches * passing),
                loaded_bytes=held.loaded_bytes + layer.repeat * loaded,
            )
    return tuple(chips)


def spilled_activations(config: Config, trace: Trace, plan: TilePlan) -> Callable[[Callable[[Block], int]], int]:
    """Return a function that computes only the activations beyond the global buffer, many times for one trace.

    Args:
        config: Machine and mapping.
        trace: The ops of one token.
        plan: Tiles of its weight matrices.

    Returns:
        Function of the factor of the activations of a block, as in `memory_footprints`, which returns the sum of
        `spilled_bytes` over all chips.
    """
    batches, buffer_bytes = config.mapping.microbatches, config.machine.sram.capacity_bytes
    in_memory = config.mapping.projection_activations != "global_buffer" or config.machine.processor is not None
    if in_memory or not buffer_bytes:
        return lambda vectors: 0
    blocks = [
        (
            block,
            sum(layer.repeat for layer in layers),
            batches * live_bits(block.ops, entering, sum_widths(config, block.ops)),
        )
        for block, layers, entering in zip(trace.blocks, plan.blocks, _block_inputs(trace), strict=True)
    ]
    return lambda vectors: sum(
        repeat * max(0, ceil_div(vectors(block) * of_one, 8) - buffer_bytes) for block, repeat, of_one in blocks
    )


def total_footprint(footprints: Sequence[MemoryFootprint]) -> MemoryFootprint:
    """Add the footprints of all chips.

    Args:
        footprints: One per chip.

    Returns:
        Their sums.
    """
    return MemoryFootprint(
        weight_bytes=sum(each.weight_bytes for each in footprints),
        kv_bytes=sum(each.kv_bytes for each in footprints),
        activation_bytes=sum(each.activation_bytes for each in footprints),
        loaded_bytes=sum(each.loaded_bytes for each in footprints),
        spilled_bytes=sum(each.spilled_bytes for each in footprints),
    )


def check_memory_capacity(machine: MachineConfig, model: str, footprints: Sequence[MemoryFootprint]) -> None:
    """Check that the memory of each chip holds what it must.

    Args:
        machine: Section of a config. Its `memory.capacity_bytes` is the limit; a memory from outside the package has
            none.
        model: Name of the model or trace, for the error message.
        footprints: What the memory of each chip holds.

    Raises:
        CapacityError: If a memory is too small; the message gives the size that the run needs and its three parts.
    """
    capacity = machine.memory.capacity_bytes
    if capacity is None or "memory" in machine.outside:
        return
    for chip, each in enumerate(footprints):
        where = f" on chip {chip + 1} of {len(footprints)}" if len(footprints) > 1 else ""
        if each.run_bytes > capacity:
            parts = (
                f"weights {size_text(each.weight_bytes)}, KV cache {size_text(each.kv_bytes)}, activations beyond the "
                f"global buffer {size_text(each.activation_bytes)}"
            )
            least = max(each.run_bytes, each.loaded_bytes)
            raise CapacityError(_too_small(f"{model} needs", each.run_bytes, where, parts, capacity, least))
        if each.loaded_bytes > capacity:
            parts = "all weights that are loaded into its crossbars"
            least = each.loaded_bytes
            raise CapacityError(_too_small(f"loading {model} needs", each.loaded_bytes, where, parts, capacity, least))


def _too_small(what: str, needed: int, where: str, parts: str, capacity: int, least: int) -> str:
    why = ""
    if least > needed:
        why = f" ({size_text(least)}), which the weights of its crossbars need in memory while they are loaded"
    return (
        f"{what} {size_text(needed)} ({needed:,} bytes) of memory{where} ({parts}); machine.memory.capacity_bytes is "
        f"{capacity:,} ({size_text(capacity)}). Set it to at least {least}{why}, or to null for no limit"
    )


def size_text(size_bytes: int) -> str:
    """Format a size for an error message.

    Args:
        size_bytes: Bytes.

    Returns:
        Text such as "1.37 TB", with decimal prefixes.
    """
    for factor, unit in _UNITS:
        if size_bytes >= factor:
            return f"{size_bytes / factor:.3g} {unit}"
    return f"{size_bytes} B"


def _block_inputs(trace: Trace) -> list[int]:
    """Return the elements of the input of each block: the output of the block before it.

    Args:
        trace: The blocks.

    Returns:
        Elements; the input of the first block is taken to be as large as its output.
    """
    outputs = [block.ops[-1].output_elements for block in trace.blocks]
    return [outputs[0], *outputs[:-1]]


def live_bits(ops: Sequence[Op], entering: int, sums: Mapping[str, int]) -> int:
    """Return the largest size of elements that are live at once: made or read by an op, or needed by a later one.

    Args:
        ops: Ops of a block, in order.
        entering: Elements of the input of the block.
        sums: Bits of the sums of matmuls by name, as `sum_widths` returns; other elements have `DIGITAL_BYTES`.

    Returns:
        Bits, without scores and probabilities of attention, quantised or not.
    """
    by_row: set[str] = set()
    last_use = {name: index for index, op in enumerate(ops) for name in op.inputs}
    live, most = {BLOCK_INPUT: 8 * DIGITAL_BYTES * entering}, 0
    for index, op in enumerate(ops):
        if isinstance(op, AttentionScores | Softmax) or (
            isinstance(op, Quantise | Dequantise | Activation | Residual) and op.inputs[0] in by_row
        ):
            by_row.add(op.name)
        bits = sums.get(op.name, 8 * DIGITAL_BYTES)
        live[op.name] = 0 if op.name in by_row else bits * op.output_elements
        most = max(most, sum(live.values()))
        live = {name: size for name, size in live.items() if last_use.get(name, index + 1) > index}
    return most
