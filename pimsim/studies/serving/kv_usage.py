"""What a serving run did with the blocks of its KV memory: figures of the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pimsim.base.units import ps_to_s
from pimsim.studies.serving.paged_memory import PagedMemory
from pimsim.studies.serving.swap_space import SwapCounts, SwapSpace


@dataclass(frozen=True, slots=True)
class KvUsage:
    """Use of a paged KV memory.

    Attributes:
        kv_blocks: Number of blocks.
        kv_block_bytes: Size of a block, bytes.
        kv_largest_blocks: Largest number of blocks in use at once.
        kv_released_tokens: Room for tokens in the blocks of all sequences that ended, were preempted or cancelled.
        kv_unused_tokens: Room of it that was empty.
        kv_preemptions: Number of preemptions.
        kv_recomputed_tokens: KV entries that preempted requests lost and the memory did not keep.
        prefix_asked_tokens: Tokens that requests had to process when they were admitted.
        prefix_shared_tokens: Tokens of them whose KV entries were kept already.
        swaps_out: Number of KV caches that were moved to the tier.
        swaps_in: Number of KV caches that were moved back.
        swap_out_bytes: Bytes moved to the tier.
        swap_in_bytes: Bytes moved back.
        swap_largest_bytes: Largest number of bytes in the tier at once.
        swaps_refused: Number of caches for which the tier had no room.
        swap_ps: Time of all moves, ps.
        swap_energy_j: Energy of all moves, joules.
    """

    kv_blocks: int
    kv_block_bytes: int
    kv_largest_blocks: int
    kv_released_tokens: int
    kv_unused_tokens: int
    kv_preemptions: int
    kv_recomputed_tokens: int
    prefix_asked_tokens: int
    prefix_shared_tokens: int
    swaps_out: int
    swaps_in: int
    swap_out_bytes: int
    swap_in_bytes: int
    swap_largest_bytes: int
    swaps_refused: int
    swap_ps: int
    swap_energy_j: float

    @staticmethod
    def of(memory: PagedMemory, swap: SwapSpace | None, preemptions: int, recomputed_tokens: int) -> KvUsage:
        """Return the figures of a run.

        Args:
            memory: Its memory.
            swap: Its space for swaps; None if it has none.
            preemptions: Number of preemptions.
            recomputed_tokens: KV entries that preempted requests lost and the memory did not keep.

        Returns:
            The figures.
        """
        counts, moves = memory.counts, SwapCounts() if swap is None else swap.counts
        return KvUsage(
            kv_blocks=memory.pool.blocks,
            kv_block_bytes=memory.block_bytes,
            kv_largest_blocks=counts.largest_blocks,
            kv_released_tokens=counts.released_tokens,
            kv_unused_tokens=counts.unused_tokens,
            kv_preemptions=preemptions,
            kv_recomputed_tokens=recomputed_tokens,
            prefix_asked_tokens=counts.asked_tokens,
            prefix_shared_tokens=counts.shared_tokens,
            swaps_out=moves.swaps_out,
            swaps_in=moves.swaps_in,
            swap_out_bytes=moves.swap_out_bytes,
            swap_in_bytes=moves.swap_in_bytes,
            swap_largest_bytes=moves.largest_bytes,
            swaps_refused=moves.refused,
            swap_ps=moves.latency_ps,
            swap_energy_j=moves.energy_j,
        )

    @property
    def fragmentation(self) -> float:
        """Internal fragmentation: fraction of the room in blocks that was empty when sequences left, 0 to 1."""
        return self.kv_unused_tokens / self.kv_released_tokens if self.kv_released_tokens else 0.0

    @property
    def hit_rate(self) -> float:
        """Fraction of the tokens of admitted requests whose KV entries were kept already, 0 to 1."""
        return self.prefix_shared_tokens / self.prefix_asked_tokens if self.prefix_asked_tokens else 0.0

    def summary(self) -> dict[str, Any]:
        """Return the figures as JSON values.

        Returns:
            Figures by name; the time of moves in seconds.
        """
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "swap_ps"}
        return plain | {
            "swap_s": ps_to_s(self.swap_ps),
            "kv_fragmentation": self.fragmentation,
            "prefix_hit_rate": self.hit_rate,
        }
