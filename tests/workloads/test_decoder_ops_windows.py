"""Traces of models with sliding windows: against masks that are counted entry by entry."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads import Trace
from workloads.decoder_ops import attention_part, decode_step, generation_steps, mixed_step, prefill
from workloads.decoder_pass import SequenceGroup
from workloads.models import ModelSpec, find_model
from workloads.ops import AttentionMatmul, AttentionScores, KVAppend, Softmax
from workloads.workload_errors import SpecError

MISTRAL = find_model("mistral-7b")
SMALL = replace(find_model("llama-3-8b"), layers=4, heads=4, kv_heads=2, d_model=32, d_head=8, d_ff=48, vocab=64)
windows = st.none() | st.integers(1, 12)
patterns = windows | st.lists(windows, min_size=1, max_size=4).map(tuple)


def mask(queries: int, context: int, window: int | None) -> list[set[int]]:
    """Return the entries that each new token attends to, by the definition of a causal window."""
    positions = range(context - queries, context)
    return [{key for key in range(context) if key <= at and (window is None or key > at - window)} for at in positions]


def by_layer(trace: Trace) -> list[list[AttentionMatmul]]:
    layers = (block for block in trace.blocks if block.name.startswith("layer"))
    ops = ([op for op in block.ops if isinstance(op, AttentionMatmul)] for block in layers for _ in range(block.repeat))
    return list(ops)


@given(patterns, st.integers(1, 30), st.integers(0, 30))
def test_counts_are_those_of_a_mask(pattern: int | tuple[int | None, ...] | None, queries: int, earlier: int) -> None:
    """Each layer has its own mask.

    A rectangle of queries by min(context, window) entries contains all entries of the mask and, as for full attention,
    those that the causal mask hides from the first queries, which have fewer than min(context, window) entries.
    """
    spec, context = replace(SMALL, window=pattern), earlier + queries
    layers = by_layer(mixed_step(spec, [SequenceGroup(3, queries, context)]))
    assert len(layers) == spec.layers
    for window, ops in zip(spec.windows, layers, strict=True):
        rows = mask(queries, context, window)
        widest = min(context, window or context)
        if not earlier:
            assert sum(map(len, rows)) == widest * (context - (widest - 1) / 2)  # docs/model.md, windows
        hidden = sum(max(0, widest - (at + 1)) for at in range(earlier, context))
        for op in ops:
            assert op.macs == 3 * spec.heads * spec.d_head * (sum(map(len, rows)) + hidden)
            assert op.context == widest == max(map(len, rows))
            assert op.entries == len(set.union(*rows))
            assert op.kv_bytes == 3 * spec.d_kv * op.entries
    shapes = [[(op.context, op.entries) for op in ops] for ops in layers]
    part = by_layer(attention_part(spec, SequenceGroup(3, queries, context)))
    assert [[(op.context, op.entries) for op in ops] for ops in part] == shapes


@given(patterns, st.integers(1, 40))
def test_macs_in_closed_form(pattern: int | tuple[int | None, ...] | None, context: int) -> None:
    """docs/model.md, eq. (43), written down here a second time."""
    spec = replace(SMALL, window=pattern)
    per_entry = 2 * spec.heads * spec.d_head
    attended = sum(min(context, window or context) for window in spec.windows)
    assert decode_step(spec, context).macs == spec.projection_macs_per_token + per_entry * attended
    assert prefill(spec, context).macs == context * (spec.projection_macs_per_token + per_entry * attended)
    assert spec.entries(context) == attended
    assert spec.kv_bytes(context) == 2 * spec.d_kv * attended


def test_mistral_decodes_at_16384_tokens_as_at_4096() -> None:
    near, far = decode_step(MISTRAL, 4096), decode_step(MISTRAL, 16384)
    assert far.blocks == near.blocks
    assert (near.context_length, far.context_length) == (4096, 16384)
    assert decode_step(MISTRAL, 4095).macs < near.macs
    assert MISTRAL.kv_bytes(16384) == MISTRAL.kv_bytes(4096) == 2**28  # 2 x 32 layers x 8 heads x 128 x 4096 bytes


def test_up_to_its_window_a_model_has_the_traces_of_full_attention() -> None:
    full = replace(MISTRAL, window=None)
    assert decode_step(MISTRAL, 4096) == decode_step(full, 4096)
    assert prefill(MISTRAL, 4096) == prefill(full, 4096)
    assert decode_step(replace(MISTRAL, window=(4096, None)), 4096) == decode_step(full, 4096)


def test_alternating_windows_are_blocks_of_their_own() -> None:
    spec = replace(SMALL, window=(8, None))
    trace = decode_step(spec, 20)
    assert [(block.name, block.repeat) for block in trace.blocks] == [
        ("layer", 1),
        ("layer:1", 1),
        ("layer:2", 1),
        ("layer:3", 1),
    ]
    assert [ops[0].context for ops in by_layer(trace)] == [8, 20, 8, 20]
    late = decode_step(replace(SMALL, window=(None, None, 8, 8)), 20)
    assert [(block.name, block.repeat) for block in late.blocks] == [("layer", 2), ("layer:1", 2)]


def test_every_new_token_is_appended_and_every_entry_is_read_once() -> None:
    ops = {op.name: op for op in prefill(replace(SMALL, window=8), 20).blocks[0].ops}
    append, scores, softmax = ops["kv_append"], ops["scores"], ops["softmax"]
    assert isinstance(append, KVAppend)
    assert append.tokens == 20
    assert isinstance(scores, AttentionScores)
    assert (scores.context, scores.entries) == (8, 20)
    assert isinstance(softmax, Softmax)
    assert (softmax.rows, softmax.row_length) == (4 * 20, 8)


def test_a_later_chunk_reads_the_window_of_its_first_token() -> None:
    [op, _] = by_layer(mixed_step(replace(SMALL, window=8), [SequenceGroup(1, 3, 20)]))[0]
    assert (op.context, op.entries) == (8, 10)  # tokens 18, 19, 20 attend to 11..18, 12..19, 13..20


def test_steps_of_a_generation_stay_within_the_window() -> None:
    contexts = [by_layer(step)[0][0].context for step in generation_steps(replace(SMALL, window=8), 6, 5)]
    assert contexts == [7, 8, 8, 8, 8]


@pytest.mark.parametrize("window", [0, -1, 1.5, True, (), (4, 0), (None, "4"), (4,) * 5])
def test_windows_that_are_not_possible(window: object) -> None:
    with pytest.raises(SpecError, match="window"):
        replace(SMALL, window=window)


def test_notes_of_a_model_are_in_its_traces() -> None:
    gpt2: ModelSpec = find_model("gpt2-medium")
    assert decode_step(gpt2, 1024).notes == prefill(gpt2, 1024).notes == ()
    for trace in (
        decode_step(gpt2, 1025),
        prefill(gpt2, 1025),
        mixed_step(gpt2, [SequenceGroup(1, 1, 3), SequenceGroup(1, 1, 1025)]),
    ):
        [note] = trace.notes
        assert "learned positions for 1,024 tokens, and the context is 1,025" in note
    opt = find_model("opt-350m")
    assert decode_step(opt, 8).notes == opt.notes
    assert decode_step(opt, 2049).notes[:-1] == opt.notes
    assert "2,048 tokens" in decode_step(opt, 2049).notes[-1]
