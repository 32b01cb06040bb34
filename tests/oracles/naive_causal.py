"""Causal attention on a systolic array, product by product: which products exist, and which fold computes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from pimsim.config.schema import SystolicConfig
from workloads.ops import AttentionMatmul, AttentionScores

Product = tuple[int, int, int]
"""Output, vector and term of a multiply-accumulate."""


def sees(queries: int, context: int, entries: int, token: int, entry: int) -> bool:
    """Return whether a token attends to an entry: not one behind its own, and not one that has left its window."""
    own = entries - queries + token
    return own - context < entry <= own


@dataclass(frozen=True)
class Fold:
    """What one fold computes: the outputs, vectors and terms of its products, and those that it streams."""

    outputs: tuple[int, ...]
    vectors: tuple[int, ...]
    terms: tuple[int, ...]
    streamed: int


def folds(
    dataflow: str, rows: int, columns: int, sizes: Product, axis: str, mask: tuple[int, int, int, int]
) -> Iterator[Fold]:
    """Cut a matmul into folds, drop folds and streamed operands without a product that exists.

    `sizes` are M, N and K. `axis` names the one of M and K that has the entries of the cache. `mask` has queries,
    context, entries and heads: vector n belongs to token n // heads.
    """
    m, n, k = (range(size) for size in sizes)
    queries, context, entries, heads = mask

    def exists(output: int, vector: int, term: int) -> bool:
        return sees(queries, context, entries, vector // heads, output if axis == "m" else term)

    across, along = {"os": (m, n), "ws": (k, m), "is": (k, n)}[dataflow]
    for top, left in product(across[::rows], along[::columns]):
        high, wide = across[top : top + rows], along[left : left + columns]
        outputs, vectors, terms = {"os": (high, wide, k), "ws": (wide, n, high), "is": (m, wide, high)}[dataflow]
        match dataflow:
            case "os":
                terms = [t for t in terms if any(exists(o, v, t) for o in outputs for v in vectors)]
            case "ws":
                vectors = [v for v in vectors if any(exists(o, v, t) for o in outputs for t in terms)]
            case "is":
                outputs = [o for o in outputs if any(exists(o, v, t) for v in vectors for t in terms)]
        if outputs and vectors and terms:
            streamed = {"os": len(terms), "ws": len(vectors), "is": len(outputs)}[dataflow]
            yield Fold(tuple(outputs), tuple(vectors), tuple(terms), streamed)


def cycles(dataflow: str, rows: int, columns: int, found: list[Fold]) -> int:
    """Return the cycles of all folds by SCALE-Sim's formula: stream, fill, drain; the last ends a cycle early."""
    overhead = rows + columns - 2 + (0 if dataflow == "os" else rows)
    return sum(fold.streamed + overhead for fold in found) - 1


def computed_macs(array: SystolicConfig, op: AttentionMatmul) -> int:
    """Return the products of the folds with one that exists; a trace whose tokens have no entries has no mask."""
    if not 1 < op.queries <= op.entries:
        return op.macs
    heads, scores = op.heads // op.kv_heads, isinstance(op, AttentionScores)
    sizes = (op.entries if scores else op.d_head, op.queries * heads, op.d_head if scores else op.entries)
    mask = op.queries, op.context, op.entries, heads
    found = folds(array.dataflow, array.rows, array.columns, sizes, "m" if scores else "k", mask)
    return op.matmuls * sum(len(fold.outputs) * len(fold.vectors) * len(fold.terms) for fold in found)


def existing_macs(op: AttentionMatmul) -> int:
    """Return the products of the scores that exist; a trace whose tokens have no entries has no mask."""
    if not 1 < op.queries <= op.entries:
        return op.macs
    seen = [sees(op.queries, op.context, op.entries, t, e) for t in range(op.queries) for e in range(op.entries)]
    return op.matmuls * (op.heads // op.kv_heads) * sum(seen) * op.d_head


def operand_bytes(dataflow: str, found: list[Fold], output_bytes: int = 1) -> tuple[int, int]:
    """Return the bytes that are read and written: operands of 8 bits, sums of 32 bits until their last fold."""
    read = written = 0
    pending: dict[tuple[int, int], int] = {}
    for fold in found:
        for output, vector in product(fold.outputs, fold.vectors):
            pending[output, vector] = pending.get((output, vector), 0) + 1
    seen: dict[tuple[int, int], int] = {}
    for fold in found:
        outputs, vectors, terms = len(fold.outputs), len(fold.vectors), len(fold.terms)
        read += outputs * terms + vectors * terms
        for each in product(fold.outputs, fold.vectors):
            seen[each] = seen.get(each, 0) + 1
            read += 4 if seen[each] > 1 else 0
            written += output_bytes if seen[each] == pending[each] else 4
    return read, written
