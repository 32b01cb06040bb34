"""A DRAM whose banks compute: closed form = steps, counts from the shapes, and ops by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config
from pimsim.hardware.dram_pim import DramPim
from pimsim.hardware.machine import build_machine
from pimsim.hardware.op_share import OpShare
from tests.oracles import naive_schedule
from tests.support.closeness import near
from tests.support.op_shares import other_shares


def device(**changes: Any) -> DramPim:
    keys = {f"machine.{key.replace('__', '.')}": value for key, value in changes.items()}
    built = build_machine(load_config("cent", keys).machine).processor
    assert isinstance(built, DramPim)
    return built


CENT = device()
STAGGERED = device(
    dram_pim__activation="staggered",
    dram_pim__element_bits=12,
    dram_pim__accumulators=3,
    dram_pim__row_to_column_s=None,
    dram_pim__macs_per_cycle=5,
    memory__channels=3,
)
REFRESH = 1.6665 / (1.6665 - 0.105)
matmuls = st.builds(
    lambda kind, outputs, inputs, loads: OpShare(
        kind, kind, outputs, inputs, loads, macs=outputs * inputs * sum(each * count for each, count in loads)
    ),
    st.sampled_from(["projection", "scores", "values"]),
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 40)), min_size=1, max_size=2).map(tuple),
)


@pytest.mark.parametrize("unit", [CENT, STAGGERED], ids=["cent", "staggered"])
@given(share=matmuls | other_shares)
def test_closed_form_is_the_sum_of_the_steps(unit: DramPim, share: OpShare) -> None:
    end_ps, events = naive_schedule.replay(unit.work(share))
    assert unit.latency_ps(share) == end_ps
    counts = naive_schedule.action_counts(events)
    assert set(counts) <= {*(f"dram_pim.{name}" for name in unit.action_energies_j()), *MEMORY}
    if not share.macs:
        assert counts.get("dram_pim.element", 0) == share.element_operations
        assert counts.get("memory.read_bit", 0) == 8 * share.read_bytes
        assert counts.get("memory.write_bit", 0) == 8 * share.cache_write_bytes
        return
    assert counts["dram_pim.mac"] == share.macs
    assert not MEMORY & set(counts), "nothing but sums leaves the banks"
    # Every stored element is read at least once for each vector, in whole columns; and a sum is read for each output.
    vectors = sum(each * count for each, count in share.loads)
    bits = unit.config.element_bits
    assert counts["dram_pim.read_bit"] >= share.macs * bits
    assert counts["dram_pim.transfer_bit"] >= (vectors * share.inputs + 2 * vectors * share.outputs) * bits
    # A column command reads a column of each bank, and the last ones may be idle.
    assert counts["dram_pim.command"] * unit.banks * 256 >= counts["dram_pim.read_bit"]


MEMORY = {"memory.read_bit", "memory.write_bit", "memory.activate"}


def test_a_projection_by_hand() -> None:
    """4,096 x 4,096 on 512 banks: 8 rows of the matrix each, in 4 parts of a DRAM row of 1,024 elements.

    A part: write latencies of the vector and of the sums, 2 x 3 ns, 2,048 bytes and 8 sums of 16 banks and 2 bytes at
    32 bytes/ns: 78 ns. A row: 28 ns to the first of 64 columns, 63 ns, 6 ns to the precharge, 16 ns: 113 ns and
    refreshes. Sums: 25 ns and 8 ns.
    """
    share = OpShare("projection", "q", 4096, 4096, ((1, 1),), macs=4096 * 4096)
    assert CENT.latency_ps(share) == 4 * (78_000 + 8 * round(113_000 * REFRESH) + 33_000)
    counts = naive_schedule.action_counts(naive_schedule.replay(CENT.work(share))[1])
    assert counts == {
        "dram_pim.activate": 4 * 4096,
        "dram_pim.read_bit": 16 * 4096 * 4096,
        "dram_pim.mac": 4096 * 4096,
        "dram_pim.command": 32 * 4 * 8 * 64,
        "dram_pim.transfer_bit": 32 * 4 * 2048 * 8 + 2 * 4 * 4096 * 16,
    }


def test_scores_and_values_by_hand() -> None:
    """32 heads of 128 elements and 2,048 entries: 4 rows a token, 4 tokens a bank; 8 heads share a row.

    Values: a head on each channel, 8 of its elements in each bank, whose 2,048 attention weights are 2 DRAM rows.
    """
    scores = OpShare("scores", "scores", 2048, 128, ((1, 32),), macs=32 * 2048 * 128)
    values = OpShare("values", "values", 128, 2048, ((1, 32),), macs=32 * 2048 * 128)
    visit_ps = 78_000 + round(113_000 * REFRESH) + 33_000
    assert CENT.latency_ps(scores) == 4 * 4 * visit_ps
    assert CENT.latency_ps(values) == 2 * (78_000 + 8 * round(113_000 * REFRESH) + 33_000)
    # Three queries of each head, as with grouped queries: rows stay open for all of them.
    grouped = replace(scores, loads=((3, 32),), macs=3 * scores.macs)
    three_ps = 3 * (78_000 + 33_000) + round((113_000 + 2 * 64_000) * REFRESH)
    assert CENT.latency_ps(grouped) == 4 * 4 * three_ps
    # Each of 32 channels gets 8 queries of 128 elements 16 times for each of three, and a sum goes both ways.
    counts = naive_schedule.action_counts(naive_schedule.replay(CENT.work(grouped))[1])
    assert counts["dram_pim.transfer_bit"] == 16 * (32 * 16 * 3 * 1024 + 2 * 3 * 32 * 2048)
    assert counts["dram_pim.command"] == 32 * 16 * 3 * 64
    assert counts["dram_pim.activate"] == 4 * 2048
    assert CENT.together(8) == (8, 4)
    assert CENT.together(40) == (32, 1)


def test_other_ops_by_hand() -> None:
    """32 rows of 2,048 scores, which pass to a bank or back six times.

    Keys of a token are in 4 rows of a bank, and its values in a row each, 512 at a time.
    """
    softmax = OpShare("softmax", "softmax", vectors=32, elements=2048, passes=3, size=32 * 2048)
    in_unit_s, scaled_s = 32 * 9.125e-9 + 32 * 2048 / 9.309e9, 6 * 2 * 32 * 2048 / 64e9
    assert CENT.latency_ps(softmax) == round((in_unit_s + scaled_s) * 1e12)
    assert device(dram_pim__score_transfers=0).latency_ps(softmax) == round(in_unit_s * 1e12)
    append = OpShare("append", "kv_append", vectors=1, elements=8192, cache_bits=16, cache_write_bytes=16384)
    opened_ns = 18 + 3 + 1 + 16.5 + 16
    assert CENT.latency_ps(append) == round(((4 + 8) * opened_ns + 8192 / 32) * 1000)
    counts = naive_schedule.action_counts(naive_schedule.replay(CENT.work(append))[1])
    assert counts == {"memory.write_bit": 8 * 16384, "dram_pim.activate": 4 + 4096}


def test_it_needs_the_banks_of_its_memory() -> None:
    with pytest.raises(ConfigError, match=r"dram_pim .* memory\.dram"):
        load_config("cent", {"machine.memory.dram": None})


def test_its_peak_is_a_column_of_every_bank() -> None:
    """512 banks with 16 products in 1 ns; 48 banks with 21 products of 12 bits in 5 cycles of 1 ns."""
    assert CENT.peak(8)[0] == near(512 * 16e9)
    assert STAGGERED.peak(8)[0] == near(48 * 21e9 / 5)
