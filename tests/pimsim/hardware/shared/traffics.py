"""Random messages on small networks, and a function that runs them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from pimsim.hardware.shared.busy_period import NetworkParameters
from pimsim.hardware.shared.busy_period_memo import BusyPeriodMemo
from pimsim.hardware.shared.medium import Completion
from pimsim.hardware.shared.messages import Job, LinkTiming, Phase, Send
from pimsim.hardware.shared.network import Network
from pimsim.hardware.shared.router_parameters import RouterParameters
from pimsim.hardware.shared.topologies import SHIPPED_TOPOLOGIES
from pimsim.hardware.shared.topology import Tile

FLIT_BITS = 8
CYCLE_PS = 1000
BANDWIDTH_BPS = FLIT_BITS / (CYCLE_PS * 1e-12)


@dataclass(frozen=True)
class Message:
    source: Tile
    destinations: tuple[Tile, ...]
    flits: int
    cycle: int


@dataclass(frozen=True)
class Case:
    rows: int
    columns: int
    messages: tuple[Message, ...]
    packet_flits: int | None = None
    buffer_packets: int | None = None
    cut_through: bool = False
    oldest_first: bool = False
    topology: str = "mesh"
    router_ps: int = 0
    local_bandwidth_bps: float | None = None
    unlimited: bool = False
    bubble: bool = True

    def network_parameters(self) -> NetworkParameters:
        router = RouterParameters(
            None if self.unlimited else self.buffer_packets,
            "age" if self.oldest_first else "round_robin",
            self.router_ps,
            self.cut_through,
            self.topology == "ring" and self.bubble,
        )
        topology = SHIPPED_TOPOLOGIES[self.topology](self.rows, self.columns)
        return NetworkParameters(topology, router, None if self.unlimited else self.local_bandwidth_bps, self.unlimited)

    def timing(self, add_s: float = 0.0) -> LinkTiming:
        packet_bits = self.packet_flits and self.packet_flits * FLIT_BITS
        return LinkTiming(BANDWIDTH_BPS, packet_bits, FLIT_BITS if self.cut_through else None, self.router_ps, add_s)

    def jobs(self) -> list[tuple[int, Job]]:
        """One job per message, in order of time."""
        timing = self.timing()
        return [
            (
                each.cycle * CYCLE_PS,
                Job((Phase((Send(each.source, each.destinations, each.flits * FLIT_BITS),), timing),)),
            )
            for each in sorted(self.messages, key=lambda each: each.cycle)
        ]


def network(case: Case, memo: BusyPeriodMemo | None = None) -> Network:
    return Network(case.network_parameters(), lambda job: job, memo)


def drive(medium: Network, jobs: list[tuple[int, Job]], first_ticket: int = 0) -> dict[int, Completion]:
    """Submit jobs at their times, as the engine would, and advance until there is no event; completions by ticket."""
    ended: dict[int, Completion] = {}
    for number, (time_ps, job) in enumerate(jobs):
        while (following := medium.next_event_ps()) is not None and following < time_ps:
            ended |= {each.ticket: each for each in medium.advance(time_ps - 1)}
        medium.submit(first_ticket + number, job, time_ps)
    while medium.next_event_ps() is not None:
        ended |= {each.ticket: each for each in medium.advance(1 << 62)}
    return ended


def random_case(seed: int, most: int = 4, **fixed: object) -> Case:
    """A network of up to most x most tiles and up to 60 messages: uniform, to one hot tile, or all at one time."""
    draw = random.Random(seed)
    rows, columns = draw.randint(1, most), draw.randint(1, most)
    tiles = [(row, column) for row in range(rows) for column in range(columns)]
    hot = draw.choice(tiles)
    at_once, to_one = draw.random() < 0.5, draw.random() < 0.4
    messages = []
    for _ in range(draw.randint(1, 60)):
        source, destination = draw.choice(tiles), hot if to_one else draw.choice(tiles)
        flits = draw.randint(1, 12)
        messages.append(Message(source, (destination,), flits, 0 if at_once else draw.randint(0, 100)))
    choices: dict[str, object] = {
        "packet_flits": draw.choice([None, 1, 2, 4]),
        "buffer_packets": draw.choice([None, 1, 2, 4]),
        "cut_through": draw.random() < 0.5,
        "oldest_first": draw.random() < 0.5,
    }
    return Case(rows, columns, tuple(messages), **(choices | fixed))  # type: ignore[arg-type]


def any_case(seed: int) -> Case:
    """Return a random case with all options."""
    draw = random.Random(~seed)
    joined = draw.choice(["mesh", "mesh", "ring", "htree"])
    case = random_case(
        seed,
        most=6,
        topology=joined,
        buffer_packets=draw.choice([None, 2, 3] if joined == "ring" else [None, 1, 2, 3]),
        router_ps=draw.choice([0, 1, 700]),
        local_bandwidth_bps=draw.choice([None, None, BANDWIDTH_BPS, 3 * BANDWIDTH_BPS]),
        unlimited=draw.random() < 0.1,
    )
    tiles = [(row, column) for row in range(case.rows) for column in range(case.columns)]
    several = [
        replace(each, destinations=tuple(draw.sample(tiles, draw.randint(1, len(tiles)))))
        if draw.random() < 0.3
        else each
        for each in case.messages
    ]
    return replace(case, messages=tuple(several))


def several_phases(case: Case, seed: int) -> list[tuple[int, Job]]:
    """The messages of a case as phases of fewer jobs: with rounds, with later closed forms, and without messages."""
    draw = random.Random(seed)
    grouped: list[tuple[int, Job]] = []
    left = case.jobs()
    while left:
        count = draw.randint(1, 6)
        (time_ps, _), phases = left[0], [phase for _, job in left[:count] for phase in job.phases]
        del left[:count]
        if draw.random() < 0.5:  # several messages of a phase start together, with times and lengths of their own
            sends = tuple(send for phase in phases for send in phase.sends)
            phases = [Phase(sends, case.timing(draw.choice([0.0, 2e-9])), draw.choice([0, 3000, 50_000])), *phases[:1]]
        if draw.random() < 0.2:
            here = phases[0].sends[0].source
            phases.append(Phase((Send(here, (here,), 8),), case.timing(), draw.choice([0, 700])))
        grouped.append((time_ps, Job(tuple(phases) if draw.random() < 0.95 else (), draw.choice([1, 1, 2, 5]))))
    return grouped
