"""Mixed passes: one group equals the plain pass, and attention and weights parts add up to the whole pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads import SequenceGroup, SpecError, decode_step, find_model, mixed_step, prefill
from workloads.decoder_ops import attention_part, weights_part
from workloads.ops import AttentionMatmul, Projection

MODELS = st.sampled_from(["gpt2-small", "llama-3-8b", "bitnet-b1.58-700m"]).map(find_model)
GROUPS = st.lists(
    st.builds(
        lambda sequences, queries, earlier: SequenceGroup(sequences, queries, queries + earlier),
        st.integers(1, 5),
        st.integers(1, 9),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda group: (group.queries, group.context),
)


@given(MODELS, st.integers(1, 300), st.integers(1, 9), st.booleans(), st.booleans())
def test_one_group_is_a_decode_step_or_a_prefill(model, length, sequences, embedding, lm_head) -> None:  # type: ignore[no-untyped-def]
    options = {"embedding": embedding, "lm_head": lm_head}
    step = mixed_step(model, [SequenceGroup(sequences, 1, length)], **options)
    assert step == decode_step(model, length, batch=sequences, **options)
    if length > 1:
        whole = mixed_step(model, [SequenceGroup(sequences, length, length)], **options)
        assert whole == prefill(model, length, batch=sequences, **options)


@given(MODELS, GROUPS, st.booleans())
def test_parts_have_the_ops_of_the_whole(model, groups, lm_head) -> None:  # type: ignore[no-untyped-def]
    whole = mixed_step(model, groups, lm_head=lm_head, outputs=1)
    weights = weights_part(model, whole.tokens, 1, lm_head=lm_head)
    parts = [attention_part(model, group) for group in groups]
    assert whole.macs == weights.macs + sum(part.macs for part in parts)
    assert sum(1 for _ in whole.ops()) == sum(1 for part in (weights, *parts) for _ in part.ops())
    assert {(op.context, op.queries, op.sequences) for _, op in whole.ops() if isinstance(op, AttentionMatmul)} == {
        (group.context, group.queries, group.sequences) for group in groups
    }
    for _, op in whole.ops():
        if isinstance(op, Projection):
            assert op.vectors == (1 if op.role == "lm_head" else whole.tokens)


def test_each_group_waits_for_the_cache_and_the_output_projection_for_all_groups() -> None:
    trace = mixed_step(find_model("gpt2-small"), [SequenceGroup(1, 1, 5), SequenceGroup(2, 1, 9)])
    ops = {op.name: op for _, op in trace.ops()}
    assert ops["scores:1"].inputs == ops["scores"].inputs == ("q_proj", "kv_append")
    assert ops["softmax:1"].inputs == ("scores:1",)
    assert ops["values:1"].inputs == ("softmax:1", "kv_append")
    assert ops["o_proj"].inputs == ("values", "values:1")
    assert (trace.tokens, trace.context_length, trace.phase) == (3, 9, "decode")


def test_a_pass_without_outputs_has_no_lm_head() -> None:
    trace = mixed_step(find_model("gpt2-small"), [SequenceGroup(1, 4, 4)], outputs=0, lm_head=True)
    assert [block.name for block in trace.blocks] == ["layer"]


@pytest.mark.parametrize("groups", [[], [SequenceGroup(1, 1, 5), SequenceGroup(2, 1, 5)], ["x"]])
def test_invalid_groups_are_rejected(groups: list[SequenceGroup]) -> None:
    with pytest.raises(SpecError, match="groups"):
        mixed_step(find_model("gpt2-small"), groups)


def test_more_queries_than_entries_are_rejected() -> None:
    with pytest.raises(SpecError, match="context"):
        SequenceGroup(1, 3, 2)


def test_a_step_that_verifies_drafts_has_an_output_per_token() -> None:
    trace = mixed_step(find_model("gpt2-small"), [SequenceGroup(1, 4, 9)], outputs=4, lm_head=True)
    assert [op.vectors for block in trace.blocks for op in block.ops if op.name == "lm_head"] == [4]


def test_more_outputs_than_tokens_are_rejected() -> None:
    with pytest.raises(SpecError, match="outputs"):
        mixed_step(find_model("gpt2-small"), [SequenceGroup(1, 1, 5)], outputs=2)
