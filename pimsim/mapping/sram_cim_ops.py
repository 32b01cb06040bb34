"""Mapping of attention matmuls, and of appends to the KV cache, to compute-in-memory macros of SRAM."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.hardware.component import ceil_div
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.sram_cim import CimMatmulShare, CimWriteShare
from pimsim.mapping.kv_in_place import check_in_place, scale_bytes
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.macro_residency import EVERYTHING, op_tiles, swapped_bytes
from pimsim.mapping.op_sizes import DIGITAL_BYTES
from pimsim.mapping.predicted_entries import computed_part
from pimsim.mapping.prediction_ops import ranked, skipped
from pimsim.mapping.program import Assignment, Constraints, Resource
from workloads.ops import AttentionMatmul, KVAppend


def sram_cim_attention(layer: LayerMapping, op: AttentionMatmul) -> Iterator[Assignment]:
    """Map an attention matmul to macros.

    With a prediction, only the entries that it chooses are read and multiplied; with one by exact scores, all keys are.
    Scales stay in memory and are read as usual. Elements that do not stay in the macros are read from memory, too, and
    written into macros, through the global buffer or past it.

    Args:
        layer: State of the layer; the op has one slice.
        op: The matmul of a decode step.

    Yields:
        The issue, the prediction, the transfer from memory, the matmuls, and the buffer accesses.

    Raises:
        WorkloadInputError: If the cached elements must be converted before they are multiplied.

    Reference:
        docs/near-memory.md.
    """
    check_in_place(layer.config, op)
    machine = layer.machine
    unit = machine.sram_cim
    assert unit is not None  # the config refuses sram_cim without macros
    layer.slices[op.name] = 1
    residency = layer.macros or EVERYTHING
    computed = computed_part(layer.config, unit, op)
    swapped, shape = swapped_bytes(unit, residency, computed), computed.matmul
    output_bytes = ceil_div(layer.sums.get(op.name, 8 * DIGITAL_BYTES), 8)
    share = CimMatmulShare(
        shape.m,
        shape.n,
        shape.k,
        shape.count,
        op.bits,
        8 * DIGITAL_BYTES,
        8 * output_bytes,
        swapped=residency.swapped_tiles(op_tiles(unit, computed)),
        swapped_bits=8 * swapped,
    )
    yield from (issue := layer.issue(op.name, shape.count))
    needs: tuple[str, ...] = (issue[-1].name, *(layer.slice_of(each, 0, 1) for each in op.inputs))
    exact = machine.prediction is not None and machine.prediction.config.method == "exact"
    chosen: tuple[str, ...] = () if computed is op else needs  # what is read from memory depends on the choice
    if not exact and (ranking := tuple(ranked(layer, op, needs))):
        yield from ranking
        needs = chosen = (*needs, f"{op.name}.ranking")
    buffered = swapped if unit.config.swap_path == "global_buffer" else 0
    loaded = buffered + scale_bytes(computed)
    for name, size, through_buffer in ((f"{op.name}.operand", loaded, True), (f"{op.name}.swap", swapped, False)):
        if size and (through_buffer or not buffered):
            yield layer.memory_request(name, MemoryShare(size), chosen, buffered=through_buffer)
            needs = (*needs, name)
    inputs, outputs = (bits // 8 for bits in unit.bus_bits(share))
    computing = Constraints(needs, Resource(unit.name))
    yield Assignment(f"{op.name}[0]", unit, share, computing, layer.stream(inputs + buffered, outputs))
    if exact:
        yield from ranked(layer, op, (f"{op.name}[0]",))
    if computed is not op:
        yield skipped(layer, op, computed, (f"{op.name}[0]",))
    yield layer.streamed(op, inputs + buffered, outputs + loaded)


def appends_to_macros(layer: LayerMapping) -> bool:
    """Return whether new keys and values are written into macros in place of memory.

    Args:
        layer: State of the layer.

    Returns:
        True if the whole cache of the chip stays in macros. Otherwise the newest entries are in memory.
    """
    return layer.macros is not None and layer.macros.needed > 0 and layer.macros.whole


def sram_cim_append(layer: LayerMapping, op: KVAppend) -> Iterator[Assignment]:
    """Write new keys and values into macros, and their scales to memory.

    Args:
        layer: State of the layer.
        op: The append of a decode step.

    Yields:
        The issue, the writes and the buffer accesses.
    """
    unit = layer.machine.sram_cim
    assert unit is not None
    yield from (issue := layer.issue(op.name))
    needs = (issue[-1].name, *op.inputs)
    scales = min(op.bytes, ceil_div(2 * op.tokens * op.kv_heads * op.step_bits, 8))
    written = op.bytes - scales
    if scales:
        yield layer.memory_request(f"{op.name}.scales", MemoryShare(scales, write=True), needs)
    share = CimWriteShare(8 * written, 2 * op.tokens * op.kv_heads)
    writing = Constraints(needs, Resource(unit.name))
    yield Assignment(f"{op.name}[0]", unit, share, writing, layer.stream(written, 0))
    yield layer.streamed(op, op.bytes, 0)
