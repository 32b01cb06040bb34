"""The link between chips: latency, whole packets, rest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.loading import load_config
from pimsim.config.schema import ChipLinkConfig
from pimsim.engine import run
from pimsim.hardware.link import ChipLink, LinkShare
from pimsim.mapping.program import Assignment, Constraints, Program, ProgramBlock, Resource, Task
from pimsim.steps.step_tree import action_counts, expanded
from tests.oracles import naive_schedule
from tests.support import component_strategies

links = st.builds(
    ChipLinkConfig,
    bandwidth_bps=component_strategies.bandwidths,
    latency_s=component_strategies.seconds,
    packet_bytes=st.integers(1, 300),
    energy_j_per_bit=component_strategies.joules,
    leakage_w=component_strategies.watts,
    area_m2=component_strategies.areas,
).map(ChipLink)
shares = st.builds(LinkShare, st.integers(0, 3000))


@given(link=links, share=shares)
def test_closed_form_is_the_sum_of_the_steps(link: ChipLink, share: LinkShare) -> None:
    end_ps, events = naive_schedule.replay(link.work(share))
    assert link.latency_ps(share) == end_ps
    bits = {"chip_link.bit": 8 * share.size_bytes} if share.size_bytes else {}
    assert naive_schedule.action_counts(events) == bits == action_counts(link.work(share))
    # Each packet is rounded to picoseconds once.
    exact_ps = 1e12 * (link.config.latency_s + 8 * share.size_bytes / link.config.bandwidth_bps)
    assert abs(end_ps - exact_ps) <= 0.5 * (2 + share.size_bytes // link.config.packet_bytes) + 1e-9 * exact_ps


@given(link=links, share=shares)
def test_closed_form_is_the_engine_s(link: ChipLink, share: LinkShare) -> None:
    sending = Constraints(resource=Resource(link.name))
    task = Task("send", "chip_link", (), 0, (Assignment("send[0]", link, share, sending),))
    program = Program((ProgramBlock("b", 1, (task,)),))
    assert {run(program, schedule).latency_ps for schedule in ("serial", "dataflow")} == {link.latency_ps(share)}
    assert naive_schedule.replay(expanded(link.work(share)))[0] == link.latency_ps(share)


@given(link=links, share=shares, more=st.integers(1, 500))
def test_more_bytes_are_never_faster(link: ChipLink, share: LinkShare, more: int) -> None:
    assert link.latency_ps(LinkShare(share.size_bytes + more)) >= link.latency_ps(share)


def test_by_hand() -> None:
    """288 Gb/s are 36 bytes a nanosecond: 256 bytes take 7.111 ns, 64 take 1.778 ns; after 154 ns."""
    link = ChipLink(load_config({}).machine.chips.link)
    events = naive_schedule.replay(link.work(LinkShare(2 * 256 + 64)))[1]
    assert [(event.step.label, event.start_ps, event.end_ps) for event in events] == [
        ("latency", 0, 154_000),
        ("packet", 154_000, 168_222),
        ("packet", 168_222, 170_000),
    ]
    assert link.action_energies_j() == {"bit": 10.5e-12}
    assert link.units == 1


def test_area_and_leakage_are_the_config_s() -> None:
    overrides = ["machine.chips.link.area_m2=2 mm^2", "machine.chips.link.leakage_w=3 mW"]
    link = ChipLink(load_config({}, overrides).machine.chips.link)
    assert [(area.item, area.total_m2) for area in link.areas()] == [("chip links", 2e-6)]
    assert link.leakage_w() == 3e-3
