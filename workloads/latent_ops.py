"""Ops of multi-head latent attention: the append of latents, attention to them, and their expansion.

Reference:
    DeepSeek-AI, "DeepSeek-V2", arXiv:2405.04434, section 2.1 and appendix B.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from workloads.checked_fields import Boolean
from workloads.op_base import Op
from workloads.op_fields import Bits, Count, StepBits
from workloads.ops import AttentionScores, AttentionValues


def latent_bits(rank: int, d_rope: int, bits: int, step_bits: int) -> int:
    """Return the size of what the cache keeps of one token in a layer.

    Args:
        rank: Elements of the latent.
        d_rope: Elements of the rotated key.
        bits: Bits per element.
        step_bits: Bits of a quantisation step; the latent and the rotated key have one each.

    Returns:
        Bits.

    Reference:
        docs/experts.md, eq. (3).
    """
    return (rank + d_rope) * bits + 2 * step_bits


@dataclass(frozen=True, slots=True)
class LatentAppend(Op):
    """Append the latents and rotated keys of `tokens` new tokens to the KV cache of this layer.

    Attributes:
        tokens: New tokens of all sequences.
        rank: Elements of the latent.
        d_rope: Elements of the rotated key, which all heads share.
        bits: Bits per element of the cache.
        step_bits: Bits of the quantisation step of each latent and of each rotated key.
    """

    kind: ClassVar[str] = "latent_append"
    optional_keys: ClassVar[tuple[str, ...]] = ("step_bits",)
    tokens: Count
    rank: Count
    d_rope: Count
    bits: Bits
    step_bits: StepBits = 0

    @property
    def bytes(self) -> int:
        """Bytes written."""
        return -(-self.tokens * latent_bits(self.rank, self.d_rope, self.bits, self.step_bits) // 8)

    @property
    def output_elements(self) -> int:
        """No elements: the entries stay in the cache."""
        return 0


@dataclass(frozen=True, slots=True)
class LatentRead(Op):
    """Read the cached latents and rotated keys of `tokens` tokens, from which keys and values are computed again.

    Attributes:
        tokens: Cached tokens of all sequences.
        rank: Elements of the latent.
        d_rope: Elements of the rotated key.
        bits: Bits per element of the cache.
        step_bits: Bits of the quantisation step of each latent and of each rotated key.
    """

    kind: ClassVar[str] = "latent_read"
    optional_keys: ClassVar[tuple[str, ...]] = ("step_bits",)
    tokens: Count
    rank: Count
    d_rope: Count
    bits: Bits
    step_bits: StepBits = 0

    @property
    def bytes(self) -> int:
        """Bytes read."""
        return -(-self.tokens * latent_bits(self.rank, self.d_rope, self.bits, self.step_bits) // 8)

    @property
    def cache_bytes(self) -> int:
        """The latents and rotated keys in memory: `bytes`."""
        return self.bytes

    @property
    def output_elements(self) -> int:
        """Elements of all latents and rotated keys."""
        return self.tokens * (self.rank + self.d_rope)

    @property
    def longest_vector(self) -> int:
        """Elements of a latent and its key."""
        return self.rank + self.d_rope


@dataclass(frozen=True, slots=True)
class ScratchWrite(Op):
    """Write `vectors` vectors of `elements` elements to memory, where only this pass reads them.

    Attributes:
        vectors: Number of vectors.
        elements: Elements per vector.
        bits: Bits per element.
    """

    kind: ClassVar[str] = "scratch_write"
    vectors: Count
    elements: Count
    bits: Bits

    @property
    def bytes(self) -> int:
        """Bytes written."""
        return -(-self.vectors * self.elements * self.bits // 8)

    @property
    def output_elements(self) -> int:
        """No elements: they stay in memory."""
        return 0


@dataclass(frozen=True, slots=True)
class LatentScores(AttentionScores):
    """Scores of latent attention: queries times the cached latents and rotated keys, or times expanded keys.

    Attributes:
        expanded: Whether the keys are those of `ScratchWrite`, which are no state of the sequences.
    """

    kind: ClassVar[str] = "latent_scores"
    optional_keys: ClassVar[tuple[str, ...]] = ("cached", "step_bits", "expanded")
    expanded: Annotated[bool, Boolean()] = False

    @property
    def kv_bytes(self) -> int:
        """Bytes read: each key once; an absorbed one has two steps, that of the latent and that of the rotated key."""
        steps = self.step_bits * (1 if self.expanded else 2)
        return -(-self.matmuls * self.entries * (self.d_head * self.bits + steps) // 8)

    @property
    def cache_bytes(self) -> int:
        """Latents and rotated keys in memory; 0 for expanded keys, whose `LatentRead` has them."""
        return 0 if self.expanded else self.kv_bytes

    def cross_problems(self) -> Iterator[str]:
        """Check the heads; see `Checked.cross_problems`.

        Yields:
            A message if absorbed scores have several KV heads, or expanded ones fewer than heads, and those of
            `AttentionMatmul`.
        """
        yield from AttentionScores.cross_problems(self)
        yield from _head_problems(self.expanded, self.heads, self.kv_heads)


@dataclass(frozen=True, slots=True)
class LatentValues(AttentionValues):
    """Weighted sums of latent attention: attention weights times the cached latents, or times expanded values.

    Attributes:
        expanded: Whether the values are those of `ScratchWrite`.
    """

    kind: ClassVar[str] = "latent_values"
    optional_keys: ClassVar[tuple[str, ...]] = ("cached", "step_bits", "expanded")
    expanded: Annotated[bool, Boolean()] = False

    @property
    def cache_bytes(self) -> int:
        """No bytes beside those of the scores: the latents are keys and values."""
        return 0

    def cross_problems(self) -> Iterator[str]:
        """Check the heads; see `Checked.cross_problems`.

        Yields:
            As `LatentScores.cross_problems`.
        """
        yield from AttentionValues.cross_problems(self)
        yield from _head_problems(self.expanded, self.heads, self.kv_heads)


def _head_problems(expanded: bool, heads: int, kv_heads: int) -> Iterator[str]:
    wanted, what = (heads, "expanded") if expanded else (1, "absorbed")
    if kv_heads != wanted:
        yield f"kv_heads must be {wanted} in {what} latent attention, not {kv_heads}"
