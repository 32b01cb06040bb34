"""Units at the banks: closed form = steps, one op by hand, and what the level of the units changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.loading import load_config
from pimsim.hardware.near_memory import BankMatmulShare, NearMemory
from tests.oracles import naive_schedule
from tests.support.closeness import near


def unit(*overrides: str) -> NearMemory:
    machine = load_config("pim-llm-near-memory", overrides).machine
    assert machine.near_memory is not None
    return NearMemory(machine.near_memory, machine.memory)


UNITS = {level: unit(f"machine.near_memory.level={level}") for level in ("bank", "bank_group", "channel")}
SCORES = BankMatmulShare("scores", 2, 1000, 64, 4, 8, output_bytes=4)
shares = st.builds(
    BankMatmulShare,
    st.sampled_from(["scores", "values"]),
    st.integers(1, 100),
    st.integers(1, 3000),
    st.sampled_from([1, 64, 80, 128]),
    st.integers(1, 8),
    st.integers(2, 8),
    st.sampled_from([1, 4]),
)


@pytest.mark.parametrize("level", UNITS)
@given(share=shares)
def test_closed_form_is_the_sum_of_the_steps(level: str, share: BankMatmulShare) -> None:
    near_memory = UNITS[level]
    end_ps, events = naive_schedule.replay(near_memory.work(share))
    assert near_memory.latency_ps(share) == end_ps
    counts = naive_schedule.action_counts(events)
    assert counts["near_memory.mac"] == share.macs
    assert counts["near_memory.transfer_bit"] == 8 * sum(near_memory.transferred_bytes(share))
    # Whole columns of 32 bytes are read; at most one of each part is not full.
    together, width = near_memory.together(share)
    size_bits = share.count * share.entries * share.elements * share.bits
    assert size_bits <= counts["near_memory.read_bit"] <= size_bits + 256 * share.count * width
    assert counts["near_memory.activate"] >= counts["near_memory.read_bit"] / 8192
    assert together * width <= near_memory.channels


def test_scores_by_hand() -> None:
    """2 matmuls on 32 pseudo-channels: 16 each, with 63 or 62 of 1,000 keys of 64 bytes: 4 rows of 1 KiB.

    In: 6.25 ns and 4 x 64 bytes at 25.6 bytes/ns. A column of 32 keys' elements and 4 queries is 4 cycles of 2.5 ns, so
    the round takes 7.5 + 19.375 + 31 x 10 + 5.625 + 16.25 ns, and 3900 / 3550 of that with refreshes. Out: 12.5 ns and
    4 x 63 scores of 4 bytes.
    """
    near_memory = UNITS["bank"]
    assert near_memory.together(SCORES) == (2, 16)
    assert near_memory.latency_ps(SCORES) == 16250 + round(358750 * 3900 / 3550) + 51875
    counts = naive_schedule.action_counts(naive_schedule.replay(near_memory.work(SCORES))[1])
    assert counts == {
        "near_memory.activate": 2 * 16 * 4,
        "near_memory.read_bit": 8 * 2 * 1000 * 64,
        "near_memory.mac": 2 * 4 * 1000 * 64,
        "near_memory.transfer_bit": 8 * (2 * 16 * 4 * 64 + 2 * 4 * 1000 * 4),
    }


def test_values_by_hand() -> None:
    """Attention weights go to the channel of their entry; each of 4 units of 16 channels sends sums of 32 bits."""
    values, near_memory = replace(SCORES, product="values"), UNITS["bank"]
    assert near_memory.partial_sums(values) == 64
    assert near_memory.transferred_bytes(values) == (2 * 4 * 1000, 2 * 4 * 64 * 4 * 64)
    in_ps, out_ps = 6250 + round(1000 * 4 * 63 / 25.6), 12500 + round(1000 * 4 * 64 * 4 * 4 / 25.6)
    assert near_memory.latency_ps(values) == in_ps + round(358750 * 3900 / 3550) + out_ps


def test_levels_have_the_rates_of_their_reads() -> None:
    """A million keys on one channel, one query: bytes per ns of a bank round, of 4 bank groups, and of a channel."""
    share = BankMatmulShare("scores", 32, 1_000_000, 128, 1, 8)
    rates = {
        level: 128e6 / (1e-3 * near_memory.latency_ps(share) - (12.5 + 6.25 + (128 + 1e6) / 25.6))
        for level, near_memory in UNITS.items()
    }
    refreshed = 3550 / 3900
    assert rates["bank"] == near(16 * 1024 / 171.25 * refreshed, rel=1e-3)
    assert rates["bank_group"] == near(4 * 32 / 2.5 * refreshed, rel=1e-3)
    # One unit of 32 multipliers at 400 MHz needs 2.5 ns for a column, twice the 1.25 ns of the channel.
    assert rates["channel"] == near(32 / 2.5 * refreshed, rel=1e-3)
    shipped = load_config("pim-llm-near-memory").machine
    channel = load_config(
        "pim-llm-near-memory", ["machine.near_memory.level=channel", "machine.near_memory.clock_hz=800 MHz"]
    )
    assert channel.machine.near_memory is not None
    fast = NearMemory(channel.machine.near_memory, shipped.memory)
    assert 128e6 / (1e-3 * fast.latency_ps(share) - 39086) == near(25.6 * refreshed, rel=1e-3)


def test_area_and_leakage_count_every_unit() -> None:
    near_memory = unit("machine.near_memory.unit_leakage_w=2 uW")
    (area,) = near_memory.areas()
    assert (area.count, area.total_m2) == (512, near(512 * 0.05e-6))
    assert near_memory.leakage_w() == near(1024e-6)
    assert near_memory.action_energies_j()["activate"] == near(901e-12)
