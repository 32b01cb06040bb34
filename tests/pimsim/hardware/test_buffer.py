"""Global buffer: accesses of the port's width, one a cycle, or streamed at no time of their own."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.loading import load_config
from pimsim.config.schema import SramConfig
from pimsim.hardware.buffer import BufferShare, Sram
from tests.oracles import naive_schedule
from tests.support import component_strategies

shares = st.builds(BufferShare, st.integers(0, 2000), st.integers(0, 2000), st.booleans())


@cache
def banks_reached(ports: int, banks: int | None) -> Fraction:
    """Return the mean number of distinct banks over all choices of a bank by each port, all of them written out."""
    if banks is None:
        return Fraction(ports)
    choices = [len(set(each)) for each in itertools.product(range(banks), repeat=ports)]
    return Fraction(sum(choices), len(choices))


def cycles(count: int, config: SramConfig) -> int:
    return math.ceil(count / banks_reached(config.ports or 1, config.banks))


def accesses(size_bytes: int, width_bits: int) -> int:
    return len(range(0, 8 * size_bytes, width_bits))


@given(config=component_strategies.sram_configs, share=shares)
def test_closed_form_is_the_sum_of_the_steps(config: SramConfig, share: BufferShare) -> None:
    sram = Sram(config)
    end_ps, events = naive_schedule.replay(sram.work(share))
    assert sram.latency_ps(share) == end_ps
    reads, writes = accesses(share.read_bytes, config.width_bits), accesses(share.write_bytes, config.width_bits)
    counts = naive_schedule.action_counts(events)
    assert (counts["sram.read"], counts["sram.write"]) == (reads, writes)
    in_all = cycles(reads, config) + cycles(writes, config)
    assert end_ps == (0 if share.streamed else in_all * round(1e12 / config.clock_hz))


@given(config=component_strategies.sram_configs, share=shares)
def test_streaming_changes_the_time_and_not_the_accesses(config: SramConfig, share: BufferShare) -> None:
    events = [
        naive_schedule.replay(Sram(config).work(BufferShare(share.read_bytes, share.write_bytes, streamed)))[1]
        for streamed in (False, True)
    ]
    assert naive_schedule.action_counts(events[0]) == naive_schedule.action_counts(events[1])


def test_by_hand() -> None:
    """512 bits at 100 MHz: 100 bytes are two reads of 10 ns, and 64 bytes one write."""
    overrides = [
        "machine.sram.width_bits=512",
        "machine.sram.clock_hz=100 MHz",
        "machine.sram.read_energy_j=744 pJ",
        "machine.sram.write_energy_j=745 pJ",
        "machine.sram.leakage_w=8.83 W",
        "machine.sram.area_m2=47.55 mm^2",
    ]
    config = load_config({}, overrides).machine.sram
    events = naive_schedule.replay(Sram(config).work(BufferShare(read_bytes=100, write_bytes=64)))[1]
    assert [(event.step.label, event.start_ps, event.end_ps) for event in events] == [
        ("read", 0, 20_000),
        ("write", 20_000, 30_000),
    ]
    assert Sram(config).action_energies_j() == {"read": 744e-12, "write": 745e-12}
    assert Sram(config).leakage_w() == 8.83
    assert [(area.item, area.total_m2) for area in Sram(config).areas()] == [("SRAM", 47.55e-6)]


@given(config=component_strategies.sram_configs, share=shares, count=st.integers(1, 5))
def test_a_stream_takes_the_time_of_its_accesses(config: SramConfig, share: BufferShare, count: int) -> None:
    """Each vector begins with an access of its own; reads and writes of a vector share the cycles of all ports."""
    stream = Sram(config).stream(share.read_bytes, share.write_bytes, count)
    if config.ports is None:
        assert stream is None
        assert Sram(config).contended() is None
        return
    assert stream is not None
    words = sum(accesses(each, config.width_bits) for each in (share.read_bytes, share.write_bytes))
    assert stream.port_ps == count * cycles(words, config) * round(1e12 / config.clock_hz)
    assert stream.size_bytes == count * (share.read_bytes + share.write_bytes)


def test_ports_and_banks_by_hand() -> None:
    """100 + 64 bytes are three accesses of 512 bits: 30 ns with one port, 20 ns with two, 10 ns with three. Of two
    random accesses to 2 banks half conflict, so that a cycle makes 1.5 accesses: 2 cycles; to 1 bank all do: 3 cycles.
    """
    times = {
        (ports, banks): load_config({}, [f"machine.sram.ports={ports}", f"machine.sram.banks={banks}"]).machine.sram
        for ports, banks in ((1, "null"), (1, 2), (2, "null"), (3, "null"), (2, 2), (2, 1))
    }
    streams = {key: Sram(config).stream(100, 64) for key, config in times.items()}
    assert {key: each.port_ps if each else None for key, each in streams.items()} == {
        (1, "null"): 30_000,
        (1, 2): 30_000,
        (2, "null"): 20_000,
        (3, "null"): 10_000,
        (2, 2): 20_000,
        (2, 1): 30_000,
    }
