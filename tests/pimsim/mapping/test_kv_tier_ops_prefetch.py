"""Prefetch of the KV cache: it hides what the closed form says, when nothing contends."""

from __future__ import annotations

import re

import pytest

from pimsim.base.errors import CapacityError, ConfigError
from pimsim.config.loading import load_config
from pimsim.results.kv_tier_figures import tier_figures
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate

LAYERS, CONTEXT, NEAR = 12, 200, 10
ENTRY = 2 * 12 * (64 + 4)
"""Bytes of a token in a layer of GPT-2 small: K and V of 12 heads, 64 elements of 8 bits and a step of 32 bits each."""


def ran(far_bytes_per_s: float, buffers: int, capacity: int, *more: str) -> RunResult:
    """Run a decode step whose nearest tier takes no time, and whose farther one takes time to read only.

    The port of the global buffer is unlimited, so that nothing waits for the nearest tier.
    """
    fast = {"write_bytes_per_s": 1e15, "access_latency_s": 0}
    far = {"name": "far", "kind": "ddr", "part": "far", "capacity_bytes": 2**30, "read_bytes_per_s": far_bytes_per_s}
    far |= dict.fromkeys(("read_energy_j_per_bit", "write_energy_j_per_bit", "background_w", "area_m2"), 0)
    far |= {"retention_s": None, "refresh_energy_j_per_bit": 0, "endurance_writes": None, **fast}
    near = {"preset": "sram", "capacity_bytes": capacity, "read_bytes_per_s": 1e15, **fast}
    tree = {
        "extends": "pim-llm",
        "schedule": "dataflow",
        "workload": {"model": "gpt2-small", "context_length": CONTEXT},
        "machine": {"kv_tiers": [near, far], "sram": {"ports": None}},
        "mapping": {"kv_tiers": {"prefetch_buffers": buffers}},
    }
    return simulate(load_config(tree, more))


def room(buffers: int) -> int:
    return LAYERS * NEAR * ENTRY + buffers * (CONTEXT - NEAR) * ENTRY


def load_ps(far_bytes_per_s: float) -> int:
    """Return the time of the copies of a layer: those of keys, then those of values."""
    return 2 * round((CONTEXT - NEAR) * ENTRY / 2 / far_bytes_per_s * 1e12)


def test_prefetch_hides_exactly_what_the_closed_form_says() -> None:
    """With two buffers, loads of T follow one another; the copies of layer l of n (from 0) are there after (l + 1) T.

    All reads of attention are from the nearest tier, as if it held the whole cache, which takes C. R is what is left
    when the copies of the last layer are there, which follows from one slow tier. On chip, the scores of layer l begin
    D(l) before those of the last layer. So the step takes the largest of C and (l + 1) T + D(l) + R: fast copies are
    hidden, slower ones but those of the first layer, and copies that take longer than a layer not at all.
    One token of each layer moves to the slow tier in 2 ps, its smallest time; load l + 2 waits for that of layer l.
    """
    on_chip = ran(1e8, 3, LAYERS * CONTEXT * ENTRY)
    move = round(ENTRY / 1e15 * 1e12)
    left = ran(1e8, 2, room(2)).latency_ps - LAYERS * load_ps(1e8) - (LAYERS - 2) * move
    starts = [each.start_ps for each in on_chip.activities if each.name == "scores[0]"]
    largest = []
    for far in (1e12, 1.6e9, 1.4e9, 1e9, 3e7):
        loads = [(layer + 1) * load_ps(far) + max(0, layer - 1) * move for layer in range(LAYERS)]
        there = [load + starts[-1] - start + left for load, start in zip(loads, starts, strict=True)]
        terms = [on_chip.latency_ps, *there]
        assert ran(far, 2, room(2)).latency_ps == max(terms)
        largest.append(terms.index(max(terms)))
    assert largest[0] == 0 < largest[1] <= largest[2] < largest[3] == largest[4] == LAYERS


def test_one_buffer_is_loaded_when_attention_has_read_it() -> None:
    """Loads and reads of the one buffer alternate, so that a slower load adds its time in each of the layers."""
    slow, slower = (ran(far, 1, room(1)) for far in (1e8, 5e7))
    assert slower.latency_ps - slow.latency_ps == LAYERS * (load_ps(5e7) - load_ps(1e8))
    assert slow.latency_ps > ran(1e8, 2, room(2)).latency_ps


def test_copies_are_counted_in_both_tiers() -> None:
    near, far = tier_figures(ran(1e9, 2, room(2)))
    copied = LAYERS * (CONTEXT - NEAR) * ENTRY
    assert (near.held_bytes, far.held_bytes) == (LAYERS * NEAR * ENTRY, copied)
    # One token is written and another one moves on; attention reads everything from the nearest tier.
    assert (far.read_bytes, far.written_bytes) == (copied, LAYERS * ENTRY)
    assert (near.written_bytes, near.read_bytes) == (copied + LAYERS * ENTRY, LAYERS * (CONTEXT + 1) * ENTRY)


def test_bad_prefetches_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"prefetch_buffers .* schedule=serial overlaps nothing"):
        ran(1e9, 2, room(2), "schedule=serial")
    with pytest.raises(CapacityError, match=re.escape(f"({2 * CONTEXT * ENTRY:,} bytes) in the nearest tier")):
        ran(1e9, 2, 2 * CONTEXT * ENTRY - 1)
    with pytest.raises(CapacityError, match="fewer buffers"):
        ran(1e9, 2, 2 * CONTEXT * ENTRY - 1, "mapping.kv_tiers.place=layer")


def test_copies_come_from_every_farther_tier() -> None:
    """20 tokens of each layer in the second of three tiers; the copies of the other 170 come from the third."""
    second = f"{{preset: edram, capacity_bytes: {LAYERS * 20 * ENTRY}}}"
    tiers = f"machine.kv_tiers=[{{preset: sram, capacity_bytes: {room(1)}}}, {second}, {{preset: ddr5}}]"
    fixed = ["workload.model=gpt2-small", f"workload.context_length={CONTEXT}", "schedule=dataflow"]
    result = simulate(load_config("pim-llm", [*fixed, tiers, "mapping.kv_tiers.prefetch_buffers=1"]))
    near, middle, far = tier_figures(result)
    # One token moves from each tier to the next, beside the copies.
    assert (middle.read_bytes, far.read_bytes) == (LAYERS * 21 * ENTRY, LAYERS * 170 * ENTRY)
    assert near.written_bytes == LAYERS * (190 + 1) * ENTRY
