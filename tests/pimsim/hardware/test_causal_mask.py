"""Folds of causal attention, against an oracle that looks at every product."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pimsim import load_config
from pimsim.config.schema import SystolicConfig, VectorConfig
from pimsim.hardware.causal_mask import CausalMask, causal_folds
from pimsim.hardware.systolic import MatmulShare, Systolic
from pimsim.hardware.vector import VectorShare, VectorUnit
from tests.oracles import naive_causal, naive_schedule
from tests.support import component_strategies


@st.composite
def masks(draw: st.DrawFn) -> CausalMask:
    """Prompts, chunks of prompts behind earlier tokens, and both with windows."""
    queries = draw(st.integers(1, 9))
    context = draw(st.integers(1, 12))
    entries = draw(st.integers(max(queries, context), context + queries - 1))
    return CausalMask(queries, context, entries, draw(st.integers(1, 3)))


def share_of(mask: CausalMask, axis: str, other: int, count: int = 1) -> MatmulShare:
    vectors = mask.queries * mask.heads
    if axis == "m":
        return MatmulShare(mask.entries, vectors, other, count, mask=mask, entries_axis="m")
    return MatmulShare(other, vectors, mask.entries, count, mask=mask, entries_axis="k")


@given(mask=masks(), lanes=st.integers(1, 5))
def test_scores_and_groups_token_by_token(mask: CausalMask, lanes: int) -> None:
    shape = mask.queries, mask.context, mask.entries
    lengths = []
    for token in range(mask.queries):
        seen = [entry for entry in range(mask.entries) if naive_causal.sees(*shape, token, entry)]
        assert mask.visible(token) == (seen[0], seen[-1] + 1)
        lengths.append(len(seen))
    assert max(lengths) <= mask.context
    assert mask.scores == sum(lengths)
    assert mask.groups(lanes) == sum(-(-length // lanes) for length in lengths)


@given(
    mask=masks(), config=component_strategies.systolic_configs(), axis=st.sampled_from("mk"), other=st.integers(1, 7)
)
def test_folds_are_those_of_the_oracle(mask: CausalMask, config: SystolicConfig, axis: str, other: int) -> None:
    """Oracle: every product of every fold of the rectangle; a fold without one that exists is dropped."""
    systolic, share = Systolic(config), share_of(mask, axis, other, count=2)
    shape = config.dataflow, config.rows, config.columns
    found = list(
        naive_causal.folds(
            *shape, (share.m, share.n, share.k), axis, (mask.queries, mask.context, mask.entries, mask.heads)
        )
    )
    expected = Counter((len(each.outputs), len(each.vectors), len(each.terms)) for each in found)
    counted: Counter[tuple[int, int, int]] = Counter()
    for fold, number in causal_folds(mask, share.entries_axis, other, *shape):
        counted[fold] += number
    assert counted == expected
    assert systolic.folds(share) == len(found)
    assert systolic.cycles(share) == naive_causal.cycles(*shape, found)
    for output_bytes in (1, 4):
        read, written = naive_causal.operand_bytes(config.dataflow, found, output_bytes)
        assert systolic.operand_bytes(replace(share, output_bytes=output_bytes)) == (2 * read, 2 * written)

    end_ps, events = naive_schedule.replay(systolic.work(share))
    counts = naive_schedule.action_counts(events)
    assert systolic.latency_ps(share) == end_ps
    assert counts["systolic.cycle"] == 2 * systolic.cycles(share)
    macs = 2 * sum(len(each.outputs) * len(each.vectors) * len(each.terms) for each in found)
    assert counts["systolic.mac"] == systolic.computed_macs(share) == macs


@given(
    mask=masks(),
    config=component_strategies.systolic_configs(),
    axis=st.sampled_from("mk"),
    cuts=st.lists(st.floats(0, 1), max_size=4),
)
def test_pieces_add_up_to_the_whole(mask: CausalMask, config: SystolicConfig, axis: str, cuts: list[float]) -> None:
    systolic, share = Systolic(config), share_of(mask, axis, 4, count=3)
    folds = 3 * systolic.folds(share)
    edges = sorted({0, folds, *(round(cut * folds) for cut in cuts)})
    pieces = [replace(share, folds=each) for each in pairwise(edges)]
    assert sum(systolic.latency_ps(piece) for piece in pieces) == systolic.latency_ps(share)
    total: Counter[str] = Counter()
    for piece in pieces:
        end_ps, events = naive_schedule.replay(systolic.work(piece))
        assert end_ps == systolic.latency_ps(piece)
        total.update(naive_schedule.action_counts(events))
    assert total == Counter(naive_schedule.action_counts(naive_schedule.replay(systolic.work(share))[1]))


@given(config=component_strategies.systolic_configs(), axis=st.sampled_from("mk"), entries=st.integers(1, 12))
def test_a_decode_step_has_all_its_folds(config: SystolicConfig, axis: str, entries: int) -> None:
    masked = share_of(CausalMask(1, entries, entries, heads=3), axis, 5)
    whole = replace(masked, mask=None)
    systolic = Systolic(config)
    assert systolic.folds(masked) == systolic.folds(whole)
    assert systolic.latency_ps(masked) == systolic.latency_ps(whole)
    assert systolic.operand_bytes(masked) == systolic.operand_bytes(whole)
    assert systolic.computed_macs(masked) == whole.macs


def test_a_prompt_of_4096_tokens_by_hand() -> None:
    """On 32 x 32 output-stationary units, 128 column tiles of queries meet 1 to 128 row tiles of entries.

    Scores: 128 * 129 / 2 = 8,256 of 16,384 folds of d_head + 62 cycles. Values: a tile of queries sums over 32 to 4,096
    entries, so that its d_head / 32 = 4 folds take 32 i + 62 cycles.
    """
    systolic = Systolic(load_config({}).machine.systolic)
    assert (systolic.config.rows, systolic.config.columns, systolic.config.dataflow) == (32, 32, "os")
    mask = CausalMask(4096, 4096, 4096)
    assert systolic.folds(share_of(mask, "m", 128)) == 8256
    assert systolic.cycles(share_of(mask, "m", 128)) == 8256 * (128 + 62) - 1
    assert systolic.cycles(share_of(mask, "k", 128)) == 4 * sum(32 * i + 62 for i in range(1, 129)) - 1
    assert mask.scores == 4096 * 4097 // 2


@given(mask=masks(), rows=st.integers(1, 4), passes=st.integers(1, 3), lanes=st.integers(1, 5))
def test_passes_over_rows_of_different_lengths(mask: CausalMask, rows: int, passes: int, lanes: int) -> None:
    unit = VectorUnit(VectorConfig(**load_config({}).machine.vector.model_dump() | {"lanes": lanes}))
    share = VectorShare("softmax", rows * mask.queries, mask.context, passes, mask)
    lengths = [stop - start for start, stop in map(mask.visible, range(mask.queries))]
    alone = [VectorShare("softmax", rows, length, passes) for length in lengths]
    assert unit.latency_ps(share) == sum(map(unit.latency_ps, alone))
    end_ps, events = naive_schedule.replay(unit.work(share))
    assert end_ps == unit.latency_ps(share)
    assert naive_schedule.action_counts(events)["vector.operation"] == rows * passes * sum(lengths)
    assert share.size == rows * sum(lengths)
