"""Mesh between tiles: input vectors to the tiles of a matrix, partial sums to its aggregator, its output onward.

Durations follow MNSIM 2.0: the farthest tile sets the number of hops, hops are sequential, and every hop carries all
bits of the message. MNSIM charges no energy for transfers between tiles; here the path of every tile is counted in
bits x hops. `pimsim.hardware.shared.network` models the contention for links.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pimsim.base.errors import ConfigError, Problem
from pimsim.base.units import to_ps
from pimsim.config.schema import MeshConfig
from pimsim.hardware.component import Area, SingleUnit
from pimsim.hardware.shared.busy_period import NetworkParameters
from pimsim.hardware.shared.busy_period_memo import BusyPeriodMemo
from pimsim.hardware.shared.chosen_period import expect
from pimsim.hardware.shared.medium import Medium
from pimsim.hardware.shared.messages import Job, LinkTiming, Messages, Phase, Send
from pimsim.hardware.shared.network import Network
from pimsim.hardware.shared.router_parameters import RouterParameters
from pimsim.hardware.shared.topologies import topology
from pimsim.hardware.weight_slices import Rounds, in_sets
from pimsim.steps.step_tree import Identical, Sequence, Step, Work


@dataclass(frozen=True, slots=True)
class Traffic:
    """Messages that start together, described hop by hop.

    Attributes:
        farthest_bits: Bits that a link carries on each hop of the farthest message; they set the duration.
        moving_bits: For each hop, the bits of all messages that have not arrived before it.
    """

    farthest_bits: int
    moving_bits: tuple[int, ...]

    @property
    def hops(self) -> int:
        """Number of hops of the farthest message; 1 for a vector that passes only the local port of a router."""
        return len(self.moving_bits)


def traffic(distances: tuple[int, ...], bits: tuple[int, ...], farthest_bits: int) -> Traffic:
    """Describe the traffic of one message per tile.

    Args:
        distances: Hops of each message.
        bits: Bits of each message.
        farthest_bits: Bits that set the duration of each hop.

    Returns:
        The traffic, with as many hops as the longest distance.

    Reference:
        docs/model.md, eq. (24).
    """
    arriving = Counter[int]()
    for hops, size in zip(distances, bits, strict=True):
        arriving[hops] += size
    moving, left = [], sum(arriving.values())
    for hop in range(max(distances, default=0)):
        left -= arriving[hop]
        moving.append(left)
    return Traffic(farthest_bits, tuple(moving))


@dataclass(frozen=True, slots=True)
class DistributionShare:
    """Input vectors of one matrix, from the port of the mesh to its tiles.

    Attributes:
        traffic: Messages of one vector.
        vectors: Number of vectors.
        messages: Destination tiles, for the contended schedule; the port sends as the aggregator of no tiles.
        rounds: As `TilesShare.rounds`, for matrices on meshes of their own.
    """

    traffic: Traffic
    vectors: int = 1
    messages: Messages | None = field(default=None, compare=False, repr=False)
    rounds: Rounds = ()

    @property
    def longest(self) -> int:
        """Vectors that follow one another."""
        return max((times for times, _ in self.rounds), default=self.vectors)


@dataclass(frozen=True, slots=True)
class MeshShare:
    """Traffic of the outputs of one matrix.

    Attributes:
        merge: Partial sums from each tile to the aggregator, per vector.
        transfer: Output from the aggregator to the port of the mesh or to the tiles of another matrix, per vector.
        additions: Additions of partial sums at the aggregator, per vector.
        vectors: Number of vectors.
        messages: Source and destination tiles, for the contended schedule. The latency on an idle mesh does not
            depend on them.
        rounds: As `TilesShare.rounds`, for matrices on meshes of their own.
    """

    merge: Traffic
    transfer: Traffic
    additions: int
    vectors: int = 1
    messages: Messages | None = field(default=None, compare=False, repr=False)
    rounds: Rounds = ()

    @property
    def longest(self) -> int:
        """Vectors that follow one another."""
        return max((times for times, _ in self.rounds), default=self.vectors)


def _all_vectors(vector: Work, share: DistributionShare | MeshShare) -> Work:
    return in_sets(vector, share.rounds) if share.rounds else Identical(vector, share.vectors)


@dataclass(frozen=True, slots=True)
class Mesh(SingleUnit):
    """Mesh of links and routers, with the adders of the aggregator tiles.

    Attributes:
        config: Topology, links and routers.
        add_energy_j: Energy per addition at an aggregator, joules.
        name: Name in results.
    """

    config: MeshConfig
    add_energy_j: float
    name: str = "mesh"

    def work(self, share: MeshShare | DistributionShare) -> Work:
        """Return one step per hop of the farthest message; each counts the bits of all messages still in transit.

        Args:
            share: Traffic of the matrix.

        Returns:
            The steps of one vector, repeated for all vectors.
        """
        if isinstance(share, DistributionShare):
            return _all_vectors(Sequence(self._hops("distribute", share.traffic, self._transfer_timing)), share)
        merge = self._hops("merge", share.merge, self._merge_timing)
        added = Step(self.name, "communication", "add partial sums", 0, (("mesh.add", share.additions),))
        transfer = self._hops("transfer", share.transfer, self._transfer_timing)
        return _all_vectors(Sequence((*merge, added, *transfer)), share)

    def _hops(self, label: str, traffic: Traffic, timing: LinkTiming) -> tuple[Step, ...]:
        hops_ps = timing.hops_ps(traffic.farthest_bits, traffic.hops)
        return tuple(
            Step(self.name, "communication", label, hop_ps, (("mesh.bit_hop", bits),))
            for hop_ps, bits in zip(hops_ps, traffic.moving_bits, strict=True)
        )

    @property
    def _merge_timing(self) -> LinkTiming:
        """Duration of a hop of merging: one addition cycle and the transfer time of the bits."""
        return _link_timing(self.config, 1 / self.config.clock_hz)

    @property
    def _transfer_timing(self) -> LinkTiming:
        return _link_timing(self.config, 0.0)

    def latency_ps(self, share: MeshShare | DistributionShare) -> int:
        """Return the closed-form latency: d_in hops of merging and d_out hops of transfer, or d hops of distribution.

        Args:
            share: Traffic of the matrix.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/model.md, eq. (22) and (23), MNSIM 2.0; for packets and routers docs/network.md; docs/network.md,
            eq. (5), for the distribution.
        """
        if isinstance(share, DistributionShare):
            return share.longest * self._transfer_timing.message_ps(share.traffic.farthest_bits, share.traffic.hops)
        merging_ps = self._merge_timing.message_ps(share.merge.farthest_bits, share.merge.hops)
        transfer_ps = self._transfer_timing.message_ps(share.transfer.farthest_bits, share.transfer.hops)
        return share.longest * (merging_ps + transfer_ps)

    def contended(self) -> Medium:
        """Build the idle links and routers of one mesh, which its matrices share.

        Returns:
            A new network model.

        Reference:
            docs/network.md.
        """
        return Network(_network_parameters(self.config), self.job, _busy_period_memo(self.config))

    def job(self, share: MeshShare | DistributionShare) -> Job:
        """Return the messages of a share as a job of the network.

        Args:
            share: Traffic of the matrix with `messages` set.

        Returns:
            The job of all vectors: a phase of merging and a phase of transfer, or a phase of distribution.
        """
        assert share.messages is not None  # set by plan_tiles
        if isinstance(share, DistributionShare):
            return _job(self, share.messages, None, share.traffic, share.vectors)
        return _job(self, share.messages, share.merge, share.transfer, share.vectors)

    def packet_counts(self, share: MeshShare | DistributionShare) -> tuple[int, int]:
        """Count the packets of a share on links with contention, without making them.

        Args:
            share: Traffic of the matrix with `messages` set.

        Returns:
            Packets of all vectors, and the most packets that start together.
        """
        return _packet_counts(self.job(share))

    def expect(self, shares: Iterable[MeshShare | DistributionShare]) -> None:
        """Say which shares a run will submit to its networks, which then choose how to simulate them.

        Args:
            shares: Shares with `messages` set.
        """
        expect(_network_parameters(self.config).topology, map(self.job, shares))

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy per bit and hop, and per addition at an aggregator.

        Returns:
            Joules per "bit_hop" and per "add".

        Reference:
            docs/model.md, eq. (2) and (24); the sources of the values are in configs/defaults.yaml.
        """
        return {"bit_hop": self.config.hop_energy_j_per_bit, "add": self.add_energy_j}

    def areas(self) -> tuple[Area, ...]:
        """Return the area of the router of one tile; the result of a run multiplies it by the number of tiles.

        Returns:
            One item, m^2.

        Reference:
            docs/model.md, eq. (42).
        """
        return (Area("routers", self.config.router_area_m2, 1),)

    def leakage_w(self) -> float:
        """Return no leakage: no value is published, and the link energy per bit contains it.

        Returns:
            0 watts.
        """
        return 0.0


@lru_cache(maxsize=64)
def _link_timing(config: MeshConfig, add_s: float) -> LinkTiming:
    head_bits = config.flit_bits if config.switching == "cut_through" else None
    return LinkTiming(config.link_bandwidth_bps, config.packet_bits, head_bits, to_ps(config.router_latency_s), add_s)


_NO_ROOM = "must be at least 2: a packet enters topology {} only if one buffer stays free"


@lru_cache(maxsize=64)
def _network_parameters(config: MeshConfig) -> NetworkParameters:
    unlimited = config.links == "unlimited"
    links = topology(config.topology, config.rows, config.columns)
    bubble = links.bubble and not unlimited
    if bubble and config.input_buffer_packets == 1:
        raise ConfigError([Problem("machine.mesh.input_buffer_packets", "1", _NO_ROOM.format(config.topology))])
    router = RouterParameters(
        None if unlimited else config.input_buffer_packets,
        config.arbitration,
        to_ps(config.router_latency_s),
        cut_through=config.switching == "cut_through",
        bubble=bubble,
    )
    return NetworkParameters(links, router, None if unlimited else config.local_bandwidth_bps, unlimited)


@lru_cache(maxsize=8)
def _busy_period_memo(config: MeshConfig) -> BusyPeriodMemo:
    """Return the memo of simulated busy periods, shared by equal meshes of banks, layers and sweep points.

    Args:
        config: Configuration of the mesh, used as the cache key.

    Returns:
        The memo of this configuration.
    """
    return BusyPeriodMemo()


@lru_cache(maxsize=4096)
def _packet_counts(job: Job) -> tuple[int, int]:
    """Return the packets of a job, and the most that start together; equal layers share their jobs."""
    of_phases = [
        sum(phase.timing.packet_count(send.bits) for send in phase.sends if set(send.destinations) - {send.source})
        for phase in job.phases
    ]
    return job.rounds * sum(of_phases), max(of_phases, default=0)


@lru_cache(maxsize=4096)
def _job(mesh: Mesh, messages: Messages, merge: Traffic | None, transfer: Traffic, vectors: int) -> Job:
    """Build the phases of a job: partial sums to the aggregator, then the output from there to its destinations.

    Args:
        mesh: The mesh, for its hop durations.
        messages: Source and destination tiles.
        merge: Traffic of the partial sums; None for a distribution, which has none.
        transfer: Traffic of the output, or of the input that the port distributes.
        vectors: Number of vectors.

    Returns:
        The job of all vectors.
    """
    merging = tuple(
        Send(tile, (messages.aggregator,), bits)
        for tile, bits in zip(messages.tiles, messages.merged_bits, strict=True)
    )
    if mesh.config.multicast:
        sending: tuple[Send, ...] = (Send(messages.aggregator, messages.destinations, messages.output_bits),)
    else:
        sending = tuple(
            Send(messages.aggregator, (tile,), bits)
            for tile, bits in zip(messages.destinations, messages.sent_bits, strict=True)
        )
    parts = [(merging, mesh._merge_timing, merge), (sending, mesh._transfer_timing, transfer)]
    phases = (
        Phase(sends, timing, timing.message_ps(each.farthest_bits, each.hops))
        for sends, timing, each in parts
        if each is not None
    )
    return Job(tuple(phases), vectors)
