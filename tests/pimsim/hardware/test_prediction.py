"""Prediction of scores: closed form = steps, and times and counts by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.loading import load_config
from pimsim.hardware.prediction import CodingShare, Prediction, RankingShare, SkippedShare
from tests.oracles import naive_schedule
from tests.support.closeness import near

QUERY = RankingShare(kv_heads=12, rows=12, queries=1, elements=64, entries=1024)


def unit(*overrides: str) -> Prediction:
    config = load_config("hardsea", [f"machine.prediction.{each}" for each in overrides]).machine.prediction
    assert config is not None
    return Prediction(config)


BY_WINNERS, BY_ADCS = unit(), unit("readout=adc", "adcs=5", "arrays=7", "lanes=3")


@given(
    st.builds(RankingShare, *[st.integers(1, 9)] * 3, st.just(64), st.integers(1, 5000), st.booleans())
    | st.builds(CodingShare, st.integers(1, 9), st.integers(1, 500), st.just(64))
    | st.builds(SkippedShare, st.integers(1, 9)),
    st.sampled_from([BY_WINNERS, BY_ADCS]),
)
def test_closed_form_is_the_sum_of_the_steps(
    share: RankingShare | CodingShare | SkippedShare, prediction: Prediction
) -> None:
    if isinstance(share, RankingShare):
        share = replace(share, rows=share.rows * share.kv_heads)  # every sequence has all KV heads
    end_ps, events = naive_schedule.replay(prediction.work(share))
    assert prediction.latency_ps(share) == end_ps
    priced = {f"prediction.{action}" for action in prediction.action_energies_j()}
    assert naive_schedule.action_counts(events).keys() <= priced


def test_a_query_by_hand() -> None:
    """96 parts of 8 elements, each in an array of its own: 7 pulses of 3.16 ns and 5 ns. Then 12,288 entries, twice.

    64 lanes at 400 MHz take 192 cycles of 2.5 ns for a pass. A codebook has 9 rows and 32 columns of cells; a code has
    4 bits, and a part reads 16 products of 16 bits from the table.
    """
    assert BY_WINNERS.latency_ps(QUERY) == 27_120 + 2 * 192 * 2500
    counts = naive_schedule.action_counts(naive_schedule.replay(BY_WINNERS.work(QUERY))[1])
    assert counts == {
        "prediction.cell_pulse": 96 * 9 * 32 * 7,
        "prediction.winner_column": 96 * 16,
        "prediction.code_bit": 12 * 1024 * 8 * 4 + 96 * 16 * 16,
        "prediction.add": 12 * 1024 * 8 + 12 * 1024,
    }
    # Four query heads share a KV head: four times the products and sums, but one selection, and each code is read once.
    grouped = replace(QUERY, queries=4)
    assert BY_WINNERS.latency_ps(grouped) == 4 * 27_120 + 5 * 192 * 2500
    # 7 arrays hold the 96 codebooks: 14 rounds of three bits, each a pulse and ceil(16 / 5) conversions of 8 ns.
    assert BY_ADCS.latency_ps(QUERY) == 14 * 3 * (3_160 + 4 * 8_000) + 2 * 4096 * 2500
    counts = naive_schedule.action_counts(naive_schedule.replay(BY_ADCS.work(QUERY))[1])
    assert counts["prediction.conversion"] == 96 * 16 * 3
    assert counts["prediction.code_bit"] == 12 * 1024 * 8 * 4
    # Ranked by exact scores: one pass of comparisons, and no crossbars.
    assert BY_WINNERS.latency_ps(replace(QUERY, exact=True)) == 192 * 2500


def test_sizes_and_areas() -> None:
    """128 rows hold 14 codebooks of 9 rows, and 128 columns 4 of 32."""
    assert BY_WINNERS.codebooks_per_array(64) == 56
    assert (BY_WINNERS.table_bits(12), BY_ADCS.table_bits(12)) == (12 * 8 * 16 * 16 * 16, 0)
    winners, adcs = ({area.item: area.count for area in each.areas()} for each in (BY_WINNERS, BY_ADCS))
    assert winners["winner-take-all circuits"] == 1024 * 64
    assert adcs["ADCs of codebooks"] == 35
    assert BY_WINNERS.leakage_w() == near(30e-6)


@pytest.mark.parametrize("bits", [2, 8])
def test_a_longer_input_takes_a_longer_pulse_or_more_of_them(bits: int) -> None:
    longest = 2 ** (bits - 1) - 1
    coding = CodingShare(1, 1, 64)
    assert unit(f"input_bits={bits}").latency_ps(coding) == round((longest * 3.16 + 5) * 1000)
    by_adcs = unit(f"input_bits={bits}", "readout=adc", "adcs=16")
    assert by_adcs.latency_ps(coding) == (bits - 1) * (3_160 + 8_000) + 2 * 2500  # 128 products, 64 lanes
