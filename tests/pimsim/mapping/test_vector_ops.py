"""Slices and masks of ops on the vector unit, and the bytes that they read and write, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.causal_mask import CausalMask
from pimsim.hardware.vector import VectorShare
from tests.support.flows import after, flow, on, port
from workloads.ops import Activation, AttentionScores, Dequantise, Norm, Op, Quantise, Residual, Softmax

IN = ("input",)
CONTENDED = ("schedule=contended", "mapping.masked_folds=skipped")


def scores(heads: int, queries: int, context: int = 10) -> AttentionScores:
    """Scores in as many slices as heads."""
    sizes: dict[str, Any] = {"d_head": 8, "bits": 8, "queries": queries, "context": context}
    return AttentionScores("s", IN, heads=heads, kv_heads=heads, **sizes)


def slices(found: dict[str, Any], name: str) -> int:
    return sum(each.startswith(f"{name}[") for each in found)


ON_SCORES: list[Op] = [
    Softmax("op", ("s", "input"), rows=6, row_length=10),
    Quantise("op", ("s", "input"), vectors=6, elements=10),
    Dequantise("op", ("s", "input"), vectors=6, elements=10),
    Activation("op", ("s", "input"), function="tanh", vectors=6, elements=10),
    Residual("op", ("s", "input"), vectors=6, elements=10),
]


@pytest.mark.parametrize("op", ON_SCORES, ids=lambda op: op.kind)
def test_an_op_on_scores_has_their_slices_and_their_mask(op: Op) -> None:
    """Two heads of three tokens: the first input decides, whole are the others; so it goes on with its own output."""
    found = flow(scores(2, 3), op, Quantise("next", ("op",), vectors=6, elements=10), settings=CONTENDED)
    mask = CausalMask(queries=3, context=10, entries=10)
    assert [found[f"op[{index}]"].constraints.after for index in range(2)] == [
        ("op.issue", f"s[{index}]", "input") for index in range(2)
    ]
    share = found["op[1]"].share
    assert (share.vectors, share.elements, share.mask) == (3, 10, mask)
    assert after(found)["next[1]"] == ("next.issue", "op[1]")
    assert found["next[1]"].share == VectorShare("quantise", 3, 10, 2, mask)
    assert found["op.streamed"].constraints.after == ("op[0]", "op[1]")


@pytest.mark.parametrize(
    ("heads", "queries", "rows", "expected"),
    [
        (2, 3, 6, 2),
        (3, 3, 6, 1),  # two rows per token cannot be divided by three
        (3, 1, 3, 3),
        (2, 1, 3, 1),
        (3, 2, 6, 3),
    ],
)
def test_rows_are_divided_head_by_head(heads: int, queries: int, rows: int, expected: int) -> None:
    found = flow(scores(heads, queries), Softmax("p", ("s",), rows=rows, row_length=10), settings=CONTENDED)
    assert slices(found, "p") == expected
    assert found["p[0]"].share.vectors == rows // expected


@pytest.mark.parametrize(("rows", "length"), [(6, 11), (6, 9), (7, 10)])
def test_what_is_no_row_of_scores_has_no_mask(rows: int, length: int) -> None:
    found = flow(scores(2, 3), Softmax("p", ("s",), rows=rows, row_length=length), settings=CONTENDED)
    assert found["p[0]"].share == VectorShare("softmax", rows // slices(found, "p"), length, 3)
    assert found["p.streamed"].share == BufferShare(3 * rows * length, rows * length, streamed=True)


@pytest.mark.parametrize(
    "op",
    [Softmax("op", IN, rows=6, row_length=10), Residual("op", IN, vectors=6, elements=10)],
    ids=lambda op: op.kind,
)
def test_without_slices_before_it_an_op_is_whole(op: Op) -> None:
    found = flow(op, settings=CONTENDED)
    assert slices(found, "op") == 1
    assert (found["op[0]"].share.vectors, found["op[0]"].share.mask) == (6, None)


def test_vectors_of_sums_are_read_as_wide_as_they_are() -> None:
    """Three sums of 100 x 32 bits, from the first input of the op: 400 bytes are 7 accesses, 100 bytes are 2."""
    found = flow(
        scores(1, 1), Norm("n", IN, norm="rmsnorm", vectors=3, elements=100),
        Dequantise("d", ("s", "n"), vectors=3, elements=100), Residual("r", ("n", "d"), vectors=3, elements=100),
        settings=CONTENDED,
    )  # fmt: skip
    assert port(found["d[0]"]) == (10_000 * 3 * (7 + 2), 3 * (400 + 100))
    assert found["d.streamed"].share == BufferShare(1200, 300, streamed=True)
    # Two passes over 100 bytes, 4 accesses; and two operands of 100 bytes, 4 accesses.
    assert port(found["n[0]"]) == (10_000 * 3 * (4 + 2), 3 * (200 + 100))
    assert port(found["r[0]"]) == (10_000 * 3 * (4 + 2), 3 * (200 + 100))
    assert found["r[0]"].constraints == on("vector", "r.issue", "n", "d")
    swapped = Dequantise("d", ("n", "s"), vectors=3, elements=100)
    narrow = flow(scores(1, 1), Norm("n", IN, norm="rmsnorm", vectors=3, elements=100), swapped, settings=CONTENDED)
    assert narrow["d.streamed"].share == BufferShare(300, 300, streamed=True)
