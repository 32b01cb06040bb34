"""A roofline: closed form = steps for random ops, one op by hand, and what passes the memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.loading import load_config
from pimsim.hardware.machine import build_machine
from pimsim.hardware.op_share import OpShare, memory_counts
from pimsim.hardware.roofline import Roofline
from tests.oracles import naive_schedule
from tests.support.closeness import near


def gpu(*overrides: str) -> Roofline:
    processor = build_machine(load_config("a100-80gb", overrides).machine).processor
    assert isinstance(processor, Roofline)
    return processor


ROUND = (
    *("machine.roofline.peak_int8_ops_per_s=2e12", "machine.roofline.peak_fp16_ops_per_s=1e12"),
    *("machine.roofline.compute_efficiency=0.5", "machine.roofline.bandwidth_efficiency=0.8"),
    *("machine.memory.channels=1", "machine.memory.channel_bandwidth_bytes_per_s=1e12"),
    *("machine.roofline.overhead_s=2e-6", "machine.roofline.cache_bytes=1000", "machine.roofline.tdp_w=200"),
    "machine.roofline.active_share=0.5",
)
"""A machine of round numbers: 1 or 0.5 operations per ps, 0.8 bytes per ps."""
UNITS = {True: gpu(), False: gpu("machine.roofline.fused_attention=false", "machine.roofline.cache_bytes=0")}
sizes = st.integers(0, 1 << 36)
shares = st.builds(
    OpShare,
    st.sampled_from(["projection", "scores", "values", "softmax", "norm", "elementwise", "append", "embedding"]),
    st.just("any"),
    size=sizes,
    passes=st.integers(0, 4),
    on_scores=st.booleans(),
    input_bits=st.sampled_from([4, 8, 16]),
    cache_bits=st.sampled_from([0, 8, 16]),
    macs=st.integers(0, 1 << 44),
    weight_bytes=sizes,
    cache_read_bytes=sizes,
    cache_write_bytes=sizes,
    input_bytes=sizes,
    output_bytes=sizes,
)


@given(share=shares, fused=st.booleans())
def test_closed_form_is_the_sum_of_the_steps(share: OpShare, fused: bool) -> None:
    unit = UNITS[fused]
    end_ps, events = naive_schedule.replay(unit.work(share))
    counts = naive_schedule.action_counts(events)
    assert unit.latency_ps(share) == end_ps == counts["roofline.active_ps"]
    assert counts["roofline.mac"] == share.macs
    read, written = unit.moved_bytes(share)
    assert (counts["memory.read_bit"], counts["memory.write_bit"]) == (8 * read, 8 * written)
    assert read >= share.weight_bytes + share.cache_read_bytes
    assert written >= share.cache_write_bytes


def test_a_projection_by_hand() -> None:
    """8,000,000 bytes at 0.8 bytes/ps take 10 us; 3e6 MACs are 6e6 operations, 6 us in 8 bits and 12 us in 16 bits."""
    unit = gpu(*ROUND)
    share = OpShare("projection", "q", macs=3_000_000, weight_bytes=8_000_000, input_bytes=900, output_bytes=1000)
    assert unit.latency_ps(share) == 2_000_000 + 10_000_000
    wide = OpShare("projection", "q", input_bits=16, macs=3_000_000, weight_bytes=8_000_000)
    assert unit.latency_ps(wide) == 2_000_000 + 12_000_000
    assert unit.action_energies_j()["active_ps"] * unit.latency_ps(wide) == near(100 * 14e-6)
    # Both exceed the cache of 1,000 bytes: 64,001 bytes take 80,001.25 ps, and a norm has no kernel of its own.
    spilled = OpShare("norm", "rmsnorm", size=1, passes=2, input_bytes=63_000, output_bytes=1_001)
    assert unit.latency_ps(spilled) == 80_001


def test_scores_of_fused_attention_stay_on_the_chip() -> None:
    scores = OpShare("scores", "scores", cache_read_bytes=10, input_bytes=5_000, output_bytes=7_000)
    weights = OpShare("values", "values", cache_read_bytes=10, input_bytes=7_000, output_bytes=5_000)
    softmax = OpShare("softmax", "softmax", on_scores=True, input_bytes=7_000, output_bytes=7_000)
    fused, apart = gpu(*ROUND), gpu(*ROUND, "machine.roofline.fused_attention=false")
    assert [fused.moved_bytes(each) for each in (scores, weights, softmax)] == [(5_010, 0), (10, 5_000), (0, 0)]
    assert [apart.moved_bytes(each) for each in (scores, weights, softmax)] == [
        *((5_010, 7_000), (7_010, 5_000), (7_000, 7_000)),
    ]
    # One kernel, or two: 2 us each.
    assert apart.latency_ps(weights) - apart.latency_ps(softmax) >= 2_000_000 - 20_000
    assert fused.latency_ps(weights) == 6_262  # 5,010 bytes / 0.8, halves rounded to even


def test_a_memory_with_rows_counts_those_that_a_stream_opens() -> None:
    memory = build_machine(load_config("a100-80gb", ["machine.memory.access_latency_s=0"]).machine).memory
    assert dict(memory_counts(memory, 100, 0)) == {"memory.read_bit": 800}
    banks = build_machine(load_config("pim-llm-near-memory").machine).memory
    assert dict(memory_counts(banks, 1025, 1024)) == {
        "memory.read_bit": 8200,
        "memory.write_bit": 8192,
        "memory.activate": 3,  # rows of 1 KiB
    }
