"""Mapping of ops to a processor that computes every op of a machine: one assignment for each op.

The share of an op states what any such processor needs; all of it follows from the trace and the mapping.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from pimsim.base.errors import WorkloadInputError
from pimsim.hardware.causal_mask import CausalMask
from pimsim.hardware.component import ceil_div
from pimsim.hardware.op_share import OpKind, OpShare
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.op_sizes import activation_bits, stored_bytes
from pimsim.mapping.program import Assignment, Constraints, Resource
from workloads.expert_ops import ExpertChoice, ExpertSum, GroupedProjection
from workloads.kv_ops import SUM_BYTES, KVAccumulate, KVEvict
from workloads.latent_ops import LatentAppend, LatentRead, ScratchWrite
from workloads.ops import (
    Activation,
    AttentionMatmul,
    AttentionScores,
    Dequantise,
    Embedding,
    KVAppend,
    Multiply,
    Norm,
    Op,
    Projection,
    Quantise,
    Residual,
    Rotary,
    Softmax,
)

PASSES = {"norm": 2, "softmax": 3, "rotary": 2, "quantise": 2}
"""Passes over a vector of the kinds that need several, as on the vector unit (softmax: exact)."""


def processor_assignments(layer: LayerMapping, op: Op) -> Iterator[Assignment]:
    """Map an op to the processor of the machine.

    Args:
        layer: State of the layer; the mask of the op, and whether its output is scores, are added to it.
        op: The op.

    Yields:
        One assignment.

    Raises:
        WorkloadInputError: If the op is of a kind that a processor cannot know.
    """
    processor = layer.machine.processor
    assert processor is not None
    needs = Constraints(op.inputs, Resource(processor.name))
    yield Assignment(f"{op.name}[0]", processor, op_share(layer, op), needs)


def op_share(layer: LayerMapping, op: Op) -> OpShare:
    """Describe an op to a processor.

    Args:
        layer: State of the layer; the mask of the op, and whether its output is scores, are added to it.
        op: The op.

    Returns:
        Shapes, precisions, operations and bytes.

    Raises:
        WorkloadInputError: If the op is of a kind that a processor cannot know.
    """
    match op:
        case Projection():
            return _projection(layer, op)
        case AttentionMatmul():
            return _attention(layer, op)
        case KVAppend() | LatentAppend():
            return OpShare(
                "append",
                op.kind,
                vectors=op.tokens,
                elements=op.rank + op.d_rope if isinstance(op, LatentAppend) else 2 * op.kv_heads * op.d_head,
                cache_bits=op.bits,
                cache_read_bytes=op.read_bytes,
                cache_write_bytes=op.bytes,
            )
        case Embedding():
            return _moved(layer, op, "embedding", op.vectors, op.elements, weight_bytes=op.bytes)
        case LatentRead():
            return _moved(layer, op, "read", op.tokens, op.rank + op.d_rope, cache_read_bytes=op.bytes)
        case ScratchWrite():
            return _moved(layer, op, "write", op.vectors, op.elements, cache_write_bytes=op.bytes)
        case KVEvict() | KVAccumulate():
            return _kept_tokens(layer, op)
        case _:
            return _vectors(layer, op)


def counted_macs(layer: LayerMapping, op: Op) -> int:
    """Return the multiply-accumulates of an op, the same for every machine.

    Args:
        layer: State of the layer.
        op: The op.

    Returns:
        Those of the op; of attention with a causal mask those of the scores that exist, as `mapping.masked_folds` says.
        What a machine computes besides, such as masked products in a fold of a systolic array, is not among them.
    """
    if isinstance(op, AttentionMatmul) and (mask := _mask(layer, op)) is not None:
        return op.matmuls * mask.heads * mask.scores * op.d_head
    return op.macs


def _projection(layer: LayerMapping, op: Projection) -> OpShare:
    loads = Counter(op.loads) if isinstance(op, GroupedProjection) else Counter({op.vectors: 1})
    used = loads.total() * op.in_features * op.out_features  # of the experts those that have vectors
    bits, out_bits = activation_bits(layer.config), _output_bits(layer, op)
    inputs = op.input_elements or op.vectors * op.in_features
    return OpShare(
        "projection",
        op.role,
        outputs=op.out_features,
        inputs=op.in_features,
        loads=tuple(sorted(loads.items(), reverse=True)),
        weight_bits=op.weight_bits,
        input_bits=bits,
        output_bits=out_bits,
        macs=op.macs,
        weight_bytes=stored_bytes(layer.config, op, used),
        input_bytes=ceil_div(inputs * bits, 8),
        output_bytes=ceil_div(op.vectors * op.out_features * out_bits, 8),
    )


def _attention(layer: LayerMapping, op: AttentionMatmul) -> OpShare:
    scores, mask = isinstance(op, AttentionScores), _mask(layer, op)
    if scores:
        layer.of_scores.add(op.name)
        if mask is not None:
            layer.masks[op.name] = mask
    bits, out_bits = activation_bits(layer.config), _output_bits(layer, op)
    rows = op.matmuls * op.queries_per_kv_head
    on_chip = op.matmuls * mask.heads * mask.scores if mask is not None else rows * op.context
    read, written = (rows * op.d_head, on_chip) if scores else (on_chip, rows * op.d_head)
    return OpShare(
        "scores" if scores else "values",
        op.kind,
        outputs=op.entries if scores else op.d_head,
        inputs=op.d_head if scores else op.entries,
        loads=((op.queries_per_kv_head, op.matmuls),),
        queries=op.queries,
        heads=op.heads // op.kv_heads,
        sequences=op.sequences,
        input_bits=bits,
        cache_bits=op.bits,
        output_bits=out_bits,
        macs=counted_macs(layer, op),
        cache_read_bytes=op.kv_bytes,
        input_bytes=ceil_div(read * bits, 8),
        output_bytes=ceil_div(written * out_bits, 8),
    )


def _mask(layer: LayerMapping, op: AttentionMatmul) -> CausalMask | None:
    """Return the scores of an attention matmul that exist, if the others are not computed."""
    if layer.config.mapping.masked_folds == "computed" or not 1 < op.queries <= op.entries:
        return None
    return CausalMask(op.queries, op.context, op.entries, op.heads // op.kv_heads)


def _kept_tokens(layer: LayerMapping, op: KVEvict | KVAccumulate) -> OpShare:
    mask = layer.masks.get(op.inputs[0])
    if isinstance(op, KVEvict) and mask is not None and op.context < mask.context:
        layer.masks[op.name] = replace(mask, context=op.context)
    written = SUM_BYTES * op.kept_sums if isinstance(op, KVAccumulate) else 0
    return OpShare(
        "accumulate" if isinstance(op, KVAccumulate) else "evict",
        op.kind,
        vectors=op.vectors,
        elements=op.elements,
        passes=1,
        operands=1,
        size=op.vectors * op.elements,
        on_scores=isinstance(op, KVAccumulate),
        input_bits=activation_bits(layer.config),
        cache_read_bytes=SUM_BYTES * op.read_sums,
        cache_write_bytes=written,
    )


def _moved(
    layer: LayerMapping,
    op: Op,
    kind: OpKind,
    vectors: int,
    elements: int,
    *,
    weight_bytes: int = 0,
    cache_read_bytes: int = 0,
    cache_write_bytes: int = 0,
) -> OpShare:
    """Describe an op that only moves vectors between memory and the processor.

    Args:
        layer: State of the layer.
        op: The op.
        kind: Its kind.
        vectors: Vectors that are moved.
        elements: Elements of a vector.
        weight_bytes: Bytes of a table that are read.
        cache_read_bytes: Bytes of the cache that are read.
        cache_write_bytes: Bytes that are written.

    Returns:
        Its share.
    """
    bits, reads = activation_bits(layer.config), not cache_write_bytes
    size_bytes = ceil_div(vectors * elements * bits, 8)
    return OpShare(
        kind,
        op.kind,
        vectors=vectors,
        elements=elements,
        size=vectors * elements,
        input_bits=bits,
        output_bits=bits,
        weight_bytes=weight_bytes,
        cache_read_bytes=cache_read_bytes,
        cache_write_bytes=cache_write_bytes,
        input_bytes=0 if reads else size_bytes,
        output_bytes=size_bytes if reads else 0,
    )


def _vectors(layer: LayerMapping, op: Op) -> OpShare:
    """Describe an op on vectors: norms, softmax and elementwise functions.

    Args:
        layer: State of the layer; the mask of the op, and whether its output is scores, are added to it.
        op: The op.

    Returns:
        Its share.

    Raises:
        WorkloadInputError: If the op is of a kind that a processor cannot know.
    """
    kind: OpKind = "elementwise"
    label, operands, out_bits = op.kind, 1, activation_bits(layer.config)
    passes, in_bits = PASSES.get(op.kind, 1), out_bits
    match op:
        case Norm():
            kind, label, vectors, elements = "norm", op.norm, op.vectors, op.elements
        case Softmax():
            kind, vectors, elements = "softmax", op.rows, op.row_length
        case Residual() | Multiply():
            vectors, elements, operands = op.vectors, op.elements, 2
        case Dequantise():
            vectors, elements = op.vectors, op.elements
            in_bits = max(in_bits, layer.sums.get(op.inputs[0], in_bits))
        case Activation():
            vectors, elements, label = op.vectors, op.elements, op.function
        case Rotary() | Quantise():
            vectors, elements = op.vectors, op.elements
        case ExpertChoice():
            vectors, elements, passes = op.vectors, op.elements, op.chosen
        case ExpertSum():
            vectors, elements, passes, operands = op.vectors, op.elements, op.terms, op.terms
        case _:
            raise WorkloadInputError(
                f"op {op.name!r}: machine.{layer.config.machine.processor} computes the ops of decoders, and none of "
                f"the registered kind {op.kind!r}; run the trace on a machine with components"
            )
    mask = _mask_of_rows(layer, op, vectors, elements)
    size = vectors * elements if mask is None else vectors // mask.queries * mask.scores
    return OpShare(
        kind,
        label,
        vectors=vectors,
        elements=elements,
        passes=passes,
        operands=operands,
        size=size,
        on_scores=op.name in layer.of_scores,
        input_bits=in_bits,
        output_bits=out_bits,
        input_bytes=ceil_div(size * operands * in_bits, 8),
        output_bytes=ceil_div(size * out_bits, 8),
    )


def _mask_of_rows(layer: LayerMapping, op: Op, vectors: int, elements: int) -> CausalMask | None:
    """Return the mask of an op on rows of scores, and note that its output is rows of scores, too."""
    if any(name in layer.of_scores for name in op.inputs):
        layer.of_scores.add(op.name)
    masks = (mask for name in op.inputs if (mask := layer.masks.get(name)) is not None)
    mask = next((mask for mask in masks if elements == mask.context and vectors % mask.queries == 0), None)
    if mask is not None:
        layer.masks[op.name] = mask
    return mask


def _output_bits(layer: LayerMapping, op: Op) -> int:
    bits = activation_bits(layer.config)
    return max(bits, layer.sums.get(op.name, bits))
