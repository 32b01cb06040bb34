"""Mesh between tiles: partial sums to a matrix's aggregator tile, and its output on to the next matrix's tiles.

Times follow MNSIM 2.0: the farthest tile sets the pace, one hop after another, and every hop carries all bits of the
step. Its inter-tile transfers cost no energy there; here every tile's own path is counted, in bits x hops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.activity import Identical, Sequence, Step, Work
from pimsim.components.base import Area, SingleUnit
from pimsim.schema import MeshConfig
from pimsim.units import to_ps


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
    """

    merge: Traffic
    transfer: Traffic
    additions: int
    vectors: int = 1


@dataclass(frozen=True, slots=True)
class Mesh(SingleUnit):
    """Mesh of links and routers, with the adders of aggregator tiles."""

    config: MeshConfig
    add_energy_j: float
    name: str = "mesh"

    def work(self, share: MeshShare) -> Work:
        """A step per hop of the farthest message; each counts the bits of all messages still on their way."""
        merge = self._hops("merge", share.merge, self._merge_hop_ps(share))
        added = Step(self.name, "communication", "add partial sums", 0, (("mesh.add", share.additions),))
        transfer = self._hops("transfer", share.transfer, self._transfer_hop_ps(share))
        return Identical(Sequence((*merge, added, *transfer)), share.vectors)

    def _hops(self, label: str, traffic: Traffic, hop_ps: int) -> tuple[Step, ...]:
        return tuple(
            Step(self.name, "communication", label, hop_ps, (("mesh.bit_hop", bits),)) for bits in traffic.moving_bits
        )

    def _merge_hop_ps(self, share: MeshShare) -> int:
        """A cycle to add, and the link's time for the bits of one tile."""
        return to_ps(1 / self.config.clock_hz + share.merge.farthest_bits / self.config.link_bandwidth_bps)

    def _transfer_hop_ps(self, share: MeshShare) -> int:
        return to_ps(share.transfer.farthest_bits / self.config.link_bandwidth_bps)

    def latency_ps(self, share: MeshShare) -> int:
        """Closed form: d_in hops of merging and d_out hops of transfer, per vector."""
        merging_ps = share.merge.hops * self._merge_hop_ps(share)
        return share.vectors * (merging_ps + share.transfer.hops * self._transfer_hop_ps(share))

    def action_energies_j(self) -> Mapping[str, float]:
        """Energy per bit and hop, and per addition at an aggregator."""
        return {"bit_hop": self.config.hop_energy_j_per_bit, "add": self.add_energy_j}

    def areas(self) -> tuple[Area, ...]:
        """One tile's router; the machine multiplies by its tiles."""
        return (Area("routers", self.config.router_area_m2, 1),)

    def leakage_w(self) -> float:
        """No published figure; the links' energy per bit contains it."""
        return 0.0
