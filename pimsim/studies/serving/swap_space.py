"""KV caches of preempted requests in a memory of their own, and what it costs to move them there and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pimsim.config.schema import KvTierConfig, MemoryConfig
from pimsim.hardware.component import ceil_div
from pimsim.hardware.kv_tier import KvTier
from pimsim.hardware.memory import Memory, MemoryShare
from pimsim.results.memory_traffic import NO_TRAFFIC, MemoryTraffic
from pimsim.studies.serving.served_request import ServedRequest


@dataclass(slots=True)
class Moves:
    """KV caches that are moved before an iteration; the machine waits for them.

    Attributes:
        latency_ps: Time of all moves, one after another, ps.
        energy_j: Energy of reading and writing them, joules.
        traffic: Bytes read from the memory of the machine and written to it.
    """

    latency_ps: int = 0
    energy_j: float = 0.0
    traffic: MemoryTraffic = NO_TRAFFIC


@dataclass(slots=True)
class SwapCounts:
    """All moves of a run.

    Attributes:
        swaps_out: Number of caches that were moved to the tier.
        swaps_in: Number of caches that were moved back.
        swap_out_bytes: Bytes moved to the tier.
        swap_in_bytes: Bytes moved back.
        largest_bytes: Largest number of bytes in the tier at once.
        refused: Number of caches for which the tier had no room, so that they were computed again.
        latency_ps: Time of all moves, ps.
        energy_j: Energy of all moves, joules.
    """

    swaps_out: int = 0
    swaps_in: int = 0
    swap_out_bytes: int = 0
    swap_in_bytes: int = 0
    largest_bytes: int = 0
    refused: int = 0
    latency_ps: int = 0
    energy_j: float = 0.0


@dataclass(slots=True)
class SwapSpace:
    """Tier of memory that keeps the KV caches of preempted requests.

    Attributes:
        tier: The tier.
        memory: Memory of the machine, from which caches are moved.
        bytes_of: Function that returns the bytes that a number of KV entries takes, whole blocks.
        counts: All moves so far.
        pending: Moves since the last iteration.
    """

    tier: KvTierConfig
    memory: MemoryConfig
    bytes_of: Callable[[int], int]
    counts: SwapCounts = field(default_factory=SwapCounts)
    pending: Moves | None = None
    _stored: dict[int, int] = field(default_factory=dict)
    _used_bytes: int = 0

    def store(self, request: ServedRequest) -> bool:
        """Move the KV entries of a preempted request to the tier.

        Args:
            request: The request.

        Returns:
            False, and nothing is moved, if it has no entries, or the tier has no room for them.
        """
        size = self.bytes_of(request.entries)
        if not size:
            return False
        if self.tier.capacity_bytes is not None and self._used_bytes + size > self.tier.capacity_bytes:
            self.counts.refused += 1
            return False
        self._stored[request.number] = size
        self._used_bytes += size
        self.counts.largest_bytes = max(self.counts.largest_bytes, self._used_bytes)
        self.counts.swaps_out += 1
        self.counts.swap_out_bytes += size
        self._move(request, size, out=True)
        return True

    def load(self, request: ServedRequest) -> None:
        """Move the KV entries of a request back that is admitted again, if they are in the tier.

        Args:
            request: The request.
        """
        size = self._stored.get(request.number)
        if size is not None:
            self.forget(request)
            self.counts.swaps_in += 1
            self.counts.swap_in_bytes += size
            self._move(request, size, out=False)

    def forget(self, request: ServedRequest) -> None:
        """Give back the room of a request in the tier.

        Args:
            request: The request, which need not have any.
        """
        self._used_bytes -= self._stored.pop(request.number, 0)

    def take_pending(self) -> Moves | None:
        """Return the moves since the last call.

        Returns:
            The moves; None if there are none.
        """
        moves, self.pending = self.pending, None
        return moves

    def _move(self, request: ServedRequest, size: int, *, out: bool) -> None:
        """Count a move, and attribute its energy to the request.

        The copy is a stream from one memory to the other, at the rate of the slower one.

        Args:
            request: The request.
            size: Bytes.
            out: Whether it goes to the tier.

        Reference:
            docs/serving.md, eqs. (11) and (12).
        """
        tier, memory = KvTier(self.tier), Memory(self.memory)
        latency_ps = max(
            tier.latency_ps(MemoryShare(size, write=out)), memory.latency_ps(MemoryShare(size, write=not out))
        )
        in_tier, in_memory = ("write_bit", "read_bit") if out else ("read_bit", "write_bit")
        bit_j = memory.action_energies_j()
        energy_j = 8 * size * (tier.action_energies_j()[in_tier] + bit_j[in_memory])
        if self.memory.dram is not None:
            energy_j += ceil_div(size, self.memory.dram.row_bytes) * bit_j["activate"]
        pending = self.pending = self.pending or Moves()
        pending.latency_ps += latency_ps
        pending.energy_j += energy_j
        pending.traffic += MemoryTraffic(kv_read_bytes=size) if out else MemoryTraffic(kv_write_bytes=size)
        self.counts.latency_ps += latency_ps
        self.counts.energy_j += energy_j
        request.dynamic_energy_j += energy_j
