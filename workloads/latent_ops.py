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


@dataclass(frozen=True, slots=True)
class CachedLatents(Op):
    """Base class of ops that move cached latents and rotated keys of `tokens` tokens.

    Attributes:
        tokens: Tokens of all sequences.
        rank: Elements of the latent.
        d_rope: Elements of the rotated key, which all heads share.
        bits: Bits per element of the cache.
        step_bits: Bits of the scales of a latent and its rotated key, which are quantised as one vector.
    """

    optional_keys: ClassVar[tuple[str, ...]] = ("step_bits",)
    tokens: Count
    rank: Count
    d_rope: Count
    bits: Bits
    step_bits: StepBits = 0

    @property
    def bytes(self) -> int:
        """Bytes moved (docs/experts.md, eq. (3))."""
        return -(-self.tokens * ((self.rank + self.d_rope) * self.bits + self.step_bits) // 8)


@dataclass(frozen=True, slots=True)
class LatentAppend(CachedLatents):
    """Append the latents and rotated keys of `tokens` new tokens to the KV cache of this layer."""

    kind: ClassVar[str] = "latent_append"

    @property
    def read_bytes(self) -> int:
        """No bytes: entries do not change their format."""
        return 0

    @property
    def output_elements(self) -> int:
        """No elements: the entries stay in the cache."""
        return 0


@dataclass(frozen=True, slots=True)
class LatentRead(CachedLatents):
    """Read cached latents and rotated keys, from which keys and values of all heads are computed again.

    Attributes:
        kept_tokens: Tokens that stay in the cache afterwards.
    """

    kind: ClassVar[str] = "latent_read"
    kept_tokens: Count = 1

    @property
    def cache_bytes(self) -> int:
        """The latents and rotated keys that stay in memory."""
        return -(-self.kept_tokens * ((self.rank + self.d_rope) * self.bits + self.step_bits) // 8)

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
        expanded: Whether the keys are those of `ScratchWrite`, which do not outlast the pass.
    """

    kind: ClassVar[str] = "latent_scores"
    optional_keys: ClassVar[tuple[str, ...]] = (*AttentionScores.optional_keys, "expanded")
    expanded: Annotated[bool, Boolean()] = False

    @property
    def cache_bytes(self) -> int:
        """Latents and rotated keys that stay in memory; 0 for expanded keys, whose `LatentRead` has them."""
        return 0 if self.expanded else AttentionScores.cache_bytes.__get__(self)

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
    optional_keys: ClassVar[tuple[str, ...]] = (*AttentionValues.optional_keys, "expanded")
    expanded: Annotated[bool, Boolean()] = False

    @property
    def cache_bytes(self) -> int:
        """No bytes beside those of the scores: a latent is key and value."""
        return 0

    @property
    def passing_bytes(self) -> int:
        """Expanded values; absorbed ones are the latents of the scores, which are counted there."""
        return self.kv_bytes if self.expanded else 0

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
