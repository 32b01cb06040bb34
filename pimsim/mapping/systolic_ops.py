"""Mapping of projections and attention matmuls to the systolic array, with operands streamed from memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from pimsim.hardware.causal_mask import CausalMask
from pimsim.hardware.component import ceil_div
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.shared.port import Stream
from pimsim.hardware.systolic import MatmulShare, Systolic
from pimsim.mapping.kv_ops_mapping import conversion, converted_bytes
from pimsim.mapping.kv_tier_ops import operand_requests, recomputed
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.occupancy import STREAM
from pimsim.mapping.op_sizes import DIGITAL_BYTES
from pimsim.mapping.operand_loads import projection_traffic
from pimsim.mapping.program import Assignment, Constraints, Resource
from workloads.expert_ops import GroupedProjection
from workloads.latent_ops import LatentScores, LatentValues
from workloads.ops import AttentionMatmul, AttentionScores, MatmulOp, Projection

APPENDS = ("kv_append", "key_append", "value_append")
"""Names of the ops that write the entries which an attention op reads, without the number of a group."""


def systolic_projection(layer: LayerMapping, op: Projection) -> Iterator[Assignment]:
    """Map a projection to the systolic array: stream its weights through the global buffer, then multiply.

    With `mapping.projection_activations` other than global_buffer, its inputs are loaded first, and its outputs stored
    last.

    Args:
        layer: State of the layer.
        op: The projection; 1-bit weights have `mapping.weight_storage_bits` bits in memory.

    Returns:
        An iterator over the assignments.
    """
    if isinstance(op, GroupedProjection):
        return _grouped_projection(layer, op)
    traffic = projection_traffic(layer.config, op)
    return _streamed_matmul(layer, op, traffic.weight_bytes, moved=(traffic.input_bytes, traffic.output_bytes))


def attention(layer: LayerMapping, op: AttentionMatmul) -> Iterator[Assignment]:
    """Map an attention matmul: stream K or V through the global buffer, then multiply, KV head by KV head.

    The K or V entries of a decode step are from earlier steps, so the transfer waits only for space in the global
    buffer. A prefill reads entries that it has just written, so the transfer waits for the append as well.

    Args:
        layer: State of the layer; the number of slices of the op is added to it.
        op: The matmul.

    Returns:
        An iterator over the assignments.
    """
    heads, mask = op.matmul.count, causal_mask(layer, op)
    if mask is not None and isinstance(op, AttentionScores):
        layer.masks[op.name] = mask
    most = min(heads, layer.config.mapping.attention_slices) if layer.overlapping else 1
    layer.slices[op.name] = next(slices for slices in range(most, 0, -1) if heads % slices == 0)
    written_now = tuple(name for name in op.inputs if name.partition(":")[0] in APPENDS) if op.queries > 1 else ()
    if isinstance(op, LatentScores | LatentValues) and op.expanded:  # written in this pass, also in a decode step
        written_now = (op.inputs[-1],)
    return _streamed_matmul(layer, op, ceil_div(op.kv_bytes, heads), heads, layer.slices[op.name], written_now)


def causal_mask(layer: LayerMapping, op: AttentionMatmul) -> CausalMask | None:
    """Return the scores of an attention matmul that exist, if the others are not computed.

    Args:
        layer: State of the layer; `mapping.masked_folds` says whether masked folds are computed.
        op: The matmul.

    Returns:
        The mask; None if all products are computed, because they exist, because the config says so, or because the
        array is not the one of this package.
    """
    if layer.config.mapping.masked_folds == "computed" or not isinstance(layer.machine.systolic, Systolic):
        return None
    if not 1 < op.queries <= op.entries:
        return None
    return CausalMask(op.queries, op.context, op.entries, op.heads // op.kv_heads)


def _matmul_share(layer: LayerMapping, op: MatmulOp) -> MatmulShare:
    """Return all matmuls of an op as a share of the systolic array, without the products that are not computed."""
    shape = op.matmul
    output_bytes = ceil_div(layer.sums.get(op.name, 8 * DIGITAL_BYTES), 8)
    share = MatmulShare(shape.m, shape.n, shape.k, shape.count, output_bytes=output_bytes)
    mask = causal_mask(layer, op) if isinstance(op, AttentionMatmul) else None
    if mask is None:
        return share
    if isinstance(op, AttentionScores):
        return replace(share, m=mask.entries, mask=mask, entries_axis="m")
    return replace(share, k=mask.entries, mask=mask, entries_axis="k")


def _streamed_matmul(
    layer: LayerMapping,
    op: MatmulOp,
    operand_bytes: int,
    operands: int = 1,
    slices: int = 1,
    after: tuple[str, ...] = (),
    moved: tuple[int, int] = (0, 0),
) -> Iterator[Assignment]:
    """Map matmuls whose stationary operands are streamed from memory.

    Args:
        layer: State of the layer.
        op: The op with the shape and number of its matmuls.
        operand_bytes: Bytes per operand.
        operands: Number of operands; each belongs to as many matmuls.
        slices: Number of slices of the op; each has an equal share of operands and matmuls.
        after: Ops that must end before a transfer.
        moved: Bytes of the inputs that are loaded from memory, and of the outputs that are stored there; an op with
            such bytes has one slice.

    Yields:
        The issue, then for each slice its transfers and matmuls, then the buffer accesses.
    """
    loaded, stored = moved
    machine, whole = layer.machine, _matmul_share(layer, op)
    matmul = whole if slices == 1 else replace(whole, count=whole.count // slices)
    yield from (issue := layer.issue(op.name, whole.count))
    for index in range(slices):
        inputs = tuple(layer.slice_of(each, index, slices) for each in op.inputs)
        if loaded:
            loading = MemoryShare(loaded, interface="activations")
            yield layer.memory_request(f"{op.name}.input", loading, inputs)
            inputs = (f"{op.name}.input",)
        before: tuple[str, ...] = ()
        pieces = _pieces(layer, matmul, operand_bytes, operands // slices)
        for number, (transfer, folds) in enumerate(pieces):
            last = number == len(pieces) - 1
            suffix = f"[{index}]" if last else f"[{index}.{number}]"
            operand = f"{op.name}.operand{suffix}"
            yield from (requests := operand_requests(layer, op, operand, transfer, after))
            arrived = tuple(each.name for each in requests)
            if isinstance(op, AttentionMatmul):
                at = index * len(pieces) + number, slices * len(pieces)
                if (converting := conversion(layer, op, arrived, suffix, at)) is not None:
                    yield converting
                    inputs = (*inputs, converting.name)
            needs = (issue[-1].name, *arrived, *recomputed(layer, op), *inputs, *before)
            computing = Constraints(needs, Resource(machine.systolic.name), closes=(operand,))
            yield Assignment(f"{op.name}{suffix}", machine.systolic, folds, computing, _accesses(layer, folds))
            before = (f"{op.name}{suffix}",)
    if stored:
        yield layer.memory_request(f"{op.name}.output", MemoryShare(stored, write=True), (f"{op.name}[0]",))
    read_bytes, write_bytes = machine.systolic.operand_bytes(whole)
    if isinstance(op, AttentionMatmul):
        unpacked, packed = converted_bytes(op)
        read_bytes, write_bytes = read_bytes + unpacked, write_bytes + packed
    yield layer.streamed(op, read_bytes + stored, write_bytes + operand_bytes * operands + loaded, slices)


def _grouped_projection(layer: LayerMapping, op: GroupedProjection) -> Iterator[Assignment]:
    """Map products with several matrices of one shape, such as experts, one after another.

    Matrices with most vectors are the first. Only the weights of matrices that have vectors are streamed.

    Args:
        layer: State of the layer.
        op: The products.

    Yields:
        The issue, then for all matrices with equally many vectors the transfers of their weights and the matmuls, then
        the buffer accesses.
    """
    machine = layer.machine
    rounds = sorted(Counter(op.loads).items(), reverse=True)
    single = [(projection_traffic(layer.config, op.single(vectors)), count) for vectors, count in rounds]
    loaded = sum(count * traffic.input_bytes for traffic, count in single)
    stored = sum(count * traffic.output_bytes for traffic, count in single)
    yield from (issue := layer.issue(op.name, len(op.loads)))
    inputs = op.inputs
    if loaded:
        yield layer.memory_request(f"{op.name}.input", MemoryShare(loaded, interface="activations"), inputs)
        inputs = (f"{op.name}.input",)
    output_bytes = ceil_div(layer.sums.get(op.name, 8 * DIGITAL_BYTES), 8)
    read_bytes = write_bytes = 0
    for index, ((vectors, count), (traffic, _)) in enumerate(zip(rounds, single, strict=True)):
        matmul = MatmulShare(op.out_features, vectors, op.in_features, count, output_bytes=output_bytes)
        before: tuple[str, ...] = ()
        pieces = _pieces(layer, matmul, traffic.weight_bytes, count)
        for number, (transfer, folds) in enumerate(pieces):
            suffix = f"[{index}]" if number == len(pieces) - 1 else f"[{index}.{number}]"
            operand = f"{op.name}.operand{suffix}"
            yield layer.memory_request(operand, transfer, (), opens=Resource(STREAM))
            needs = (issue[-1].name, operand, *inputs, *before)
            computing = Constraints(needs, Resource(machine.systolic.name), closes=(operand,))
            yield Assignment(f"{op.name}{suffix}", machine.systolic, folds, computing, _accesses(layer, folds))
            before = (f"{op.name}{suffix}",)
        read, write = machine.systolic.operand_bytes(matmul)
        read_bytes, write_bytes = read_bytes + read, write_bytes + write + count * traffic.weight_bytes
    if stored:
        results = tuple(f"{op.name}[{index}]" for index in range(len(rounds)))
        yield layer.memory_request(f"{op.name}.output", MemoryShare(stored, write=True), results)
    yield layer.streamed(op, read_bytes + stored, write_bytes + loaded, len(rounds))


def _accesses(layer: LayerMapping, matmul: MatmulShare) -> Stream | None:
    """Return the accesses of the global buffer by the systolic array during matmuls.

    Args:
        layer: State of the layer.
        matmul: Matmuls; for a range of folds, the accesses are divided evenly among the folds.

    Returns:
        The accesses; None if they take no time.
    """
    systolic = layer.machine.systolic
    if matmul.folds is None:
        single = matmul if matmul.count == 1 else replace(matmul, count=1)
        return layer.stream(*systolic.operand_bytes(single), matmul.count)
    (start, stop), folds = matmul.folds, systolic.folds(matmul) * matmul.count
    read, write = (ceil_div(each * (stop - start), folds) for each in systolic.operand_bytes(matmul))
    return layer.stream(read, write)


def _pieces(
    layer: LayerMapping, matmul: MatmulShare, operand_bytes: int, operands: int
) -> tuple[tuple[MemoryShare, MatmulShare], ...]:
    """Cut the operands and matmuls of a slice into pieces that fit a finite stream buffer.

    Cuts are between folds, and a piece is at least one fold.

    Args:
        layer: State of the layer.
        matmul: Matmuls of the slice.
        operand_bytes: Bytes per operand.
        operands: Number of operands of the slice.

    Returns:
        Transfer and matmuls of each piece; one piece unless the schedule is contended.
    """
    whole = MemoryShare(operand_bytes, count=operands)
    if not layer.contended:
        return ((whole, matmul),)
    most = layer.config.machine.sram.capacity_bytes // layer.capacities[STREAM]
    systolic, total = layer.machine.systolic, operand_bytes * operands
    folds = systolic.folds(matmul) * matmul.count if isinstance(systolic, Systolic) else 1
    count = min(ceil_div(total, max(most, 1)), folds)
    if count <= 1:
        return ((whole, matmul),)
    edges = [folds * number // count for number in range(count + 1)]
    return tuple(
        (
            MemoryShare(total * stop // folds - total * start // folds),
            replace(matmul, folds=(start, stop)),
        )
        for start, stop in pairwise(edges)
    )
