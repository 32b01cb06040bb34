"""Weights in ROM: closed form = steps, ops by hand, and where keys and values lie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.loading import load_config
from pimsim.hardware.machine import build_machine
from pimsim.hardware.op_share import OpShare
from pimsim.hardware.rom import Rom
from tests.oracles import naive_schedule
from tests.support.closeness import near
from tests.support.op_shares import other_shares


def machine(name: str, **changes: Any) -> Rom:
    keys = {f"machine.rom.{key}": value for key, value in changes.items()}
    built = build_machine(load_config(name, keys).machine).processor
    assert isinstance(built, Rom)
    return built


TOM, BITROM = machine("tom"), machine("bitrom")
ALL_ON_DIE = machine("bitrom", cache_tokens=None, placement="spread", vector_elements_per_cycle=2.5)
matmuls = st.builds(
    lambda kind, outputs, inputs, loads, weight_bits, cache: OpShare(
        kind,
        kind,
        outputs,
        inputs,
        loads,
        weight_bits=weight_bits if kind == "projection" else 0,
        macs=outputs * inputs * sum(each * count for each, count in loads),
        weight_bytes=outputs * inputs if kind == "projection" else 0,
        cache_read_bytes=cache if kind != "projection" else 0,
    ),
    st.sampled_from(["projection", "scores", "values"]),
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 40)), min_size=1, max_size=2).map(tuple),
    st.sampled_from([1, 8]),
    st.integers(0, 10**7),
)


@pytest.mark.parametrize("rom", [TOM, BITROM, ALL_ON_DIE], ids=["tom", "bitrom", "all-on-die"])
@given(share=matmuls | other_shares)
def test_closed_form_is_the_step(rom: Rom, share: OpShare) -> None:
    end_ps, events = naive_schedule.replay(rom.work(share))
    assert rom.latency_ps(share) == end_ps
    counts = naive_schedule.action_counts(events)
    # Each byte is on the die, in ROM, or crosses the port of the memory.
    moved = sum(counts.get(f"memory.{what}_bit", 0) for what in ("read", "write")) + counts.get("rom.cache_bit", 0)
    in_rom = share.weight_bytes if rom.in_rom(share) else 0
    assert moved == 8 * (share.weight_bytes - in_rom + share.cache_read_bytes + share.cache_write_bytes)
    assert sum(rom.memory_bytes(share)) <= share.read_bytes + share.cache_write_bytes
    products = counts.get("rom.attention_mac", 0)
    if rom.in_rom(share):
        digits, passes = share.weight_bits, -(-8 // rom.config.input_bits_per_cycle)
        assert counts["rom.weight"] == share.macs * digits * passes
    else:
        assert products == share.macs


def test_projections_by_hand() -> None:
    """TOM: 2,560 sums in 20 parts of 128 inputs, on 160 units at 500 MHz. BitROM: 6,553,600 weights in two macros.

    Each of these has 128 accumulators that add a weight per cycle, in two passes of 4 bits at 100 MHz.
    """
    share = OpShare("projection", "q", 2560, 2560, ((1, 1),), weight_bits=1, macs=2560 * 2560)
    assert TOM.latency_ps(share) == (2560 * 20 // 160 + 16) * 2000
    assert BITROM.latency_ps(share) == (2 * 2560 * 2560 // 256 + 11) * 10_000
    # A matrix of 8 bits takes the place and the passes of 8 in BitROM's 13 macros; TOM reads it from memory.
    wide = replace(share, weight_bits=8, weight_bytes=2560 * 2560)
    assert BITROM.latency_ps(wide) == (2 * -(-8 * 2560 * 2560 // (13 * 128)) + 11) * 10_000
    assert TOM.latency_ps(wide) == round(35_500 + 2560 * 2560 / 51.2e9 * 1e12)
    assert TOM.memory_bytes(wide) == (2560 * 2560, 0)


def test_the_first_tokens_are_on_the_die() -> None:
    """Of 100 entries the first 32; with 1,024 tokens on the die all of them."""
    scores = OpShare("scores", "scores", 100, 128, ((4, 5),), cache_read_bytes=6_400_000, macs=4 * 5 * 100 * 128)
    values = replace(scores, kind="values", outputs=128, inputs=100)
    assert BITROM.cache_bytes(scores) == BITROM.cache_bytes(values) == (32 * 64_000, 68 * 64_000)
    assert TOM.cache_bytes(scores) == (6_400_000, 0)
    assert BITROM.latency_ps(scores) == round(35_500 + 68 * 64_000 / 51.2e9 * 1e12)
    assert TOM.latency_ps(scores) == -(-6_400_000 // 20_480) * 2000
    append = OpShare("append", "kv_append", vectors=1, elements=1280, cache_write_bytes=1280)
    assert BITROM.cache_bytes(append) == (0, 1280)
    assert ALL_ON_DIE.cache_bytes(append) == (1280, 0)


def test_its_peak_is_every_tree_in_every_cycle() -> None:
    assert TOM.peak(8)[0] == near(160 * 128 * 500e6)
    assert BITROM.peak(8)[0] == near(1152 * 128 * 100e6 / 2)
