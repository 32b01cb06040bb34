"""DRAM compared with data sheets: latencies, peak bandwidth, refresh, turnaround; each rule is kept and is tight."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config
from pimsim.config.schema import DramConfig, MemoryConfig
from pimsim.hardware.memory import Memory, MemoryShare
from pimsim.hardware.shared.bank_refresh import bank_refresh
from pimsim.hardware.shared.dram import Dram
from pimsim.hardware.shared.dram_channel import Channel
from pimsim.hardware.shared.dram_delays import ChannelDelays, channel_delays
from pimsim.hardware.shared.dram_timing import Command, Rule, Timing, violations
from tests.pimsim.hardware.shared.memories import drive
from tests.support.closeness import near

PARTS = tuple(f"memory-{name}-timing" for name in ("lpddr4x", "lpddr5", "lpddr5x", "lpddr6", "hbm2", "hbm3"))
PER_BANK = tuple(name for name in PARTS if "lpddr6" not in name)
DATASHEET_NS = {  # row closed, row open, another row open: by hand from the sources of the tables
    "memory-lpddr5-timing": (18.75 + 21.25 + 2.5, 21.25 + 2.5, 18.75 + 18.75 + 21.25 + 2.5),
    "memory-hbm2-timing": (14 + 14 + 2, 14 + 2, 14 + 14 + 14 + 2),
    # 48 + 56 + 6 CK of 0.375 ns, and nRP of 59 + 48; 31 + 20 + 2 CK of 0.625 ns, and nRP of 26: Ramulator 2.1
    "memory-lpddr6-timing": (110 * 0.375, 62 * 0.375, 217 * 0.375),
    "memory-hbm3-timing": (53 * 0.625, 22 * 0.625, 79 * 0.625),
}
DATASHEET_GB_PER_S = {
    "memory-lpddr5-timing": 4 * 12.8,
    "memory-lpddr6-timing": 4 * 28.4455,  # 24 pins at 10.667 Gb/s, 32 of 36 bytes: JEDEC's press release has 28.5
    "memory-hbm2-timing": 256.0,
    "memory-hbm3-timing": 819.2,
}


def memory_of(part: str, **changes: object) -> MemoryConfig:
    """Return the memory of a part, without refreshes unless `changes` says otherwise."""
    memory = load_config(part).machine.memory
    assert memory.dram is not None
    dram = DramConfig(**(memory.dram.model_dump() | {"refresh": False} | changes))
    return memory.model_copy(update={"dram": dram})


def table_of(memory: MemoryConfig) -> tuple[DramConfig, Timing]:
    assert memory.dram is not None
    return memory.dram, Timing.of(memory.dram)


def delays_of(memory: MemoryConfig) -> ChannelDelays:
    dram, timing = table_of(memory)
    return channel_delays(timing, dram)


@pytest.mark.parametrize("part", PARTS)
def test_latency_of_a_burst(part: str) -> None:
    """Row closed: tRCD + RL + burst. Row open: RL + burst. Another row open: tRP more. All on an idle channel.

    Reference:
        docs/memory.md, eqs. (1) to (3).
    """
    memory = memory_of(part)
    dram, timing = table_of(memory)
    medium = Dram(memory)
    same_bank = (
        medium.stripe_bytes * medium.channel_groups[0].channel.bank_sets * medium.row_set_bursts * dram.burst_bytes
    )
    same_bank //= dram.interleave_bytes
    idle = 1_000_000
    work = [(each * idle, MemoryShare(dram.burst_bytes, address=at)) for each, at in enumerate((0, 0, same_bank))]
    done = drive(medium, work)
    latencies = tuple(done[each].end_ps - each * idle for each in range(3))
    hit, delays = timing.read_latency + timing.burst, delays_of(memory)
    assert latencies == (delays.rcd[0] + hit, hit, delays.rp + delays.rcd[0] + hit)
    if part in DATASHEET_NS:
        assert latencies == tuple(round(1000 * ns) for ns in DATASHEET_NS[part])


@pytest.mark.parametrize("part", PARTS)
def test_a_stream_reaches_the_peak_and_never_passes_it(part: str) -> None:
    """Refresh off: of 32 MB, all but the first access is at the datasheet's peak, burst after burst without a gap."""
    memory = memory_of(part)
    dram, timing = table_of(memory)
    size = 1 << 25
    end_ps = drive(Dram(memory), [(0, MemoryShare(size))])[0].end_ps
    bursts = size // dram.burst_bytes // (memory.channels * dram.pseudo_channels)
    delays = delays_of(memory)
    least_ps = delays.rcd[0] + timing.read_latency + bursts * timing.burst
    stagger_ps = (dram.bank_groups - 1) * (delays.rrd - delays.ccd[0])
    assert end_ps == least_ps + (stagger_ps if dram.bank_groups > 1 else 0)
    peak = memory.channels * memory.channel_bandwidth_bytes_per_s
    assert 0.999 * peak < size / end_ps * 1e12 < 1.001 * peak
    if part in DATASHEET_GB_PER_S:
        assert 0.999 * DATASHEET_GB_PER_S[part] < size / end_ps * 1e3 < DATASHEET_GB_PER_S[part]


@pytest.mark.parametrize("part", PARTS)
def test_writes_stream_as_fast(part: str) -> None:
    memory = memory_of(part)
    size, peak = 1 << 23, memory.channels * memory.channel_bandwidth_bytes_per_s
    end_ps = drive(Dram(memory), [(0, MemoryShare(size, write=True))])[0].end_ps
    assert 0.99 * peak < size / end_ps * 1e12 < 1.001 * peak


@pytest.mark.parametrize("part", PARTS)
def test_refresh_costs_what_the_table_says(part: str) -> None:
    """A refresh costs more than tRFC of each tREFI, and less than tRFC plus closing and opening all rows; the closed
    form of the component is what a stream of 64 MB reaches.
    """
    memory = memory_of(part, refresh=True)
    dram, timing = table_of(memory)
    size = 1 << 26
    medium = Dram(memory)
    end_ps = drive(medium, [(0, MemoryShare(size))])[0].end_ps
    refreshes = medium.channel_groups[0].channel.refreshes
    assert refreshes in (end_ps // timing.refi, end_ps // timing.refi - 1)
    peak = memory.channels * memory.channel_bandwidth_bytes_per_s
    fraction = size / end_ps * 1e12 / peak
    assert fraction < 1 - delays_of(memory).rfc / timing.refi + 1e-3
    assert fraction == pytest.approx(dram.stream_efficiency, abs=2e-3)
    assert end_ps == near(Memory(memory).latency_ps(MemoryShare(size)), rel=2e-3)


@pytest.mark.parametrize("part", PER_BANK)
def test_refreshes_of_banks_cost_a_stream_little(part: str) -> None:
    """Each bank has one refresh in a round, and a stream of reads keeps most of what refreshes of all banks take.

    The closed form counts one hit at the end of a round, with the probability that its banks are in use.
    """
    memory = memory_of(part, refresh="per_bank")
    dram, timing = table_of(memory)
    medium = Dram(memory)
    size = 1 << 23
    end_ps = drive(medium, [(0, MemoryShare(size))])[0].end_ps
    channel = medium.channel_groups[0].channel
    assert len(timing.refreshed) * timing.refi == near(dram.trefi_s * 1e12, rel=1e-3)  # each bank once in every tREFI
    assert channel.refreshes in (end_ps // timing.refi, end_ps // timing.refi - 1)
    assert sorted(bank for banks in timing.refreshed for bank in banks) == list(range(len(channel.row)))
    fraction = size / end_ps * 1e12 / (memory.channels * memory.channel_bandwidth_bytes_per_s)
    assert fraction == pytest.approx(bank_refresh(dram).efficiency, abs=0.016)
    all_banks = memory_of(part, refresh="all_bank").dram
    assert all_banks is not None
    assert fraction > all_banks.stream_efficiency + 0.04
    # An idle channel refreshes as often as a busy one; whole rounds are skipped in one step.
    idle = Dram(memory)
    drive(idle, [(0, MemoryShare(64)), (10**12, MemoryShare(64))])
    assert idle.channel_groups[0].channel.refreshes == 10**12 // timing.refi


@pytest.mark.parametrize("part", PARTS)
def test_turnaround(part: str) -> None:
    """A write between two reads of open rows: RL + burst + gap - WL before it, WL + burst + tWTR after it.

    LPDDR6 counts the longer time of a burst in one bank group, 12 CK of 0.375 ns.
    """
    memory = memory_of(part)
    dram, timing = table_of(memory)
    trace: list[Command] = []
    channel = Channel(dram, trace)
    opened_ps = 10**6
    channel.serve(0, channel.lanes, write=False, now_ps=0)
    for write in (False, True, False):
        channel.serve(0, 1, write, opened_ps)
    first, wrote, second = (each.at_ps for each in trace[-3:])
    assert first == opened_ps
    burst = 12 * 375 if "lpddr6" in part else timing.burst
    assert wrote - first == timing.read_latency + burst + round(1e12 * dram.read_to_write_gap_s) - timing.write_latency
    assert second - wrote == timing.write_latency + burst + round(1e12 * dram.twtr_long_s)


@pytest.mark.parametrize("part", PARTS)
def test_illegal_a_picosecond_before_and_legal_on_time(part: str) -> None:
    """Each rule by itself: its commands at the delay keep it, one ps earlier they break it."""
    for refresh in ("all_bank", *(["per_bank"] if part in PER_BANK else [])):
        timing = table_of(memory_of(part, refresh=refresh))[1]
        assert len(timing.rules) >= 15
        for rule in timing.rules:
            alone = replace(timing, rules=(rule,))
            assert any(each.startswith(f"{rule.name}:") for each in violations(_pair(rule, -1), alone, groups=4))
            assert not any(f"{rule.name}:" in each for each in violations(_pair(rule, 0), alone, groups=4))


def _pair(rule: Rule, later_ps: int) -> list[Command]:
    """Return the two commands of a rule at its delay, and `later_ps` more; with a window, `window` before."""
    start, other = 10_000_000, {"bank": 0, "group": 4, "channel": 1}[rule.scope]
    before = [Command(start + each, rule.before[-1 if each else 0], 4 * each) for each in range(rule.window)]
    return [*before, Command(start + rule.delay_ps + later_ps, rule.after[0], other)]


def crowd() -> list[tuple[int, MemoryShare]]:
    sizes = (9000, 64, 70_000, 512, 4096, 33)
    return [(700 * n, MemoryShare(sizes[n % 6], write=n % 3 == 2, count=1 + n % 2)) for n in range(60)]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("scheduler", ["fcfs", "fr_fcfs"])
def test_a_crowd_keeps_every_rule(part: str, scheduler: str) -> None:
    for refresh in ("all_bank", *(["per_bank"] if part in PER_BANK else [])):
        memory = memory_of(part, refresh=refresh, scheduler=scheduler)
        dram, timing = table_of(memory)
        medium = Dram(memory, traced=True)
        drive(medium, crowd()[:18])
        for commands in [*medium.commands().values()][:2]:
            assert not list(violations(commands, timing, dram.bank_groups))


def test_no_kind_of_rule_is_slack() -> None:
    """If a delay were one ps longer, some command would be too early: each kind of rule is tight in some standard."""
    slack: set[str] = set()
    tight: set[str] = set()
    work = [(60_000 * n, MemoryShare(128 + 192 * (n % 4), write=n % 3 == 2)) for n in range(30)]
    work += [(3_000_000, MemoryShare(64, address=1 << (9 + n), write=n % 2 == 0)) for n in range(12)]
    for part, policy, in_banks in product(PARTS, ["open", "closed"], [False, True]):
        if in_banks and part not in PER_BANK:
            continue
        changes: dict[str, object] = {"refresh": "all_bank", "trefi_s": 1.2e-6}
        if in_banks:  # long write recovery delays refreshes, so that the next one waits for the one before
            changes = {"refresh": "per_bank", "twr_s": 3e-7, "tfaw_s": 9e-8}
        if in_banks and "lpddr5" in part:
            changes["timings"] = {
                "trfc_bank_s": 1.2e-7,
                "trefi_bank_s": 4.88e-7,
                "tpbr2pbr_s": 2.4e-7,
                "tpbr2act_s": 8e-9,
            }
        mapping = "row_bank_group_column" if policy == "closed" else "row_bank_column_group"
        memory = memory_of(part, page_policy=policy, mapping=mapping, chunk_bytes=64, queue_depth=4, **changes)
        memory = memory.model_copy(update={"channels": 1})
        dram, timing = table_of(memory)
        medium = Dram(memory, traced=True)
        drive(medium, work)
        roles = {name: role for role, name in timing.names.items()}
        longer = tuple(
            rule._replace(
                name=f"{[roles[each] for each in rule.before]} {[roles[each] for each in rule.after]} {rule.scope} "
                f"{rule.window} {in_banks}",
                delay_ps=rule.delay_ps + 1,
            )
            for rule in timing.rules
        )
        slack |= {rule.name for rule in longer}
        commands = next(iter(medium.commands().values()))
        found = violations(commands, replace(timing, rules=longer), dram.bank_groups)
        tight |= {each.partition(":")[0] for each in found}
    assert slack - tight == set()


@pytest.mark.parametrize("part", PARTS)
def test_open_rows_first_is_no_slower_for_two_that_share_banks(part: str) -> None:
    """Two streams whose rows lie in the same banks: taking turns closes the other's row each time."""

    def end_ps(scheduler: str) -> int:
        memory = memory_of(part, scheduler=scheduler, chunk_bytes=512)
        medium = Dram(memory)
        rows_apart = (
            medium.row_set_bursts
            * medium.config.burst_bytes
            * medium.channel_groups[0].channel.bank_sets
            * medium.channels
        )
        work = [(0, MemoryShare(1 << 16, address=0)), (0, MemoryShare(1 << 16, address=rows_apart))]
        return max(each.end_ps for each in drive(medium, work).values())

    assert end_ps("fr_fcfs") < end_ps("fcfs")


def test_who_waited_for_what() -> None:
    """A small read after a large one waits for the channel; alone it does not wait."""
    memory = memory_of("memory-lpddr5-timing")
    small = MemoryShare(256, address=1 << 24)
    alone = drive(Dram(memory), [(0, small)])[0]
    assert (alone.waited_for, alone.waited_ps) == ("", 0)
    done = drive(Dram(memory), [(0, MemoryShare(1 << 16, address=0)), (0, small)])
    assert done[1].waited_for == "channel 0"
    assert done[1].waited_ps > 0
    assert done[1].end_ps > alone.end_ps


def test_energy_is_counts_times_energies() -> None:
    """64 KiB of LPDDR5 lie in 32 rows of 2 KiB. Its energies per bit are those of the default memory."""
    memory = Memory(load_config("memory-lpddr5-timing").machine.memory)
    medium = memory.contended()
    assert medium is not None
    medium.submit(7, MemoryShare(1 << 16), 0)
    [done] = medium.advance(1 << 60)
    assert done.counts == (("memory.activate", 32), ("memory.read_bit", 8 << 16))
    assert memory.action_energies_j() == {"activate": 1.27e-9, "read_bit": 5.46e-12, "write_bit": 3.76e-12}
    # Background 148 mW, and a refresh of 23.4 nJ on four channels every 3.906 us.
    assert memory.leakage_w() == near(0.148 + 4 * 23.4e-9 / 3.906e-6)


def test_no_table_no_medium() -> None:
    memory = Memory(load_config("defaults").machine.memory)
    assert memory.contended() is None
    assert memory.action_energies_j() == {"read_bit": 5.46e-12, "write_bit": 3.76e-12}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("channel_bandwidth_bytes_per_s", "12 GB/s", "bursts of dram add up"),
        ("access_latency_s", "35.5 ns", "trcd_s + read_latency_s"),
        ("dram.tccd_long_s", "11 ns", "bank_groups * tccd_short_s"),
        ("dram.trefi_s", "300 ns", "trefi_s is too short"),
        ("dram.interleave_bytes", "100", "multiple of burst_bytes"),
        ("dram.tras_s", "100 ns", "tras_s must not exceed"),
        ("dram.trrd_long_s", "1 ns", "within a bank group"),
    ],
)
def test_an_inconsistent_table_is_refused(key: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config("memory-lpddr5-timing", [f"machine.memory.{key}={value}"])
    assert said in str(refused.value).replace("\n", " ")
