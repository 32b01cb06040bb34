"""The ops of a KV cache that keeps the tokens which got the most attention (heavy hitters).

Reference:
    docs/kv-cache.md, "Heavy hitters". Zhang et al., "H2O: Heavy-Hitter Oracle for Efficient Generative Inference of
    Large Language Models", arXiv:2306.14048.
"""

from dataclasses import dataclass
from typing import ClassVar

from workloads.op_base import Op
from workloads.op_fields import Count, Number

SUM_BYTES = 4
"""Bytes of the sum of the attention that a kept token got: float32."""


@dataclass(frozen=True, slots=True)
class KVEvict(Op):
    """Choose the kept tokens with the smallest sums of attention, which make room for new ones.

    Attributes:
        vectors: Choices: one per KV head, sequence, and new token that finds the cache full.
        elements: Tokens among which one is chosen: the kept ones without the sinks and the newest.
        context: Tokens that a query attends to afterwards.
        read_sums: Sums that are read from memory first.
    """

    kind: ClassVar[str] = "kv_evict"
    vectors: Count
    elements: Count
    context: Count
    read_sums: Number

    @property
    def output_elements(self) -> int:
        """One number of a token per choice."""
        return self.vectors


@dataclass(frozen=True, slots=True)
class KVAccumulate(Op):
    """Add the attention weights of new tokens to the sums of the kept tokens, and store the sums.

    Attributes:
        vectors: Rows of attention weights: one per query head, new token and sequence.
        elements: Weights of a row.
        read_sums: Sums that are read from memory first.
        kept_sums: Sums that are written to memory, one per KV head, sequence and kept token.
    """

    kind: ClassVar[str] = "kv_accumulate"
    vectors: Count
    elements: Count
    read_sums: Number
    kept_sums: Count

    @property
    def output_elements(self) -> int:
        """No elements: the sums go to memory."""
        return 0

    @property
    def cache_bytes(self) -> int:
        """The stored sums."""
        return SUM_BYTES * self.kept_sums
