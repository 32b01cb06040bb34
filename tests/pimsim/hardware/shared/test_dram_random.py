"""Random small DRAMs under random traffic, compared with the oracle, with the table of rules, and with themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.schema import MemoryConfig
from pimsim.hardware.shared.dram import Dram
from pimsim.hardware.shared.dram_timing import Timing, violations
from tests.oracles import naive_dram
from tests.pimsim.hardware.shared.memories import Job, drams, drive, jobs


@given(config=drams(), work=jobs)
def test_equals_command_by_command(config: MemoryConfig, work: list[Job]) -> None:
    """To the picosecond, and command for command."""
    medium = Dram(config, traced=True)
    done = drive(medium, work)
    ends, channels = naive_dram.replay(config, work)
    assert {ticket: each.end_ps for ticket, each in done.items()} == ends
    for ours, naive in zip(medium.commands().values(), channels, strict=True):
        assert sorted(ours) == sorted(naive.commands)


@given(config=drams(), work=jobs)
def test_every_command_is_legal(config: MemoryConfig, work: list[Job]) -> None:
    assert config.dram is not None
    medium = Dram(config, traced=True)
    drive(medium, work)
    for commands in medium.commands().values():
        assert not list(violations(commands, Timing.of(config.dram), config.dram.bank_groups))


@given(config=drams(), work=jobs, stops=st.lists(st.integers(0, 6_000_000), max_size=8))
def test_neither_stops_nor_grouping_nor_tracing_change_anything(
    config: MemoryConfig, work: list[Job], stops: list[int]
) -> None:
    """Channels in lockstep are simulated as one; the results equal those of channels simulated one by one."""
    plain, expanded, traced = Dram(config), Dram(config, expand=True), Dram(config, traced=True)
    done = drive(plain, work)
    assert drive(expanded, work, stops) == done
    assert drive(traced, work) == done
    assert plain.uses() == expanded.uses() == traced.uses()


@given(config=drams(), work=jobs)
def test_no_request_is_lost_and_none_is_faster_than_its_bus(config: MemoryConfig, work: list[Job]) -> None:
    assert config.dram is not None
    dram, timing = config.dram, Timing.of(config.dram)
    ccd_ps = timing.delay("read", "read", "channel")
    medium = Dram(config)
    done = drive(medium, work)
    assert sorted(done) == list(range(len(work)))
    assert medium.next_event_ps() is None
    assert medium.stuck() == ""
    assert all(use.in_bytes == use.out_bytes for use in medium.uses())
    moved = sum(use.out_bytes for use in medium.uses())
    assert moved == sum(
        dict(each.counts or ()).get(f"memory.{what}_bit", 0) // 8
        for each in done.values()
        for what in ("read", "write")
    )
    channels = config.channels * dram.pseudo_channels
    for ticket, (now_ps, share) in enumerate(work):
        time_ps = done[ticket].end_ps - now_ps
        latency_ps = (timing.write_latency if share.write else timing.read_latency) + timing.burst
        bursts = -(-share.size_bytes // dram.burst_bytes)
        least_ps = latency_ps + (-(-bursts // channels) - 1) * ccd_ps if share.size_bytes else 0
        assert time_ps >= share.count * least_ps
        assert done[ticket].waited_ps == 0 or done[ticket].waited_for
