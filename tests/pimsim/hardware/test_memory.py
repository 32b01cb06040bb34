"""Off-chip memory: first latency, whole blocks, rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config
from pimsim.config.schema import MemoryConfig
from pimsim.hardware.memory import Memory, MemoryShare
from tests.oracles import naive_schedule
from tests.support import component_strategies
from tests.support.closeness import near

shares = st.builds(MemoryShare, st.integers(0, 3000), st.booleans())
on_interfaces = st.builds(
    MemoryShare,
    st.integers(0, 3000),
    st.booleans(),
    interface=st.sampled_from(["", "activations", "weights", "results"]),
)


def rate_of(memory: Memory, share: MemoryShare) -> float:
    """Bytes per second at which a share is transferred: of the channels, or of its interface."""
    interfaces = memory.config.interfaces
    if interfaces is None:
        return memory.bandwidth_bytes_per_s
    name = share.interface or ("results" if share.write else "weights")
    rate: float = getattr(interfaces, f"{name}_bytes_per_s")
    return rate


@given(config=component_strategies.memory_configs, share=on_interfaces)
def test_closed_form_is_the_sum_of_the_steps(config: MemoryConfig, share: MemoryShare) -> None:
    memory = Memory(config)
    end_ps, events = naive_schedule.replay(memory.work(share))
    assert memory.latency_ps(share) == end_ps
    bits = {"memory.write_bit" if share.write else "memory.read_bit": 8 * share.size_bytes} if share.size_bytes else {}
    assert naive_schedule.action_counts(events) == bits
    # Each block is rounded to picoseconds once.
    exact_ps = 1e12 * (config.access_latency_s + share.size_bytes / rate_of(memory, share))
    assert abs(end_ps - exact_ps) <= 0.5 * (2 + share.size_bytes // config.block_bytes) + 1e-9 * exact_ps


@given(config=component_strategies.memory_configs, share=shares, more=st.integers(1, 500))
def test_more_bytes_are_never_faster_and_writes_take_as_long(
    config: MemoryConfig, share: MemoryShare, more: int
) -> None:
    memory = Memory(config)
    assert memory.latency_ps(MemoryShare(share.size_bytes + more, share.write)) >= memory.latency_ps(share)
    if config.interfaces is None:
        assert memory.latency_ps(MemoryShare(share.size_bytes, not share.write)) == memory.latency_ps(share)


def test_by_hand() -> None:
    """Four channels of 12.8 GB/s: 51.2 bytes a nanosecond, after 35.5 ns; 64 KiB blocks take 1280 ns each."""
    overrides = [
        "machine.memory.channels=4",
        "machine.memory.channel_bandwidth_bytes_per_s=12.8 GB/s",
        "machine.memory.access_latency_s=35.5 ns",
        "machine.memory.read_energy_j_per_bit=8.47 pJ/bit",
        "machine.memory.write_energy_j_per_bit=5.03 pJ/bit",
        "machine.memory.block_bytes=64 KiB",
    ]
    memory = Memory(load_config({}, overrides).machine.memory)
    events = naive_schedule.replay(memory.work(MemoryShare(2 * 65536 + 512)))[1]
    assert [(event.step.label, event.start_ps, event.end_ps) for event in events] == [
        ("first access", 0, 35_500),
        ("read", 35_500, 2_595_500),
        ("read", 2_595_500, 2_605_500),
    ]
    assert events[1].step.repeat == 2
    assert memory.action_energies_j() == {"read_bit": 8.47e-12, "write_bit": 5.03e-12}
    assert memory.areas() == ()


def test_background_power_counts_as_leakage() -> None:
    config = load_config({}, ["machine.memory.background_w=50 mW"]).machine.memory
    assert Memory(config).leakage_w() == 0.05


def test_interfaces_work_at_the_same_time_and_share_the_background_power() -> None:
    rates = "{activations_bytes_per_s: 1 GB/s, weights_bytes_per_s: 2 GB/s, results_bytes_per_s: 4 GB/s}"
    config = load_config({}, [f"machine.memory.interfaces={rates}", "machine.memory.background_w=30 mW"])
    memory = Memory(config.machine.memory)
    shares = (MemoryShare(8, interface="activations"), MemoryShare(8), MemoryShare(8, write=True))
    assert len({memory.resource(share) for share in shares}) == memory.units == 3
    assert memory.leakage_w() == 0.01


def test_interfaces_and_a_timing_table_exclude_each_other() -> None:
    rates = "{activations_bytes_per_s: 1 GB/s, weights_bytes_per_s: 2 GB/s, results_bytes_per_s: 4 GB/s}"
    with pytest.raises(ConfigError, match=r"machine\.memory.*interfaces and dram exclude each other"):
        load_config({"extends": "memory-hbm2-timing"}, [f"machine.memory.interfaces={rates}"])


def test_refreshes_of_banks_have_the_power_of_those_of_all_banks_and_cost_a_stream_less() -> None:
    """LPDDR5: eight pairs of banks, 488 ns each: a round of 3.904 us with the energy of a refresh of all banks."""
    at_once, in_turn = (
        Memory(load_config("memory-lpddr5-timing", [f"machine.memory.dram.refresh={refresh}"]).machine.memory)
        for refresh in ("all_bank", "per_bank")
    )
    refresh_w = 4 * 23.4e-9
    assert at_once.leakage_w() == near(0.148 + refresh_w / 3.906e-6)
    assert in_turn.leakage_w() == near(0.148 + refresh_w / (8 * 488e-9))
    # eq. (7) to (9) by hand: hits (1 + 1/2) / 4; 5 + 18.75 + 120 + 18.75 - 2.5 ns and 3 x (5 - 2.5) ns of 3.904 us.
    hit_ns = 5 + 18.75 + 120 + 18.75 - 2.5 + 3 * 2.5
    assert in_turn.bandwidth_bytes_per_s == near(51.2e9 * (1 - 1.5 / 4 * hit_ns / 3904))
    assert at_once.bandwidth_bytes_per_s < in_turn.bandwidth_bytes_per_s < 51.2e9
