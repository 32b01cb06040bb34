"""Random small DRAMs, and jobs for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import reject
from hypothesis import strategies as st

from pimsim.base.errors import ConfigError
from pimsim.config.schema import DramConfig, MemoryConfig
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.shared.dram import Dram
from pimsim.hardware.shared.dram_standard import find_standard
from pimsim.hardware.shared.dram_timing import Timing
from pimsim.hardware.shared.medium import Completion

Job = tuple[int, MemoryShare]
KEYS = {key.removesuffix("_s") for key in DramConfig.model_fields}


STANDARDS = ("common", "lpddr4", "lpddr5", "hbm2", "hbm3", "lpddr6")
ACTIVATES_IN_FAW = 4


@st.composite
def drams(draw: st.DrawFn) -> MemoryConfig:
    """A few banks with short rows; the delays have any size, so that each of them is decisive in some examples."""

    def delay(low: int, high: int) -> float:
        return draw(st.integers(low, high)) * 1e-9

    groups = draw(st.sampled_from([1, 2, 4]))
    burst_s = delay(1, 4)
    short_s = burst_s + draw(st.integers(0, 2)) * 1e-9
    long_s = short_s if groups == 1 else draw(st.sampled_from([short_s, groups * short_s]))
    rrd_s, wtr_s, tras_s, faw_s = delay(1, 12), delay(1, 12), delay(1, 60), delay(1, 80)
    trcd_s, trp_s, twr_s, trfc_s, reading_s = delay(1, 25), delay(1, 25), delay(1, 40), delay(1, 300), delay(1, 30)
    standard = find_standard(draw(st.sampled_from(STANDARDS)))
    bank_refresh = standard.refresh(of_banks=True)
    together = standard.commands[bank_refresh].banks if bank_refresh else 1
    in_banks = bank_refresh is not None and (groups == 1 or groups % together == 0)
    banks_per_group = draw(st.integers(1, 3)) * (together if groups == 1 else 1)
    further = {name: delay(1, 30) for name in sorted(standard.timings()) if name not in KEYS}
    turns = groups * banks_per_group // together
    if in_banks:
        # At most half of the time of a bank, and of the channel.
        blocked_s = trp_s + further["trfc_bank"] + trcd_s
        spread_s = max(rrd_s, faw_s / ACTIVATES_IN_FAW, *further.values())
        further["trefi_bank"] = max(2 * blocked_s / turns, 2 * spread_s) + delay(1, 60)
    dram = DramConfig(
        standard=standard.name,
        timings={f"{name}_s": value for name, value in further.items()},
        pseudo_channels=draw(st.integers(1, 2)),
        bank_groups=groups,
        banks_per_group=banks_per_group,
        rows=draw(st.integers(2, 5)),
        row_bytes=8 * draw(st.integers(4, 9)),
        burst_bytes=8,
        burst_s=burst_s,
        tccd_short_s=short_s,
        tccd_long_s=long_s,
        trcd_s=trcd_s,
        trp_s=trp_s,
        tras_s=tras_s,
        trc_s=tras_s + delay(0, 30),
        trrd_short_s=rrd_s,
        trrd_long_s=rrd_s + delay(0, 8),
        tfaw_s=faw_s,
        read_latency_s=reading_s,
        write_latency_s=delay(1, 30),
        trtp_s=delay(1, 15),
        twr_s=twr_s,
        twtr_short_s=wtr_s,
        twtr_long_s=wtr_s + delay(0, 8),
        read_to_write_gap_s=delay(1, 5),
        refresh=draw(st.sampled_from([False, "all_bank", *(["per_bank"] * 2 if in_banks else [])])),
        trfc_s=trfc_s,
        trefi_s=2 * (trfc_s + trp_s + trcd_s + twr_s) + delay(1, 300),
        mapping=draw(st.sampled_from(["row_bank_column_group", "row_bank_group_column", "bank_row_column_group"])),
        interleave_bytes=8 * draw(st.integers(1, 6)),
        chunk_bytes=8 * draw(st.integers(1, 20)),
        scheduler=draw(st.sampled_from(["fcfs", "fr_fcfs"])),
        turnaround_batch=draw(st.integers(1, 4)),
        queue_depth=draw(st.integers(1, 4)),
        page_policy=draw(st.sampled_from(["open", "closed"])),
        activate_energy_j=1e-9,
        read_energy_j_per_bit=1e-12,
        write_energy_j_per_bit=1e-12,
        refresh_energy_j=1e-9,
    )
    _reject_negative_delays(dram)
    return MemoryConfig(
        part="any",
        channels=draw(st.integers(1, 3)),
        channel_bandwidth_bytes_per_s=dram.pseudo_channels * dram.bandwidth_bytes_per_s,
        access_latency_s=dram.trcd_s + dram.read_latency_s,
        read_energy_j_per_bit=0.0,
        write_energy_j_per_bit=0.0,
        background_w=0.0,
        capacity_bytes=None,
        block_bytes=64,
        interfaces=None,
        dram=dram,
    )


def _reject_negative_delays(dram: DramConfig) -> None:
    """A delay that is a difference of timings may be negative."""
    try:
        Timing.of(dram)
    except ConfigError:
        reject()


shares = st.builds(
    MemoryShare,
    size_bytes=st.integers(0, 600),
    write=st.booleans(),
    count=st.integers(1, 3),
    address=st.none() | st.integers(0, 3000),
)
jobs = st.lists(st.tuples(st.integers(0, 3_000_000), shares), min_size=1, max_size=6).map(
    lambda each: sorted(each, key=lambda job: job[0])
)


def drive(medium: Dram, work: Sequence[Job], stops: Iterable[int] = ()) -> dict[int, Completion]:
    """Submit the jobs at their times and advance to the end, with intermediate stops; completions by ticket."""
    done: dict[int, Completion] = {}
    last_ps = 0

    def advance(limit_ps: int) -> None:
        nonlocal last_ps
        while ended := medium.advance(limit_ps):
            assert len({each.end_ps for each in ended}) == 1
            assert last_ps <= ended[0].end_ps <= limit_ps
            last_ps = ended[0].end_ps
            done.update({each.ticket: each for each in ended})
        next_ps = medium.next_event_ps()
        assert next_ps is None or next_ps > limit_ps

    stops = sorted(stops)
    for ticket, (now_ps, share) in enumerate(work):
        for stop_ps in (each for each in stops if each < now_ps):
            advance(stop_ps)
        advance(now_ps - 1)
        medium.submit(ticket, share, now_ps)
    for stop_ps in stops:
        advance(stop_ps)
    advance(1 << 60)
    return done
