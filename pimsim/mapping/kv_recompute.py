"""Recomputation of keys and values from kept inputs of the layer, while the others are loaded.

The ops that lead from the inputs of the projections k and v to the append of a decode step are mapped once more, for as
many tokens as are recomputed. They use the same tiles and units as those of the new token.

Reference:
    Jiang et al., "KVPR: Efficient LLM Inference with I/O-Aware KV Cache Partial Recomputation", arXiv:2411.17089.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.memory import MemoryShare
from pimsim.mapping.kv_residency import kept_input_bytes
from pimsim.mapping.kv_tier_ops import RECOMPUTE, tier_request
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.occupancy import STREAM
from pimsim.mapping.op_mappings import assignments
from pimsim.mapping.program import Assignment, Constraints, Resource, Task
from workloads.ops import KVAppend, Op, Projection

INPUTS = f"{RECOMPUTE}.inputs"
"""Assignment that loads the kept inputs."""

_KEPT = "kept"
"""What the ops name as their input in place of `INPUTS`, whose space the name of an op cannot contain."""


def recompute(layer: LayerMapping, ops: Sequence[Op]) -> Iterator[Task]:
    """Map the recomputation of the oldest keys and values of a layer.

    Args:
        layer: State of the layer.
        ops: Ops of the layer in a decode step.

    Yields:
        The load of the kept inputs, the ops, and the task that attention waits for, with the write of inputs that are
        kept from now on; nothing if nothing is recomputed.
    """
    cache = layer.cache
    if cache is None or not cache.recomputed:
        return
    again, input_bytes, last = tuple(_again(ops, cache.recomputed)), kept_input_bytes(ops), len(layer.tiers) - 1
    share = MemoryShare(cache.recomputed * input_bytes)
    load = tier_request(layer, last, INPUTS, share, (), opens=Resource(STREAM))
    yield Task(INPUTS, "kv_recompute", (), 0, (load,))
    names = {op.name for op in again}
    for op in again:
        inputs = tuple(_own(each, names) for each in op.inputs)
        yield Task(_own(op.name, names), "kv_recompute", inputs, op.macs, tuple(_renamed(layer, op, names)))
    leaves = tuple(_own(each, names) for op in ops if isinstance(op, KVAppend) for each in op.inputs)
    end = Assignment(RECOMPUTE, layer.machine.sram, BufferShare(0, 0, streamed=True), Constraints(leaves))
    kept = cache.recomputed - cache.recomputed_before
    keep = MemoryShare(kept * input_bytes, write=True)
    writes = (tier_request(layer, last, f"{RECOMPUTE}.keep", keep, (), buffered=False),) if kept else ()
    yield Task(RECOMPUTE, "kv_recompute", leaves, 0, (end, *writes))


def _again(ops: Sequence[Op], tokens: int) -> Iterator[Op]:
    """Yield the ops from the projections k and v to the append, for other tokens; their inputs are the kept ones."""
    append = next(op for op in ops if isinstance(op, KVAppend))
    named = {op.name: op for op in ops}
    needed: set[str] = set()
    waiting = list(append.inputs)
    while waiting:
        name = waiting.pop()
        if name in named and name not in needed:
            needed.add(name)
            waiting += () if isinstance(named[name], Projection) else named[name].inputs
    for op in (op for op in ops if op.name in needed):
        inputs = tuple(each if each in needed else _KEPT for each in op.inputs)
        assert "vectors" in {each.name for each in fields(op)}  # projections, norms, rotary and quantisation have it
        changed: Any = {"vectors": tokens * getattr(op, "vectors", 1), "inputs": inputs}
        yield replace(op, **changed)


def _renamed(layer: LayerMapping, op: Op, names: set[str]) -> Iterator[Assignment]:
    """Yield the assignments of an op under names of their own.

    Args:
        layer: State of the layer.
        op: The op, with the name of that of the new token, by which its tiles are found.
        names: Names of all ops that are computed again.

    Yields:
        The assignments. The last one of a projection helps to release the stream buffer of the kept inputs.
    """
    mapped = tuple(assignments(layer, op))
    for number, each in enumerate(mapped):
        closing = isinstance(op, Projection) and number == len(mapped) - 1
        constraints = replace(
            each.constraints,
            after=tuple(_own(name, names) for name in each.constraints.after),
            closes=(*(_own(name, names) for name in each.constraints.closes), *((INPUTS,) if closing else ())),
        )
        yield replace(each, name=_own(each.name, names), constraints=constraints)


def _own(name: str, ops: set[str]) -> str:
    """Return the name of an assignment of the recomputation: that of the new token's with a word before it."""
    if name == _KEPT:
        return INPUTS
    return f"{RECOMPUTE} {name}" if any(name == op or name.startswith((f"{op}.", f"{op}[")) for op in ops) else name
