"""Networks compared with the closed form, with the flit oracle, and by conservation of bytes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from statistics import mean

import pytest

from pimsim.hardware.shared.busy_period_memo import BusyPeriodMemo
from pimsim.hardware.shared.messages import Job
from tests.oracles.flit_mesh import FlitMesh, Packet
from tests.pimsim.hardware.shared.traffics import (
    BANDWIDTH_BPS,
    CYCLE_PS,
    FLIT_BITS,
    Case,
    Message,
    any_case,
    drive,
    network,
    random_case,
)
from tests.support.closeness import near
from tests.support.counts import scaled

in_both_loops = pytest.mark.usefixtures("each_loop")


def ends(case: Case) -> list[int]:
    return [each.end_ps for _, each in sorted(drive(network(case), case.jobs()).items())]


@in_both_loops
def test_by_hand() -> None:
    """Two messages of 4 flits meet on one link: 4 ns each; the second waits until the first is past it."""
    two = (Message((0, 0), ((0, 2),), 4, 0), Message((0, 1), ((0, 2),), 4, 1))
    case = Case(1, 3, two)
    found = drive(network(case), case.jobs())
    # The second goes at 1 ns and takes until 5 ns; the first is at the router at 4 ns and waits 1 ns.
    assert [(found[0].end_ps, found[0].waited_for, found[0].waited_ps)] == [(9000, "link (0,1) east", 1000)]
    assert [(found[1].end_ps, found[1].waited_for, found[1].waited_ps)] == [(5000, "", 0)]
    # Cut through, the first is at the router after one flit, in the same cycle in which the second sets out.
    found = drive(network(replace(case, cut_through=True)), replace(case, cut_through=True).jobs())
    assert sorted(each.end_ps for each in found.values()) == [5000, 9000]


@in_both_loops
def test_a_full_fifo_holds_the_link_before_it() -> None:
    """Packets of 2 flits follow one of 10 flits: a FIFO of one packet stops the third before its first link."""
    messages = (
        Message((0, 1), ((0, 3),), 10, 0),
        Message((0, 0), ((0, 3),), 2, 0),
        Message((0, 0), ((0, 1),), 2, 0),
    )
    one = drive(network(Case(1, 4, messages, buffer_packets=1)), Case(1, 4, messages).jobs())
    # The first is out of (0,2) at 20 ns, the second out of (0,1) at 22 ns; only then is there room for the third.
    assert one[2].end_ps == 24_000
    assert (one[2].waited_for, one[2].waited_ps) == ("buffer (0,1) from west", 20_000)
    two = drive(network(Case(1, 4, messages, buffer_packets=2)), Case(1, 4, messages).jobs())
    assert two[2].end_ps == 12_000  # in the FIFO it stands behind the second
    assert (one[1].end_ps, two[1].end_ps) == (24_000, 22_000)


def oracle_ends(case: Case) -> list[int]:
    """Cycles, by message in the order of `Case.jobs`."""
    packets = [
        Packet(each.source, each.destinations[0], bits // FLIT_BITS, each.cycle, number)
        for number, each in enumerate(sorted(case.messages, key=lambda each: each.cycle))
        for bits in case.timing().packets(each.flits * FLIT_BITS)
    ]
    longest = case.packet_flits or max(packet.flits for packet in packets)
    room = None if case.buffer_packets is None else case.buffer_packets * longest
    found = FlitMesh(case.rows, case.columns, packets, room, case.cut_through, case.oldest_first).run()
    return [end for _, end in sorted(found.items())]


def of_one_length(case: Case, seed: int) -> Case:
    """Return the same case with packets of equal length."""
    draw = random.Random(seed)
    flits = draw.choice([1, 2, 4, 6])
    messages = tuple(replace(each, flits=flits * draw.randint(1, 4)) for each in case.messages)
    return replace(case, packet_flits=flits, messages=messages)


def deviations(cases: Iterator[Case]) -> list[float]:
    """Relative deviations of the time at which all messages have arrived."""
    relative = []
    for case in cases:
        flit_level = max(oracle_ends(case))
        relative.append(max(ends(case)) / CYCLE_PS / flit_level - 1 if flit_level else 0.0)
    return relative


def test_packets_against_flits() -> None:
    """docs/network.md has the deviations. A FIFO holds a number of packets here and a number of flits in the oracle,
    where short packets find more space and credits are returned flit by flit.
    """
    count = scaled(50, 1000)
    found = deviations(map(random_case, range(count)))
    assert mean(map(abs, found)) < 0.01
    assert max(map(abs, found)) < 0.31
    alike = deviations(of_one_length(random_case(seed), seed) for seed in range(count))
    assert mean(map(abs, alike)) < 0.001
    assert max(map(abs, alike)) < 0.06
    roomy = deviations(random_case(seed, buffer_packets=None) for seed in range(count))
    assert mean(map(abs, roomy)) < 0.001


def expected_bits(case: Case) -> int:
    """Return the bits times links of all messages."""
    topology = case.network_parameters().topology
    total = 0
    for each in case.messages:
        links = {link for tile in each.destinations for link in topology.route(each.source, tile)}
        total += each.flits * FLIT_BITS * len(links)
    return total


def test_nothing_is_lost_and_nothing_waits_for_ever() -> None:
    for seed in range(scaled(150, 10_000)):
        case = any_case(seed)
        medium = network(case)
        found = drive(medium, case.jobs())
        assert len(found) == len(case.messages), (seed, medium.stuck())
        uses = medium.uses()
        assert all(use.in_bytes == use.out_bytes for use in uses), seed
        links = [use for use in uses if use.name.startswith("link")]
        assert sum(use.in_bytes for use in links) * 8 == expected_bits(case), seed
        for use in uses:
            if case.buffer_packets and use.name.startswith("buffer") and not case.unlimited:
                assert use.peak <= case.buffer_packets
        alone = {number: alone_ps(case, job) for number, (_, job) in enumerate(case.jobs())}
        for number, (time_ps, _) in enumerate(case.jobs()):
            latency_ps = found[number].end_ps - time_ps
            assert latency_ps >= alone[number], seed
            assert latency_ps == alone[number] or not case.unlimited, seed


def alone_ps(case: Case, job: Job) -> int:
    """Return the closed form of a message to the farthest of its tiles."""
    (send,) = job.phases[0].sends
    distance = case.network_parameters().topology.distance
    return job.phases[0].timing.message_ps(send.bits, max(distance(send.source, tile) for tile in send.destinations))


def around(buffer_packets: int, *, bubble: bool) -> Case:
    """Every tile of a ring sends packets to the fourth tile after it."""
    ring = [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 4), (1, 3), (1, 2), (1, 1), (1, 0)]
    messages = tuple(Message(tile, (ring[(index + 4) % 10],), 8, 0) for index, tile in enumerate(ring))
    return Case(2, 5, messages, packet_flits=1, buffer_packets=buffer_packets, topology="ring", bubble=bubble)


@in_both_loops
def test_a_ring_without_bubbles_stops_and_says_who_waits_for_whom() -> None:
    case = around(2, bubble=False)
    medium = network(case)
    assert len(drive(medium, case.jobs())) < len(case.messages)
    assert medium.next_event_ps() is None
    stuck = medium.stuck()
    assert "buffer (0,1) from backwards waits for buffer (0,2) from backwards" in stuck
    assert "a tile waits for buffer" in stuck
    assert len(drive(network(around(2, bubble=True)), case.jobs())) == len(case.messages)


@in_both_loops
def test_a_tile_waits_for_a_busy_link_where_the_buffer_behind_it_has_room() -> None:
    case = Case(1, 2, (Message((0, 0), ((0, 1),), 4, 0),) * 2, buffer_packets=2)
    medium = network(case)
    for ticket, (time_ps, job) in enumerate(case.jobs()):
        medium.submit(ticket, job, time_ps)
    medium.advance(0)
    # The first packet has the link and one place of two; the other place is free.
    assert medium.stuck() == "a tile waits for link (0,0) east"


@pytest.mark.parametrize("seed", range(scaled(30, 1000)))
def test_what_is_known_is_what_is_simulated(seed: int) -> None:
    """Job sequences with common prefixes, one after another, give equal results with a memo and without."""
    case = any_case(seed)
    draw = random.Random(seed)
    jobs = case.jobs()[:6]
    memo = BusyPeriodMemo()
    one, other = network(case, memo), network(case)
    now = 0
    for round_ in range(8):
        chosen = [(time_ps + draw.choice([0, 0, 0, 5]), job) for time_ps, job in jobs[: draw.randint(1, len(jobs))]]
        chosen = [(now + time_ps, job) for time_ps, job in sorted(chosen, key=lambda each: each[0])]
        first = drive(one, chosen, 10 * round_)
        assert first == drive(other, chosen, 10 * round_)
        now = max(each.end_ps for each in first.values()) + draw.randint(1, 9)
    assert one.uses() == other.uses()
    assert memo.simulated + memo.repeated == sum(one.periods.values())


def test_a_job_in_the_past_is_refused() -> None:
    medium = network(Case(1, 2, ()))
    medium.advance(10)
    with pytest.raises(ValueError, match="is submitted at 9 ps"):
        medium.submit(3, Job(()), 9)


@in_both_loops
def test_what_ports_do_is_recorded() -> None:
    """Two packets of four flits between two tiles, whose ports are ten times slower than the link: 40 ns each."""
    messages = (Message((0, 0), ((0, 1),), 4, 0), Message((0, 0), ((0, 1),), 4, 0))
    medium = network(case := Case(1, 2, messages, local_bandwidth_bps=BANDWIDTH_BPS / 10))
    drive(medium, case.jobs())
    uses = {use.name: (use.busy_ps, use.waited_ps) for use in medium.uses()}
    assert uses["port out of (0,0)"] == (80_000, 40_000)
    assert uses["port (0,1)"] == (80_000, 0)  # they arrive 40 ns apart
    assert uses["link (0,0) east"] == (8_000, 0)


def saturation(flits_per_cycle: float, cycles: int = 1500) -> float:
    """Return the flits that a 4 x 4 mesh delivers per tile and cycle under uniform random traffic."""
    draw = random.Random(7)
    tiles = [(row, column) for row in range(4) for column in range(4)]
    messages = [
        Message(tile, (draw.choice(tiles),), 1, cycle)
        for cycle in range(cycles)
        for tile in tiles
        if draw.random() < flits_per_cycle
    ]
    case = Case(4, 4, tuple(messages), buffer_packets=8, local_bandwidth_bps=BANDWIDTH_BPS)
    found = drive(network(case), case.jobs())
    window = range(cycles // 3, cycles)
    return sum(each.end_ps // CYCLE_PS in window for each in found.values()) / len(window) / 16


def test_throughput_of_uniform_traffic_is_below_and_near_what_the_bisection_allows() -> None:
    """Dally and Towles, ch. 3: half of the traffic crosses the bisection, over 4 links in each direction for 8 tiles,
    so no tile can send more than 1 flit per cycle; its port has the same limit. Routers with FIFOs reach about 60 % of
    that (head-of-line blocking: 58.6 % for one large switch, Karol et al. 1987).
    """
    low = saturation(0.2)
    assert low == near(0.2, rel=0.05)
    high = saturation(0.95)
    assert 0.5 < high <= 1.0


# --- who is next on a link --------------------------------------------------------------------------------------------


def ends_ns(case: Case) -> list[float]:
    """When each message ends, in the order in which they are submitted."""
    return [end_ps / 1000 for end_ps in ends(case)]


SOUTH = ((2, 1),)
"""Where all go over the link from (1,1) to the south; a router's inputs take turns: tile, north, east, south, west."""


@in_both_loops
@pytest.mark.parametrize("buffer_packets", [None, 2, 1])
@pytest.mark.parametrize(("oldest_first", "expected"), [(True, [10, 12, 14, 16]), (False, [10, 14, 12, 16])])
def test_three_packets_that_wait_for_one_link_go_by_age_or_in_turn(
    oldest_first: bool, expected: list[float], buffer_packets: int | None
) -> None:
    """One from the tile has the link until 10 ns; meanwhile others come from the east, the north and the west, and set
    out in that order by age. After the tile it is the north's turn. With a FIFO of one packet another code chooses.
    """
    messages = (
        Message((1, 1), SOUTH, 10, 0),
        Message((1, 2), SOUTH, 2, 1),
        Message((0, 1), SOUTH, 2, 2),
        Message((1, 0), SOUTH, 2, 3),
    )
    case = Case(3, 3, messages, buffer_packets=buffer_packets, oldest_first=oldest_first)
    assert ends_ns(case) == expected


@in_both_loops
@pytest.mark.parametrize(("oldest_first", "expected"), [(True, [20, 22, 24, 26, 28]), (False, [20, 28, 26, 22, 24])])
def test_whoever_was_served_last_is_last_in_turn(oldest_first: bool, expected: list[float]) -> None:
    """The link is given to the east until 20 ns, where another packet waits by then, the oldest of all. In turn it
    comes behind the west, the tile and the north.
    """
    messages = (
        Message((1, 2), SOUTH, 10, 0),
        Message((1, 2), SOUTH, 2, 1),
        Message((0, 1), SOUTH, 2, 11),
        Message((1, 0), SOUTH, 2, 12),
        Message((1, 1), SOUTH, 2, 13),
    )
    assert ends_ns(Case(3, 3, messages, oldest_first=oldest_first)) == expected


@in_both_loops
@pytest.mark.parametrize(
    ("oldest_first", "expected"), [(True, [20, 20 + 6, 20 + 4, 20 + 2]), (False, [20, 20 + 2, 20 + 4, 20 + 6])]
)
def test_east_south_and_west_take_turns_on_the_way_north(oldest_first: bool, expected: list[float]) -> None:
    """As above, to the north, where the tile has the link until 20 ns. The west's packet is the oldest."""
    north = ((0, 1),)
    east, south, west = (Message(tile, north, 2, cycle) for tile, cycle in (((1, 2), 5), ((2, 1), 4), ((1, 0), 3)))
    case = Case(3, 3, (Message((1, 1), north, 20, 0), west, south, east), oldest_first=oldest_first)
    tile, *others = ends_ns(case)
    assert [tile, *reversed(others)] == expected


@in_both_loops
def test_the_age_of_a_packet_counts_from_its_start_not_from_its_arrival_at_the_router() -> None:
    """From far away it comes last to the link that others wait for too, and goes first."""
    messages = (
        Message((3, 1), ((4, 1),), 20, 0),  # holds the link until 20 ns
        Message((0, 1), ((4, 1),), 2, 1),  # three hops away: there at 7 ns
        Message((3, 0), ((4, 1),), 2, 2),  # there at 4 ns
        Message((3, 2), ((4, 1),), 2, 3),  # there at 5 ns
    )
    assert ends_ns(Case(5, 3, messages, oldest_first=True)) == [20, 22, 24, 26]


@in_both_loops
@pytest.mark.parametrize(("oldest_first", "expected"), [(True, [80, 82, 84, 86]), (False, [80, 86, 82, 84])])
def test_a_router_of_the_tree_serves_its_children_in_order_and_then_its_parent(
    oldest_first: bool, expected: list[float]
) -> None:
    """All go down from the router (2,0,0) to the four tiles of (1,0,0). One from the second child has that link from
    40 to 60 ns; the parent's has waited there since 53 ns, the third child's since 53 ns, the fourth's since 54 ns.
    They follow the long one, which is in the FIFO at (1,0,0) until 80 ns, in the order in which they were chosen.
    """
    messages = (
        Message((0, 2), ((0, 0),), 20, 0),
        Message((4, 4), ((0, 1),), 2, 45),
        Message((2, 0), ((1, 0),), 2, 49),
        Message((2, 2), ((1, 1),), 2, 50),
    )
    case = Case(8, 8, messages, oldest_first=oldest_first, topology="htree")
    assert ends_ns(case) == expected


@in_both_loops
@pytest.mark.parametrize("oldest_first", [False, True])
def test_a_packet_enters_a_ring_only_where_it_leaves_a_bubble(oldest_first: bool) -> None:
    """The FIFO at (0,2) holds two packets, and one that cannot go on until 20 ns is in it. The tile (0,1) may not fill
    it, though its packet is older than one on the ring, which may.
    """
    messages = (
        Message((0, 2), ((0, 3),), 20, 0),
        Message((0, 1), ((0, 3),), 2, 0),  # in the FIFO from 2 ns until it has left at 22 ns
        Message((0, 1), ((0, 2),), 2, 3),  # from 22 ns, when both have left
        Message((0, 0), ((0, 2),), 2, 4),  # in the FIFO from 8 ns, delivered once the first has left
    )
    case = Case(1, 6, messages, buffer_packets=2, oldest_first=oldest_first, topology="ring")
    assert ends_ns(case) == [20, 22, 24, 22]


@in_both_loops
@pytest.mark.parametrize(("oldest_first", "expected"), [(True, [20, 22, 24, 26]), (False, [20, 24, 22, 26])])
def test_a_tile_and_the_ring_behind_it_take_turns(oldest_first: bool, expected: list[float]) -> None:
    """The tile (0,1) sends a long packet until 20 ns and has another one, older than two on the ring behind it."""
    messages = (
        Message((0, 1), ((0, 2),), 20, 0),
        Message((0, 1), ((0, 2),), 2, 1),
        Message((0, 0), ((0, 2),), 2, 2),
        Message((0, 0), ((0, 2),), 2, 3),
    )
    assert ends_ns(Case(1, 6, messages, oldest_first=oldest_first, topology="ring")) == expected


@in_both_loops
@pytest.mark.parametrize(("port_flits_per_cycle", "expected"), [(4, [5, 5]), (0.5, [9, 16])])
def test_a_copied_packet_keeps_the_port_until_its_tail_is_there(
    port_flits_per_cycle: float, expected: list[float]
) -> None:
    """A packet of 4 flits goes to (0,1) and (0,2), cut through; another one comes to (0,1) from the east.

    The link to (0,1) carries the first from 0 to 4 ns, the link to (0,2) its copy from 1 to 5 ns. A port of 4 flits per
    cycle is in use until the tail of the first, 4 ns, and then for 1 ns by the second, which is there at 4 ns. One of
    half a flit per cycle takes 8 ns for each from the begin of its arrival: (0,1) from 0 to 8 ns and 8 to 16 ns, (0,2)
    from 1 to 9 ns.
    """
    messages = (Message((0, 0), ((0, 1), (0, 2)), 4, 0), Message((0, 2), ((0, 1),), 4, 0))
    case = Case(1, 3, messages, cut_through=True, local_bandwidth_bps=port_flits_per_cycle * BANDWIDTH_BPS)
    assert ends_ns(case) == expected
