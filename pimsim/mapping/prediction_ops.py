"""Mapping of the prediction of scores: the work of the unit that chooses which entries of an op are computed."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.base.kept_share import kept_entries
from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.component import ceil_div
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.prediction import CodingShare, RankingShare, SkippedShare
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.op_sizes import DIGITAL_BYTES
from pimsim.mapping.program import Assignment, Constraints, Resource
from workloads.ops import AttentionMatmul, AttentionScores, KVAppend


def keep_predicted(layer: LayerMapping, op: AttentionMatmul) -> None:
    """Record how many entries of a row the ops on some scores have.

    Args:
        layer: State of the layer.
        op: A matmul in macros.
    """
    unit = layer.machine.prediction
    if unit is not None and isinstance(op, AttentionScores):
        layer.kept[op.name] = kept_entries(op.context, unit.config.kept_share)


def ranked(layer: LayerMapping, op: AttentionMatmul, after: tuple[str, ...]) -> Iterator[Assignment]:
    """Rank the cached entries for the queries of a decode step, and select the largest.

    Args:
        layer: State of the layer.
        op: The scores.
        after: Assignments or ops that must end first.

    Yields:
        The read of codes that are in memory, the ranking, and the accesses of the global buffer; nothing without a
        prediction, or for weighted values.
    """
    unit = layer.machine.prediction
    if unit is None or not isinstance(op, AttentionScores):
        return
    config = unit.config
    exact, queries = config.method == "exact", op.queries_per_kv_head
    share = RankingShare(op.kv_heads, op.matmuls, queries, op.d_head, op.context, exact)
    name = f"{op.name}.ranking"
    if exact:
        yield Assignment(name, unit, share, Constraints(after, Resource(unit.name)))
        return
    spilled = _spilled_bytes(layer, unit.ranking_bits(share))
    if spilled:
        yield layer.memory_request(f"{op.name}.codes", MemoryShare(spilled), ())
        after = (*after, f"{op.name}.codes")
    read = op.matmuls * queries * op.d_head * DIGITAL_BYTES + spilled
    after = (*after, *(f"{each}.coding" for each in op.inputs if each in layer.coded))
    yield Assignment(name, unit, share, Constraints(after, Resource(unit.name)), layer.stream(read, 0))
    yield _streamed(layer, name, read, spilled)


def skipped(layer: LayerMapping, op: AttentionMatmul, computed: AttentionMatmul, needs: tuple[str, ...]) -> Assignment:
    """Count what is not computed of an op.

    Args:
        layer: State of the layer.
        op: The op.
        computed: What is computed of it.
        needs: Assignments or ops that must end first.

    Returns:
        An assignment of zero duration.
    """
    unit = layer.machine.prediction
    assert unit is not None
    return Assignment(f"{op.name}.skipped", unit, SkippedShare(op.macs - computed.macs), Constraints(needs))


def codes_keys(layer: LayerMapping, op: KVAppend) -> bool:
    """Return whether the keys of an append are coded, and record its name.

    Args:
        layer: State of the layer.
        op: The append.

    Returns:
        True if later queries rank them by their codes.
    """
    unit = layer.machine.prediction
    if unit is None or layer.config.mapping.attention != "sram_cim" or unit.config.method == "exact":
        return False
    layer.coded.add(op.name)
    return True


def coded(layer: LayerMapping, op: KVAppend) -> Iterator[Assignment]:
    """Code new keys, of decode steps and of prompts, so that later queries can rank them.

    Args:
        layer: State of the layer.
        op: The append.

    Yields:
        The coding, the write of codes for which the unit has no memory, and the accesses of the global buffer.
    """
    unit = layer.machine.prediction
    assert unit is not None  # as `codes_keys` has found
    share, name = CodingShare(op.kv_heads, op.tokens, op.d_head), f"{op.name}.coding"
    read = op.tokens * op.kv_heads * op.d_head * DIGITAL_BYTES
    after = (f"{op.name}.issue", *op.inputs)
    yield Assignment(name, unit, share, Constraints(after, Resource(unit.name)), layer.stream(read, 0))
    written = _spilled_bytes(layer, unit.code_bits(op.tokens * op.kv_heads))
    if written:
        yield layer.memory_request(f"{op.name}.codes", MemoryShare(written, write=True), (name,))
    yield _streamed(layer, name, read + written, written)


def _streamed(layer: LayerMapping, name: str, read_bytes: int, write_bytes: int) -> Assignment:
    share = BufferShare(read_bytes, write_bytes, streamed=True)
    return Assignment(f"{name}.streamed", layer.machine.sram, share, Constraints((name,)))


def _spilled_bytes(layer: LayerMapping, bits: int) -> int:
    """Return the bytes of some codes that are in memory: the same fraction of all codes, rounded up."""
    macros = layer.macros
    if macros is None or macros.code_bits <= macros.code_bits_held:
        return 0
    return ceil_div(bits * (macros.code_bits - macros.code_bits_held), 8 * macros.code_bits)
