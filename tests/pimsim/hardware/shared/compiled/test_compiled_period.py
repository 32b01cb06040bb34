"""The compiled packet loop against the Python loop: equal in every record."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pimsim.hardware.shared.busy_period import BusyPeriod, CompletedJob, NetworkParameters
from pimsim.hardware.shared.compiled.compiled_period import CompiledPeriod
from pimsim.hardware.shared.compiled.phase_tables import PhaseTables
from pimsim.hardware.shared.link_statistics import LinkStatistics
from pimsim.hardware.shared.messages import Job
from tests.pimsim.hardware.shared.traffics import BANDWIDTH_BPS, CYCLE_PS, Case, Message, any_case, several_phases

Records = list[tuple[int | None, list[CompletedJob], list[str], dict[int, LinkStatistics]]]


def records(period: BusyPeriod | CompiledPeriod, jobs: list[tuple[int, Job]], seed: int) -> Records:
    """All that a period returns, asked at random times; jobs are submitted before or after the events of their time."""
    draw = random.Random(seed)
    found: Records = []

    def run(until_ps: int) -> None:
        while (next_ps := period.next_ps()) is not None and next_ps <= until_ps:
            limit_ps = min(draw.choice([next_ps, next_ps + draw.randint(0, 9000), 1 << 62]), until_ps)
            completed = period.run(limit_ps)
            more = draw.random() < 0.2
            found.append((next_ps, completed, list(period.blocked()), period.link_statistics() if more else {}))

    for time_ps, job in jobs:
        run(time_ps - draw.randint(0, 1))
        period.submit(time_ps, job)
    run(1 << 62)
    assert period.run(1 << 62) == []
    found.append((period.next_ps(), [], list(period.blocked()), period.link_statistics()))
    return found


@given(st.lists(st.integers(0, 1 << 32), min_size=6, max_size=6))
@example(list(range(40)))
def test_any_network_is_as_in_python(seeds: list[int]) -> None:
    """Also where it stops for good: with FIFOs of one packet that several branches of a multicast wait for."""
    for seed in seeds:
        case = any_case(seed)
        parameters, jobs = case.network_parameters(), several_phases(case, seed)
        if not parameters.unlimited:
            expected = records(BusyPeriod(parameters), jobs, seed)
            assert records(CompiledPeriod(parameters), jobs, seed) == expected, seed


def test_an_idle_network_has_no_events() -> None:
    period = CompiledPeriod(Case(1, 2, ()).network_parameters())
    assert (period.next_ps(), period.run(1 << 62), list(period.blocked()), period.link_statistics()) == (
        None,
        [],
        [],
        {},
    )


@pytest.mark.parametrize("bubble", [True, False])
@pytest.mark.parametrize("oldest_first", [True, False])
def test_a_full_ring_is_as_in_python(bubble: bool, oldest_first: bool) -> None:
    draw = random.Random(1)
    tiles = [(row, column) for row in range(3) for column in range(4)]
    messages = tuple(Message(draw.choice(tiles), (draw.choice(tiles),), draw.randint(1, 30), 0) for _ in range(60))
    case = Case(
        3, 4, messages, packet_flits=2, buffer_packets=2, topology="ring", bubble=bubble, oldest_first=oldest_first
    )
    expected = records(BusyPeriod(case.network_parameters()), case.jobs(), 1)
    assert records(CompiledPeriod(case.network_parameters()), case.jobs(), 1) == expected
    assert bool(expected[-1][2]) != bubble  # without bubbles some wait for ever


def test_a_million_hops_by_the_closed_form() -> None:
    """One message of 600,000 packets over two links; the loop returns to Python in between, where Ctrl-C is noticed."""
    case = Case(1, 3, (Message((0, 0), ((0, 2),), 1_200_000, 0),), packet_flits=2)
    [(time_ps, job)] = case.jobs()
    period = CompiledPeriod(case.network_parameters())
    period.submit(time_ps, job)
    # A packet takes 2 cycles per link: the last one waits for 599,999 others at its tile, and has one more link then.
    waited_ps = 1_199_998 * CYCLE_PS
    assert period.run(1 << 62) == [CompletedJob(0, 1_200_002 * CYCLE_PS, "link (0,0) east", waited_ps)]


def test_sums_of_waiting_times_that_are_too_large_are_refused() -> None:
    """Packets of 2^60 ps each on one link wait for 1, 2 and 3 x 2^60 ps: more than 2^62 when the fourth sets out."""
    flits = (1 << 60) // CYCLE_PS
    case = Case(1, 2, (Message((0, 0), ((0, 1),), flits, 0),) * 5)
    period = CompiledPeriod(case.network_parameters())
    for time_ps, job in case.jobs():
        period.submit(time_ps, job)
    assert [each.number for each in (*period.run(1 << 62), *period.run(1 << 62))] == [0, 1]
    with pytest.raises(OverflowError, match="62 bits"):
        period.run(1 << 62)


def test_a_phase_is_put_into_tables_once() -> None:
    case = Case(2, 2, (Message((0, 0), ((1, 1), (0, 1)), 4, 0),), packet_flits=2, local_bandwidth_bps=BANDWIDTH_BPS)
    tables = PhaseTables(NetworkParameters(case.network_parameters().topology, case.network_parameters().router))
    [(_, job)] = case.jobs()
    first = tables.job(job)
    rows = (tables.packets.count, tables.branches.count, tables.phases.count)
    assert rows == (2, 2, 1)  # 4 flits are 2 packets, and the route to (1,1) is that to (0,1) and one more link
    assert tables.job(job) == first
    assert tables.job(Job(job.phases, rounds=3)) != first
    assert (tables.packets.count, tables.branches.count, tables.phases.count) == (2, 2, 2)
