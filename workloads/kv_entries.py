"""Format of the keys, or of the values, of a KV cache: bits of its elements and of the scales that they share.

Reference:
    docs/kv-cache.md. KIVI: Liu et al., arXiv:2402.02750.
"""

from dataclasses import dataclass
from typing import Literal

from workloads.checked_fields import shorten

HALF_BITS = 16
"""Bits of an entry's element that is a float16 number."""
CODE_BITS = (8, 6, 4, 3, 2)
"""Bits of a code that a config may ask for."""
SCALE_BITS = (0, 16, 32)
"""Bits of a step, and of a zero point: not counted, float16, float32."""
DEQUANTISE_PASSES, QUANTISE_PASSES = 1, 2
"""Passes of the vector unit over an entry that is read: codes to numbers; numbers to codes (docs/model.md)."""

Scales = Literal["per_token", "per_channel", "per_group"]


@dataclass(frozen=True, slots=True)
class ElementBits:
    """Rule for the bits of a key's or value's element."""

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            What is wrong with the value, or None if it is valid.
        """
        if type(value) is int and (value == HALF_BITS or 2 <= value <= 8):
            return None
        return f"must be {HALF_BITS} (float16) or an integer from 2 to 8 (codes), not {shorten(value)}"


@dataclass(frozen=True, slots=True)
class EntryBits:
    """Format of the keys, or of the values, of a cache.

    Attributes:
        bits: Bits of an element: `HALF_BITS`, or those of a code.
        scales: What shares a scale; without meaning for float16.
        group_size: Channels (per_group) or tokens (per_channel) that share a scale.
        scale_bits: Bits of a step, and of a zero point; 0: not counted.
        operand_bits: Bits of the operands of the array.
    """

    bits: int
    scales: Scales
    group_size: int
    scale_bits: int
    operand_bits: int

    @property
    def by_tokens(self) -> bool:
        """Whether an entry gets its codes only when the group of tokens to which it belongs is complete."""
        return self.bits != HALF_BITS and self.scales == "per_channel"

    @property
    def convert_passes(self) -> int:
        """Passes of the vector unit over an entry that is read, which make it an operand of an array of integers."""
        if self.bits == HALF_BITS:
            return QUANTISE_PASSES
        if self.scales == "per_token" and self.bits <= self.operand_bits:
            return 0
        return DEQUANTISE_PASSES + QUANTISE_PASSES

    def step_bits(self, d_head: int) -> int:
        """Return the bits of the scales of one entry, if they are its own.

        Args:
            d_head: Elements of an entry.

        Returns:
            Bits; 0 for float16 and for per_channel.
        """
        if self.bits == HALF_BITS or self.by_tokens:
            return 0
        return self.scale_bits if self.scales == "per_token" else 2 * self.scale_bits * (d_head // self.group_size)

    def entry_bits(self, d_head: int) -> int:
        """Return the bits of one entry with its own scales; of per_channel, without scales.

        Args:
            d_head: Elements of an entry.

        Returns:
            Bits.
        """
        return d_head * self.bits + self.step_bits(d_head)

    def group_scale_bits(self, d_head: int) -> int:
        """Return the bits of the scales of one complete group of tokens (per_channel): step and zero point by channel.

        Args:
            d_head: Elements of an entry.

        Returns:
            Bits.
        """
        return 2 * self.scale_bits * d_head


@dataclass(frozen=True, slots=True)
class Appended:
    """Traffic of the keys, or of the values, of one KV head and sequence when new tokens are appended.

    Attributes:
        write_bits: Bits that are written.
        read_bits: Bits of earlier float16 entries that are read again, because their group is complete now.
        settled: Tokens that get their codes now: all new ones, or those of the groups that are complete now.
    """

    write_bits: int
    read_bits: int
    settled: int
