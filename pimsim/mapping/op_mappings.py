"""Mapping of each kind of op: the shipped kinds, and those that are registered from outside the package, in one table.

`layer_mapping` has the state of a layer and the building blocks. `crossbar_ops`, `systolic_ops`, `vector_ops` and
`memory_ops` have the functions that map the shipped kinds, from which other mappings can be made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pimsim.base.errors import PluginError, WorkloadInputError, show
from pimsim.base.outside_code import calling
from pimsim.base.registries import Registry, load_entry_points
from pimsim.mapping.crossbar_ops import crossbar_projection
from pimsim.mapping.kv_in_place import attention_unit
from pimsim.mapping.kv_ops_mapping import kv_accumulate, kv_evict
from pimsim.mapping.latent_ops_mapping import latent_read, scratch_write
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.memory_ops import embedding, kv_append
from pimsim.mapping.near_memory_ops import near_memory_attention
from pimsim.mapping.op_sizes import DIGITAL_BYTES
from pimsim.mapping.processor_ops import processor_assignments
from pimsim.mapping.program import Assignment, Constraints, check_activities
from pimsim.mapping.sram_cim_ops import appends_to_macros, sram_cim_append, sram_cim_attention
from pimsim.mapping.systolic_ops import attention, systolic_projection
from pimsim.mapping.vector_ops import rows_op, vector_op
from workloads.expert_ops import ExpertChoice, ExpertSum, GroupedProjection
from workloads.kv_ops import KVAccumulate, KVEvict
from workloads.latent_ops import LatentAppend, LatentRead, LatentScores, LatentValues, ScratchWrite
from workloads.op_kinds import check_kind, register_kind, search_kinds, withdraw_kind
from workloads.ops import (
    Activation,
    AttentionMatmul,
    AttentionScores,
    AttentionValues,
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

NORM_PASSES = 2
"""One pass computes the statistics of a vector (sum and sum of squares together), one normalises."""

ROTARY_PASSES = 2
"""One pass computes two products per element, one adds them."""

QUANTISE_PASSES = 2
"""One pass finds the largest magnitude of a vector (of probabilities after their multiplication by the steps of the
values, which is one product per element in the same pass), one scales and rounds."""


def _projection(layer: LayerMapping, op: Projection) -> Iterator[Assignment]:
    plan = layer.plan.matrices.get(op.name)
    return systolic_projection(layer, op) if plan is None else crossbar_projection(layer, op, plan)


def _choice(layer: LayerMapping, op: ExpertChoice) -> Iterator[Assignment]:
    return vector_op(layer, op, "expert choice", op.vectors, op.elements, passes=op.chosen)


def _expert_sum(layer: LayerMapping, op: ExpertSum) -> Iterator[Assignment]:
    return vector_op(layer, op, "expert sum", op.vectors, op.elements, passes=op.terms)


def _attention(layer: LayerMapping, op: AttentionMatmul) -> Iterator[Assignment]:
    match attention_unit(layer.config, op):
        case "near_memory":
            return near_memory_attention(layer, op)
        case "sram_cim":
            return sram_cim_attention(layer, op)
        case _:
            return attention(layer, op)


def _kv_append(layer: LayerMapping, op: KVAppend) -> Iterator[Assignment]:
    return (sram_cim_append if appends_to_macros(layer) else kv_append)(layer, op)


def _norm(layer: LayerMapping, op: Norm) -> Iterator[Assignment]:
    return vector_op(layer, op, op.norm, op.vectors, op.elements, passes=NORM_PASSES)


def _rotary(layer: LayerMapping, op: Rotary) -> Iterator[Assignment]:
    return vector_op(layer, op, "rotary", op.vectors, op.elements, passes=ROTARY_PASSES)


def _softmax(layer: LayerMapping, op: Softmax) -> Iterator[Assignment]:
    return rows_op(layer, op, "softmax", op.rows, op.row_length, layer.machine.vector.softmax_passes())


def _quantise(layer: LayerMapping, op: Quantise) -> Iterator[Assignment]:
    return rows_op(layer, op, "quantise", op.vectors, op.elements, QUANTISE_PASSES)


def _dequantise(layer: LayerMapping, op: Dequantise) -> Iterator[Assignment]:
    input_bits = layer.sums.get(op.inputs[0], 8 * DIGITAL_BYTES)
    return rows_op(layer, op, "dequantise", op.vectors, op.elements, input_bits=input_bits)


def _activation(layer: LayerMapping, op: Activation) -> Iterator[Assignment]:
    # As rows, since a soft cap is an activation of scores.
    return rows_op(layer, op, op.function, op.vectors, op.elements)


def _residual(layer: LayerMapping, op: Residual) -> Iterator[Assignment]:
    # As rows, since biases (ALiBi) are added to scores.
    return rows_op(layer, op, "residual", op.vectors, op.elements, operands=2)


def _multiply(layer: LayerMapping, op: Multiply) -> Iterator[Assignment]:
    return vector_op(layer, op, "gate", op.vectors, op.elements, operands=2)


OpMapping = Callable[[LayerMapping, Any], Iterable[Assignment]]
"""Function that maps one op of a kind to components: its assignments, in the order of the serial schedule."""

OP_GROUP = "pimsim.ops"
_SHIPPED: Mapping[type[Op], OpMapping] = {
    Projection: _projection,
    AttentionScores: _attention,
    AttentionValues: _attention,
    KVAppend: _kv_append,
    Embedding: embedding,
    Norm: _norm,
    Softmax: _softmax,
    Quantise: _quantise,
    Dequantise: _dequantise,
    Rotary: _rotary,
    Activation: _activation,
    Residual: _residual,
    Multiply: _multiply,
    GroupedProjection: _projection,
    ExpertChoice: _choice,
    ExpertSum: _expert_sum,
    LatentAppend: kv_append,
    LatentRead: latent_read,
    ScratchWrite: scratch_write,
    LatentScores: _attention,
    LatentValues: _attention,
    KVEvict: kv_evict,
    KVAccumulate: kv_accumulate,
}
OP_KINDS: Registry[OpMapping] = Registry(
    "kind of op", OP_GROUP, [each.kind for each in _SHIPPED], withdrawn=withdraw_kind
)
"""Mapping of each kind of op by its name: the shipped kinds and the registered ones, in one table."""

OP_KINDS.ship({each.kind: mapping for each, mapping in _SHIPPED.items()})
search_kinds(
    lambda: load_entry_points(OP_GROUP),
    f"--plugin FILE.py or entry points {OP_GROUP} can add kinds",
)


def register_op(kind: type[Op], mapping: OpMapping) -> None:
    """Register a kind of op with its mapping, so that traces can contain it. The same call may be repeated.

    Args:
        kind: Frozen dataclass that derives from `workloads.Op`, as for `workloads.register_kind`.
        mapping: Function of the state of a layer and an op of the kind, which returns the op's assignments as a tuple,
            a list or a generator. `vector_op` returns all assignments of an op on the vector unit. In others the first
            ones are those of `layer.issue(op.name)`, a tuple of one or two; `layer.memory_request` and others make one
            assignment each.

    Raises:
        ValueError: If the class is not a kind of op, or another class or mapping has its name.
    """
    if not callable(mapping):
        raise ValueError(
            f"the mapping of {getattr(kind, '__name__', show(kind))} must be a function of a layer and an op"
        )
    check_kind(kind)
    OP_KINDS.register(kind.kind, mapping)  # first, since it may refuse the name
    register_kind(kind)


def assignments(layer: LayerMapping, op: Op) -> Iterator[Assignment]:
    """Map one op to components.

    Args:
        layer: State of the layer.
        op: The op.

    Returns:
        Its assignments, in the order of the serial schedule.

    Raises:
        WorkloadInputError: If no component computes the op.
        PluginError: If the mapping of a registered kind raises an exception, or returns something else than
            assignments with different names.
    """
    if layer.machine.processor is not None:
        return processor_assignments(layer, op)
    if not OP_KINDS.knows(op.kind):
        raise WorkloadInputError(
            f"op {op.name!r}: no component computes ops of kind {op.kind!r}; mapped: {', '.join(OP_KINDS.names())}; "
            "pimsim.mapping.op_mappings.register_op registers the mapping of another kind"
        )
    mapping = OP_KINDS.get(op.kind)
    if op.kind in OP_KINDS.shipped:
        return iter(mapping(layer, op))
    with calling(described := described_mapping(op.kind)):
        return iter(_listed(f"{described}: op {op.name!r}", mapping(layer, op)))


def described_mapping(kind: str) -> str:
    """Name the mapping of a registered kind of op, for messages.

    Args:
        kind: Name of the kind.

    Returns:
        Text such as "mapping of the kind of op 'top_k' (topk.py)".
    """
    return f"mapping of the {OP_KINDS.describe(kind)}"


def _listed(where: str, mapped: Any) -> tuple[Assignment, ...]:
    """Return what a registered mapping returns, checked item by item: a generator may have no end.

    Args:
        where: The mapping and the op, for the message.
        mapped: What the mapping returns.

    Returns:
        The assignments.

    Raises:
        PluginError: If one is not an assignment, or two have the same name.
    """
    if not isinstance(mapped, Iterable):
        raise PluginError(f"{where}: returns {show(mapped)}, not assignments")
    listed: dict[str, Assignment] = {}
    for each in mapped:
        if not isinstance(each, Assignment):
            hint = ": `layer.issue` and others return several, use `yield from`" if isinstance(each, Iterable) else ""
            raise PluginError(f"{where}: returns {show(each)} among its assignments, which is not an Assignment{hint}")
        if type(each.name) is not str or not isinstance(each.constraints, Constraints):
            raise PluginError(f"{where}: returns {show(each)}, which has no text as its name or no Constraints")
        if each.name in listed:
            raise PluginError(f"{where}: returns two assignments with the name {each.name!r}")
        listed[each.name] = each
        check_activities(len(listed))
    return tuple(listed.values())
