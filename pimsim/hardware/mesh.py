"""Mesh between tiles: partial sums to a matrix's aggregator tile, and its output on to the next matrix's tiles.

Times follow MNSIM 2.0: the farthest tile sets the pace, one hop after another, and every hop carries all bits of the
step. Its inter-tile transfers cost no energy there; here every tile's own path is counted, in bits x hops. What tiles
wait for one another is the matter of `pimsim.hardware.shared.network`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pimsim.base.units import to_ps
from pimsim.config.schema import MeshConfig
from pimsim.hardware.component import Area, SingleUnit
from pimsim.hardware.shared.busy_period import NetworkParameters
from pimsim.hardware.shared.busy_period_memo import BusyPeriodMemo
from pimsim.hardware.shared.link_rules import Rules
from pimsim.hardware.shared.medium import Medium
from pimsim.hardware.shared.messages import Job, Messages, Pace, Phase, Send
from pimsim.hardware.shared.network import Network
from pimsim.hardware.shared.topology import topology
from pimsim.steps.step_tree import Identical, Sequence, Step, Work


@dataclass(frozen=True, slots=True)
class Traffic:
    """Messages that set out together, hop by hop: `farthest_bits` is what a link carries while the farthest one is
    on its way, `moving_bits` the bits of all messages that still travel on each hop.
    """

    farthest_bits: int
    moving_bits: tuple[int, ...]

    @property
    def hops(self) -> int:
        """Hops of the farthest message."""
        return len(self.moving_bits)


def traffic(distances: tuple[int, ...], bits: tuple[int, ...], farthest_bits: int) -> Traffic:
    """The traffic of one message per tile, `distances` hops far and `bits` long."""
    arriving = Counter[int]()
    for hops, size in zip(distances, bits, strict=True):
        arriving[hops] += size
    moving, left = [], sum(arriving.values())
    for hop in range(max(distances, default=0)):
        left -= arriving[hop]
        moving.append(left)
    return Traffic(farthest_bits, tuple(moving))


@dataclass(frozen=True, slots=True)
class MeshShare:
    """One matrix's traffic per vector: partial sums from each tile to the aggregator, which makes `additions` of
    them, then the output on to the tiles of the next matrix of the placement group.

    `messages` says between which tiles; what the traffic takes on an idle mesh does not depend on it.
    """

    merge: Traffic
    transfer: Traffic
    additions: int
    vectors: int = 1
    messages: Messages | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Mesh(SingleUnit):
    """Mesh of links and routers, with the adders of aggregator tiles."""

    config: MeshConfig
    add_energy_j: float
    name: str = "mesh"

    def work(self, share: MeshShare) -> Work:
        """A step per hop of the farthest message; each counts the bits of all messages still on their way."""
        merge = self._hops("merge", share.merge, self._merge_pace)
        added = Step(self.name, "communication", "add partial sums", 0, (("mesh.add", share.additions),))
        transfer = self._hops("transfer", share.transfer, self._transfer_pace)
        return Identical(Sequence((*merge, added, *transfer)), share.vectors)

    def _hops(self, label: str, traffic: Traffic, pace: Pace) -> tuple[Step, ...]:
        hops_ps = pace.hops_ps(traffic.farthest_bits, traffic.hops)
        return tuple(
            Step(self.name, "communication", label, hop_ps, (("mesh.bit_hop", bits),))
            for hop_ps, bits in zip(hops_ps, traffic.moving_bits, strict=True)
        )

    @property
    def _merge_pace(self) -> Pace:
        """A cycle to add at the end of each hop, and the link's time for the bits of one tile."""
        return _pace(self.config, 1 / self.config.clock_hz)

    @property
    def _transfer_pace(self) -> Pace:
        return _pace(self.config, 0.0)

    def latency_ps(self, share: MeshShare) -> int:
        """Closed form: d_in hops of merging and d_out hops of transfer, per vector."""
        merging_ps = self._merge_pace.message_ps(share.merge.farthest_bits, share.merge.hops)
        transfer_ps = self._transfer_pace.message_ps(share.transfer.farthest_bits, share.transfer.hops)
        return share.vectors * (merging_ps + transfer_ps)

    def contended(self) -> Medium:
        """The links and routers of one mesh, idle, for its matrices to share."""
        return Network(_way(self.config), self.job, _courses(self.config))

    def job(self, share: MeshShare) -> Job:
        """The messages of a share that says between which tiles they go."""
        assert share.messages is not None  # a plan has them
        return _job(self, share.messages, share.merge, share.transfer, share.vectors)

    def action_energies_j(self) -> Mapping[str, float]:
        """Energy per bit and hop, and per addition at an aggregator."""
        return {"bit_hop": self.config.hop_energy_j_per_bit, "add": self.add_energy_j}

    def areas(self) -> tuple[Area, ...]:
        """One tile's router; the machine multiplies by its tiles."""
        return (Area("routers", self.config.router_area_m2, 1),)

    def leakage_w(self) -> float:
        """No published figure; the links' energy per bit contains it."""
        return 0.0


@lru_cache(maxsize=64)
def _pace(config: MeshConfig, add_s: float) -> Pace:
    head_bits = config.flit_bits if config.switching == "cut_through" else None
    return Pace(config.link_bandwidth_bps, config.packet_bits, head_bits, to_ps(config.router_latency_s), add_s)


@lru_cache(maxsize=64)
def _way(config: MeshConfig) -> NetworkParameters:
    unlimited = config.links == "unlimited"
    rules = Rules(
        None if unlimited else config.input_buffer_packets,
        config.arbitration,
        to_ps(config.router_latency_s),
        cut_through=config.switching == "cut_through",
        bubble=config.topology == "ring" and not unlimited,
    )
    joined = topology(config.topology, config.rows, config.columns)
    return NetworkParameters(joined, rules, None if unlimited else config.local_bandwidth_bps, unlimited)


@lru_cache(maxsize=8)
def _courses(config: MeshConfig) -> BusyPeriodMemo:
    """Meshes that are alike, of banks, of layers, of points of a sweep, take the same courses."""
    return BusyPeriodMemo()


@lru_cache(maxsize=4096)
def _job(mesh: Mesh, messages: Messages, merge: Traffic, transfer: Traffic, vectors: int) -> Job:
    """Every tile's partial sums to the aggregator, then the output to the next matrix."""
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
    paces = (mesh._merge_pace, mesh._transfer_pace)
    least = [
        pace.message_ps(each.farthest_bits, each.hops) for pace, each in zip(paces, (merge, transfer), strict=True)
    ]
    phases = (Phase(merging, paces[0], least[0]), Phase(sending, paces[1], least[1]))
    return Job(phases, vectors)
