"""The shared port: by hand, and compared with a division of its time picosecond by picosecond."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.hardware.shared.medium import Completion, Use
from pimsim.hardware.shared.port import Port, PortJob, Stream
from tests.support.counts import scaled

Arrival = tuple[int, int, int]
"""Time of submission, time of the unit, and time of the accesses on an idle port, picoseconds."""


def ends_of(arrivals: list[Arrival]) -> dict[int, Completion]:
    """Run the port as the engine does: it is asked for the next end, unless a job is submitted before."""
    port, ended = Port(), {}
    for ticket, (start_ps, unit_ps, port_ps) in sorted(enumerate(arrivals), key=lambda each: each[1][0]):
        while completions := port.advance(start_ps - 1):
            ended |= {each.ticket: each for each in completions}
        port.submit(ticket, PortJob(Stream(port_ps, port_ps, None), unit_ps), start_ps)
    while completions := port.advance(1 << 62):
        ended |= {each.ticket: each for each in completions}
    [use] = port.uses()
    assert use.in_bytes == use.out_bytes == use.busy_ps == sum(port_ps for _, _, port_ps in arrivals)
    assert use.waited_ps == sum(each.waited_ps for each in ended.values())
    assert port.stuck() == ""
    assert port.next_event_ps() is None
    return ended


def naive_ends(arrivals: list[Arrival]) -> list[int]:
    """Divide the port in every picosecond: all rates rise together, each until its demand, until the port is full."""
    left = [Fraction(max(unit_ps, port_ps)) for _, unit_ps, port_ps in arrivals]
    demands = [Fraction(port_ps, max(unit_ps, port_ps, 1)) for _, unit_ps, port_ps in arrivals]
    ends, now_ps = [start_ps for start_ps, _, _ in arrivals], 0
    while any(left):
        running = [i for i, (start_ps, _, _) in enumerate(arrivals) if start_ps <= now_ps and left[i]]
        rates, room, rising = dict.fromkeys(running, Fraction(0)), Fraction(1), set(running)
        while room and rising:
            step = min(room / len(rising), *(demands[i] - rates[i] for i in rising))
            for i in rising:
                rates[i] += step
                room -= step
            rising = {i for i in rising if rates[i] < demands[i]}
        now_ps += 1
        for i in running:
            left[i] = max(Fraction(0), left[i] - (rates[i] / demands[i] if demands[i] else 1))
            ends[i] = now_ps if left[i] == 0 else ends[i]
    return ends


jobs = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=5)


@settings(max_examples=scaled(60, 5_000))
@given(arrivals=jobs)
def test_ends_are_those_of_a_port_divided_in_every_picosecond(arrivals: list[Arrival]) -> None:
    """Speeds are rounded down to 2^-40, so that an end that would be a whole picosecond may be one later."""
    ended = ends_of(arrivals)
    for ticket, naive_ps in enumerate(naive_ends(arrivals)):
        assert 0 <= ended[ticket].end_ps - naive_ps <= len(arrivals)


@settings(max_examples=scaled(60, 5_000))
@given(arrivals=jobs)
def test_the_port_is_never_faster_than_its_rate(arrivals: list[Arrival]) -> None:
    """Between any submission and any end, all jobs inside fit: their accesses take no more than the time between."""
    ended = ends_of(arrivals)
    for first_ps, _, _ in arrivals:
        for last in ended.values():
            inside = [
                port_ps
                for ticket, (start_ps, _, port_ps) in enumerate(arrivals)
                if start_ps >= first_ps and ended[ticket].end_ps <= last.end_ps
            ]
            assert sum(inside) <= max(0, last.end_ps - first_ps)


@given(arrivals=st.lists(st.tuples(st.integers(0, 10**12), st.integers(1, 10**12)), min_size=1, max_size=4))
def test_demands_that_fit_do_not_wait(arrivals: list[tuple[int, int]]) -> None:
    """Four jobs that need a quarter of the port each, of any length, end to the picosecond as if alone."""
    ended = ends_of([(start_ps, 4 * port_ps, port_ps) for start_ps, port_ps in arrivals])
    for ticket, (start_ps, port_ps) in enumerate(arrivals):
        assert ended[ticket] == Completion(ticket, start_ps + 4 * port_ps)


def test_by_hand() -> None:
    """One job needs the whole port for 100 ps. A second, at 20 ps, needs a quarter of it for 40 ps, and gets it. The
    first runs at three quarters of its speed until 60 ps, has 50 ps left, and ends at 110 ps. Two jobs that need the
    whole port get half each: those of 100 and 50 ps end at 150 and 100 ps.
    """
    first, second = ends_of([(0, 30, 100), (20, 40, 10)]).values()
    assert sorted([first, second], key=lambda each: each.ticket) == [
        Completion(0, 110, "port", 10),
        Completion(1, 60),
    ]
    ended = ends_of([(0, 0, 100), (0, 50, 50)])
    assert ended == {0: Completion(0, 150, "port", 50), 1: Completion(1, 100, "port", 50)}


def test_statistics_by_hand() -> None:
    """Two jobs of 64 and 8 bytes are in the port at the same time, a third, of 1 byte, follows alone."""
    port = Port()
    for ticket, (size_bytes, port_ps) in enumerate([(64, 100), (8, 50)]):
        port.submit(ticket, PortJob(Stream(port_ps, size_bytes, None), 0), 0)
    assert port.stuck() == "2 streams pass the port"
    assert [each.ticket for each in port.advance(100)] == [1]
    assert port.uses() == (Use("port", busy_ps=50, waited_ps=50, in_bytes=72, out_bytes=8, peak=2),)
    assert port.advance(149) == []
    assert [each.ticket for each in port.advance(150)] == [0]
    port.submit(2, PortJob(Stream(10, 1, None), 20), 200)
    assert port.advance(220) == [Completion(2, 220)]
    assert port.uses() == (Use("port", busy_ps=160, waited_ps=100, in_bytes=73, out_bytes=73, peak=2),)
