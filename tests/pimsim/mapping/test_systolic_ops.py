"""Slices, causal masks and pieces of matmuls on the systolic array, all numbers worked out by hand.

The array has 32 x 32 units and is output stationary; the global buffer has one port of 64 bytes per 10 ns.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from pimsim import load_config, simulate
from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.causal_mask import CausalMask
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.systolic import MatmulShare
from pimsim.mapping.occupancy import STREAM
from tests.support.flows import after, flow, on, port
from workloads.ops import AttentionMatmul, AttentionScores, AttentionValues, Dequantise, KVAppend, Projection, Softmax
from workloads.trace import Block, Trace

IN = ("input",)
ARRAY = ("machine.systolic.rows=32", "machine.systolic.columns=32", "machine.systolic.dataflow=os")
CONTENDED = (*ARRAY, "schedule=contended")
SKIPPED, COMPUTED = "mapping.masked_folds=skipped", "mapping.masked_folds=computed"
HEADS: dict[str, Any] = {"heads": 4, "kv_heads": 2, "d_head": 64, "queries": 3, "context": 100, "bits": 8}


def scores(*inputs: str, **changed: int) -> AttentionScores:
    return AttentionScores("s", inputs or IN, **HEADS | changed)


def test_a_slice_with_a_mask_reads_and_writes_the_scores_that_exist() -> None:
    """Two slices of a KV head with two query heads, whose three tokens attend to 98, 99 and 100 entries.

    Four folds have 32, 32, 32 and 4 entries by six vectors. They read 3 x (32 + 6) x 64 + (4 + 6) x 64 = 7936 bytes,
    124 accesses, and write 600 sums of four bytes for the dequantisation, 38 accesses.
    """
    found = flow(scores(), Dequantise("d", ("s",), vectors=12, elements=100), settings=(*CONTENDED, SKIPPED))
    mask = CausalMask(queries=3, context=100, entries=100, heads=2)
    for index in range(2):
        each, operand = found[f"s[{index}]"], found[f"s.operand[{index}]"]
        assert each.share == MatmulShare(100, 6, 64, count=1, mask=mask, entries_axis="m", output_bytes=4)
        assert each.constraints == on("systolic", "s.issue", operand.name, *IN, closes=(operand.name,))
        assert port(each) == (1_620_000, 7936 + 2400)
        assert (operand.share, operand.constraints) == (MemoryShare(6400), on("memory", opens=STREAM))
        assert port(operand) == (1_000_000, 6400)
    assert found["s.issue"].share.commands == 2
    streamed = found["s.streamed"]
    assert streamed.share == BufferShare(2 * 7936, 2 * 2400 + 2 * 6400, streamed=True)
    assert streamed.constraints.after == ("s[0]", "s[1]")
    # 297 scores of each of two heads are read as sums of 32 bits, 1188 bytes in 19 accesses, and written in 5.
    assert port(found["d[1]"]) == (480_000, 2 * (1188 + 297))
    assert found["d.streamed"].share == BufferShare(4 * 1188, 4 * 297, streamed=True)


def test_values_are_sums_over_the_entries() -> None:
    """Two folds of 32 outputs by six vectors over 100 entries read 2 x (32 + 6) x 100 bytes."""
    values = AttentionValues("v", IN, **HEADS)
    each = flow(values, settings=(*CONTENDED, SKIPPED))["v[0]"]
    mask = CausalMask(queries=3, context=100, entries=100, heads=2)
    assert each.share == MatmulShare(64, 6, 100, count=1, mask=mask, entries_axis="k")
    assert port(each) == (10_000 * (119 + 6), 7600 + 384)


@pytest.mark.parametrize("kind", [AttentionScores, AttentionValues])
def test_folds_above_the_diagonal_are_no_work(kind: type[AttentionMatmul]) -> None:
    """64 tokens on 64 entries: of the scores, the fold of the first 32 tokens by the last 32 entries does not exist.

    Of the values, the folds of the first 32 tokens add 32 entries, the others 64.
    """
    op = kind("s", IN, heads=2, kv_heads=2, d_head=64, queries=64, context=64, bits=8)

    def computed(folds: str) -> int:
        each = flow(op, settings=(*ARRAY, folds))["s[0]"]
        return each.component.computed_macs(each.share)

    assert computed(COMPUTED) == op.macs == 2 * 64**3
    assert computed(SKIPPED) == 3 * op.macs // 4


def test_masked_products_of_a_fold_are_computed_but_not_counted() -> None:
    """64 tokens have 64 x 65 / 2 scores per head, on any machine; the array computes three folds of 32 x 32."""
    op = AttentionScores("s", IN, heads=2, kv_heads=2, d_head=64, queries=64, context=64, bits=8)
    block = Block(name="b", repeat=1, ops=(op,))
    trace = Trace(model="a-model", phase="prefill", context_length=64, tokens=64, blocks=(block,))
    on_array = simulate(load_config({}, [*ARRAY, SKIPPED]), trace)
    assert (on_array.macs, on_array.summary()["computed_macs"]) == (2 * 64 * 65 // 2 * 64, 3 * 2 * 64**3 // 4)
    assert simulate(load_config("cpu-epyc-7v13"), trace).macs == on_array.macs
    whole = simulate(load_config({}, [*ARRAY, COMPUTED]), trace).summary()
    assert whole["macs"] == whole["computed_macs"] == op.macs


@pytest.mark.parametrize(("queries", "context", "masked"), [(1, 5, False), (2, 2, True), (2, 3, True), (3, 2, False)])
def test_several_tokens_of_a_cache_that_holds_them_have_a_mask(queries: int, context: int, masked: bool) -> None:
    """Three tokens on two entries cannot be the tokens that were appended last."""
    op = scores(queries=queries, context=context)
    share = flow(op, settings=(*ARRAY, SKIPPED))["s[0]"].share
    assert share.mask == (CausalMask(queries, context, context, heads=2) if masked else None)
    assert flow(op, settings=(*ARRAY, COMPUTED))["s[0]"].share.mask is None


@pytest.mark.parametrize(
    ("matmuls", "most", "slices"), [(8, 8, 8), (8, 3, 2), (6, 4, 3), (6, 5, 3), (7, 4, 1), (2, 9, 2), (3, 1, 1)]
)
def test_slices_are_the_most_that_divide_the_matmuls(matmuls: int, most: int, slices: int) -> None:
    op = scores(heads=matmuls, kv_heads=matmuls)
    found = flow(op, settings=(*CONTENDED, f"mapping.attention_slices={most}"))
    assert [name for name in found if name.startswith("s[")] == [f"s[{index}]" for index in range(slices)]
    each = matmuls // slices
    assert (found["s[0]"].share.count, found["s.operand[0]"].share) == (each, MemoryShare(6400, count=each))
    assert "s[1]" not in flow(op, settings=(*ARRAY, "schedule=serial"))


@pytest.mark.parametrize(
    ("queries", "inputs", "waits"),
    [(1, ("kv_append",), ()), (2, ("kv_append",), ("kv_append",)), (2, ("input",), ()), (1, ("input",), ())],
)
def test_entries_written_now_are_read_after_the_append(
    queries: int, inputs: tuple[str, ...], waits: tuple[str, ...]
) -> None:
    append = KVAppend("kv_append", IN, tokens=queries, kv_heads=2, d_head=64, bits=8)
    found = flow(append, scores(*inputs, queries=queries), settings=CONTENDED)
    assert after(found)["s.operand[1]"] == waits


def test_every_matmul_of_a_slice_has_accesses_of_its_own() -> None:
    """A slice of three matmuls of 5 x 1 x 4: each reads 24 bytes and writes 5, an access each: six accesses."""
    op = scores(heads=3, kv_heads=3, d_head=4, queries=1, context=5)
    each = flow(op, settings=(*CONTENDED, "mapping.attention_slices=1"))["s[0]"]
    assert port(each) == (60_000, 3 * 29)


def test_operands_are_cut_between_folds_to_fit_the_stream_buffer() -> None:
    """A slice has two matmuls of four folds each, whose keys are 97 x 61 = 5917 bytes each.

    2000 bytes per stream hold six pieces of 8 folds: 1, 1, 2, 1, 1 and 2 folds. A matmul reads 5917 bytes of keys and
    4 x 6 x 61 = 1464 of queries, so a fold reads 14762 / 8 bytes, and writes 1164 / 8: 29 and 3 accesses; two folds
    read and write 58 and 5.
    """
    op = scores(heads=8, kv_heads=4, d_head=61, context=97)
    small = ("mapping.attention_slices=2", "machine.sram.capacity_bytes=4000", "mapping.stream_buffers=2")
    found = flow(op, settings=(*CONTENDED, *small, COMPUTED))
    names = ["[1.0]", "[1.1]", "[1.2]", "[1.3]", "[1.4]", "[1]"]
    assert [found[f"s{each}"].share.folds for each in names] == [(0, 1), (1, 2), (2, 4), (4, 5), (5, 6), (6, 8)]
    assert {found[f"s{each}"].share.count for each in names} == {2}
    sizes = [found[f"s.operand{each}"].share.size_bytes for each in names]
    assert sizes == [1479, 1479, 2959, 1479, 1479, 2959]
    one, two = (320_000, 1846 + 146), (630_000, 3691 + 291)
    assert [port(found[f"s{each}"]) for each in names] == [one, one, two, one, one, two]
    # A piece needs its operand and the piece before it; the next slice needs no piece of another one.
    assert [after(found)[f"s{each}"] for each in names] == [
        ("s.issue", "s.operand[1.0]", *IN),
        *(("s.issue", f"s.operand{each}", *IN, f"s{before}") for before, each in pairwise(names)),
    ]
    assert found["s.operand[1.2]"].constraints == on("memory", opens=STREAM)
    assert found["s[1.2]"].constraints.closes == ("s.operand[1.2]",)
    # Under dataflow, and with space for the whole slice, there is one piece.
    for settings in ((*ARRAY, *small, "schedule=dataflow"), (*CONTENDED, *small, "machine.sram.capacity_bytes=23668")):
        assert flow(op, settings=(*settings, COMPUTED))["s[1]"].share.folds is None
    two_pieces = flow(op, settings=(*CONTENDED, *small, COMPUTED, "machine.sram.capacity_bytes=23667"))
    assert [two_pieces[name].share.folds for name in ("s[0.0]", "s[0]")] == [(0, 4), (4, 8)]


def test_a_piece_is_at_least_one_fold() -> None:
    """A key of one byte per entry; 64 queries of two entries make two folds, and the buffer has less than a byte."""
    op = scores(heads=64, kv_heads=1, d_head=1, queries=1, context=2)
    found = flow(op, settings=(*CONTENDED, "machine.sram.capacity_bytes=1"))
    assert [found[name].share.folds for name in ("s[0.0]", "s[0]")] == [(0, 1), (1, 2)]


def test_a_projection_loads_its_inputs_and_stores_its_outputs() -> None:
    """300 inputs and 40 outputs of three vectors, 8-bit weights; the matmul makes two folds."""
    op = Projection("q", IN, role="q", in_features=300, out_features=40, vectors=3, weight_bits=8, activation_bits=8)
    found = flow(op, settings=(*CONTENDED, "mapping.projection_activations=memory"))
    assert list(found) == ["q.issue", "q.input", "q.operand[0]", "q[0]", "q.output", "q.streamed"]
    assert found["q.input"].share == MemoryShare(900, interface="activations")
    assert found["q.input"].constraints == on("memory", *IN)
    assert found["q[0]"].constraints.after == ("q.issue", "q.operand[0]", "q.input")
    assert (found["q.output"].share, found["q.output"].constraints) == (
        MemoryShare(120, write=True),
        on("memory", "q[0]"),
    )
    assert port(found["q.output"]) == (20_000, 120)  # read from the global buffer
    assert port(found["q.input"]) == (150_000, 900)
    read, written = 40 * 300 + 2 * 900, 120
    assert found["q.streamed"].share == BufferShare(read + 120, written + 12_000 + 900, streamed=True)
    assert found["q.streamed"].constraints.after == ("q[0]",)


def test_a_softmax_of_a_masked_slice_waits_for_that_slice() -> None:
    """Of each of two heads, 3 x 297 scores are read in 14 accesses and 297 written in 5."""
    softmax = Softmax("p", ("s",), rows=12, row_length=100)
    found = flow(scores(), softmax, settings=(*CONTENDED, SKIPPED))
    assert after(found)["p[1]"] == ("p.issue", "s[1]")
    assert port(found["p[1]"]) == (2 * 190_000, 2 * (891 + 297))
