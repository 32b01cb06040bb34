"""Two kinds of op as another package would add them: a selective scan, and a router that selects the largest elements.

This module must not use `from __future__ import annotations`: the annotations of fields are their rules.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pimsim.hardware.memory import MemoryShare
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.op_mappings import register_op
from pimsim.mapping.program import Assignment
from pimsim.mapping.vector_ops import vector_op
from workloads.op_fields import BITS, Count
from workloads.ops import Op


@dataclass(frozen=True, slots=True)
class TopK(Op):
    """Select the `chosen` largest of `elements` elements, of each of `vectors` vectors."""

    kind: ClassVar[str] = "top_k"
    vectors: Count
    elements: Count
    chosen: Count

    @property
    def output_elements(self) -> int:
        """The chosen elements."""
        return self.vectors * self.chosen


@dataclass(frozen=True, slots=True)
class Scan(Op):
    """A recurrence over `states` states of one byte per element, which memory holds between steps."""

    kind: ClassVar[str] = "scan"
    optional_keys: ClassVar[tuple[str, ...]] = ("decay_bits",)
    vectors: Count
    elements: Count
    states: Count
    decay_bits: Annotated[int, BITS] = 8

    @property
    def cache_bytes(self) -> int:
        """The states."""
        return self.elements * self.states

    @property
    def parameter_bytes(self) -> int:
        """One decay per element."""
        return self.elements * self.decay_bits // 8


def route(layer: LayerMapping, op: TopK) -> Iterator[Assignment]:
    return vector_op(layer, op, "top-k", op.vectors, op.elements, passes=op.chosen)


def scan(layer: LayerMapping, op: Scan) -> Iterator[Assignment]:
    states, read = op.cache_bytes, f"{op.name}.states"
    yield layer.memory_request(read, MemoryShare(states), op.inputs)
    yield from vector_op(layer, op, "scan", op.vectors, op.elements, passes=op.states, after=(read,))
    yield layer.memory_request(f"{op.name}.write", MemoryShare(states, write=True), (f"{op.name}[0]",))


def register() -> None:
    register_op(TopK, route)
    register_op(Scan, scan)
