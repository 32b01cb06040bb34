"""Bytes that a run reads from memory and writes to it: weights, KV cache and embeddings apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from pimsim.steps.records import OpRecord

WEIGHT_KINDS = ("projection", "grouped_projection", "weight_swap")
RECOMPUTED = "kv_recompute"
TIER_KINDS = ("kv_move", "kv_prefetch", "kv_load", RECOMPUTED)
KV_KINDS = (
    *("kv_append", "attention_scores", "attention_values", "kv_evict", "kv_accumulate"),
    *("latent_append", "latent_read", "latent_scores", "latent_values"),
    *TIER_KINDS,
)


@dataclass(frozen=True, slots=True)
class MemoryTraffic:
    """Bytes between memory and chip. A mean over several steps need not be whole.

    Attributes:
        weight_read_bytes: Weights that are read for matrix multiplications or swapped into crossbars, and the inputs
            of projections where `mapping.projection_activations` keeps these in memory.
        kv_read_bytes: Keys and values that attention reads.
        kv_write_bytes: Keys and values of new tokens.
        embedding_read_bytes: Rows of embedding tables.
        other_read_bytes: Bytes that other ops read.
        other_write_bytes: Bytes that other ops write.
    """

    weight_read_bytes: float = 0
    kv_read_bytes: float = 0
    kv_write_bytes: float = 0
    embedding_read_bytes: float = 0
    other_read_bytes: float = 0
    other_write_bytes: float = 0

    @property
    def read_bytes(self) -> float:
        """All bytes read."""
        return self.weight_read_bytes + self.kv_read_bytes + self.embedding_read_bytes + self.other_read_bytes

    @property
    def write_bytes(self) -> float:
        """All bytes written."""
        return self.kv_write_bytes + self.other_write_bytes

    def __add__(self, other: MemoryTraffic) -> MemoryTraffic:
        # Field by field: a serving run does this millions of times, and `astuple` takes ten times as long.
        return MemoryTraffic(
            self.weight_read_bytes + other.weight_read_bytes,
            self.kv_read_bytes + other.kv_read_bytes,
            self.kv_write_bytes + other.kv_write_bytes,
            self.embedding_read_bytes + other.embedding_read_bytes,
            self.other_read_bytes + other.other_read_bytes,
            self.other_write_bytes + other.other_write_bytes,
        )

    def scaled(self, factor: float) -> MemoryTraffic:
        """Return the traffic times a factor.

        Args:
            factor: The factor.

        Returns:
            The product of every kind of traffic.
        """
        return MemoryTraffic(*(factor * each for each in astuple(self)))

    def summary(self) -> dict[str, float]:
        """Return the figures as plain values for JSON.

        Returns:
            Bytes read and written in all, and those of weights, KV cache and embeddings; integers if they are whole, as
            a file keeps all of them as real numbers.
        """
        figures = {
            "memory_read_bytes": self.read_bytes,
            "memory_write_bytes": self.write_bytes,
            "weight_read_bytes": self.weight_read_bytes,
            "kv_read_bytes": self.kv_read_bytes,
            "kv_write_bytes": self.kv_write_bytes,
            "embedding_read_bytes": self.embedding_read_bytes,
        }
        return {name: int(each) if each == int(each) else each for name, each in figures.items()}


NO_TRAFFIC = MemoryTraffic()
"""Traffic of nothing, and of results that do not state any."""


def memory_traffic(ops: Iterable[OpRecord]) -> MemoryTraffic:
    """Add up the traffic of a run from the action counts of its ops.

    Args:
        ops: The ops, each with the counts of one repetition.

    Returns:
        The traffic of the whole run. A memory from outside the package with other actions has none.
    """
    totals = dict.fromkeys(MemoryTraffic.__dataclass_fields__, 0)
    for op in ops:
        read, written = op_traffic(op)
        of_cache = moves_cache(op)
        reads = {"embedding": "embedding_read_bytes"} | dict.fromkeys(WEIGHT_KINDS, "weight_read_bytes")
        reads |= dict.fromkeys(KV_KINDS, "kv_read_bytes" if of_cache else "weight_read_bytes")
        totals[reads.get(op.kind, "other_read_bytes")] += op.repeat * read
        totals["kv_write_bytes" if of_cache else "other_write_bytes"] += op.repeat * written
    return MemoryTraffic(**totals)


def moves_cache(op: OpRecord) -> bool:
    """Return whether the bytes of an op in memory belong to the KV cache.

    Args:
        op: The op.

    Returns:
        False also for a projection that computes keys and values again: what it reads are weights.
    """
    return op.kind in KV_KINDS and not (op.kind == RECOMPUTED and op.macs)


def op_traffic(op: OpRecord) -> tuple[int, int]:
    """Return the bytes that one repetition of an op reads from memory and writes to it.

    Args:
        op: The op.

    Returns:
        Bytes read and bytes written.
    """
    return _bits(op, "memory.read_bit") // 8, _bits(op, "memory.write_bit") // 8


def _bits(op: OpRecord, action: str) -> int:
    """Return how often an op has an action; in a system of several machines, a role is before its name."""
    return op.counts.get(action, 0) or sum(n for name, n in op.counts.items() if name.endswith(f".{action}"))
