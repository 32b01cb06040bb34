"""What a processor that computes every op must know of one op: shapes, precisions, operations and bytes.

All of it follows from the trace and the mapping, never from the machine, so that every machine has the same counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pimsim.hardware.memory import Memory
from pimsim.steps.step_tree import Counts

OpKind = Literal[
    "projection",
    "scores",
    "values",
    "softmax",
    "norm",
    "elementwise",
    "append",
    "embedding",
    "read",
    "write",
    "evict",
    "accumulate",
]
"""Kind of an op. elementwise: rotary, activation, residual, multiply, quantise, dequantise, choice and sum of experts;
append: new entries of the KV cache; read: latents that are expanded; write: what is expanded; evict, accumulate: choice
of kept tokens by their sums of attention."""


@dataclass(frozen=True, slots=True)
class OpShare:
    """One op of a trace.

    Attributes:
        kind: Kind of the op.
        label: What it does: role of a matrix, name of a function or norm, else the kind of the op in the trace.
        outputs: Matmuls: elements of an output vector M (scores: cached entries, values: elements of a head).
        inputs: Matmuls: elements of a sum K (scores: elements of a head, values: cached entries).
        loads: Matmuls: pairs of vectors N of a matmul and number of such matmuls, most vectors first. A projection
            has one matrix, or several (experts) of which those without vectors are left out; attention has a matmul
            for each KV head and sequence.
        queries: Attention: tokens per sequence whose queries are multiplied.
        heads: Attention: query heads that share a KV head.
        sequences: Attention: sequences, each with queries and a cache of its own.
        vectors: Other ops: vectors.
        elements: Other ops: elements of a vector.
        passes: Other ops: passes over each vector.
        operands: Other ops: operands of the size of the output.
        size: Other ops: elements of all vectors; of rows of scores those that the causal mask leaves.
        on_scores: Whether the op is one on scores or attention weights, beside the two products of attention.
        weight_bits: Bits per weight in the trace; 0 without weights.
        input_bits: Bits per element of the inputs.
        cache_bits: Bits per element of the cache, without scales; 0 for ops that do not use it.
        output_bits: Bits per element of the outputs; integer sums are wider.
        macs: Multiply-accumulates; of attention with a causal mask those of the scores that exist, unless
            `mapping.masked_folds` computes all.
        weight_bytes: Weights that are read, and rows of an embedding table.
        cache_read_bytes: Cached entries with their scales that are read.
        cache_write_bytes: Entries that are written.
        input_bytes: Activations that are read, each operand once.
        output_bytes: Activations that are written.
    """

    kind: OpKind
    label: str
    outputs: int = 0
    inputs: int = 0
    loads: tuple[tuple[int, int], ...] = ()
    queries: int = 0
    heads: int = 0
    sequences: int = 0
    vectors: int = 0
    elements: int = 0
    passes: int = 0
    operands: int = 0
    size: int = 0
    on_scores: bool = False
    weight_bits: int = 0
    input_bits: int = 8
    cache_bits: int = 0
    output_bits: int = 8
    macs: int = 0
    weight_bytes: int = 0
    cache_read_bytes: int = 0
    cache_write_bytes: int = 0
    input_bytes: int = 0
    output_bytes: int = 0

    @property
    def matmuls(self) -> int:
        """Number of matmuls."""
        return sum(count for _, count in self.loads)

    @property
    def element_operations(self) -> int:
        """Operations on elements of an op other than a matmul: one per element and pass."""
        return self.size * self.passes

    @property
    def read_bytes(self) -> int:
        """Bytes of weights and cache that the op reads."""
        return self.weight_bytes + self.cache_read_bytes


def memory_counts(memory: Memory, read_bytes: int, write_bytes: int) -> Counts:
    """Return the actions of the memory for bytes that cross its port, for a step of a processor that waits for them.

    They are those of the memory itself, so that energy and traffic of a run contain them.

    Args:
        memory: The memory.
        read_bytes: Bytes read.
        write_bytes: Bytes written.

    Returns:
        Bits read and written, and with a timing table the rows that a stream opens; without actions of number 0.
    """
    counts = [("memory.read_bit", 8 * read_bytes), ("memory.write_bit", 8 * write_bytes)]
    if memory.config.dram is not None:
        row = memory.config.dram.row_bytes
        counts.append(("memory.activate", -(-read_bytes // row) + -(-write_bytes // row)))
    return tuple((action, count) for action, count in counts if count)
