"""Parameters of the digital corrections behind the ADCs of an array."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from crossbar.value_types import Params

POINT_BITS = 4
"""Bits for the position of the binary point of a stored factor."""


class CorrectionParams(Params):
    """Digital correction of the converted sums, with factors that sample vectors determine."""

    gains: Literal["none", "column", "row_group"] = Field(
        description="factor of the converted sums, by least squares over sample vectors. none: no factor; column: one "
        "for each column of an array; row_group: one for each column and each group of rows that is driven together"
    )
    gain_bits: int = Field(ge=2, le=24, description="significant bits of a factor")
    input_sums: bool = Field(
        description="true: a second factor per gain, whose product with the sum of the inputs of the same rows is "
        "added; false: none"
    )

    @property
    def factor_bits(self) -> int:
        """Bits of a stored gain: its significant bits and the position of its binary point."""
        return self.gain_bits + POINT_BITS

    @property
    def input_factor_bits(self) -> int:
        """Bits of a stored factor of the sum of the inputs: as a gain, and a sign."""
        return self.factor_bits + 1

    @property
    def stored_bits(self) -> int:
        """Bits that a gain and its second factor, if it has one, take in memory."""
        return self.factor_bits + (self.input_factor_bits if self.input_sums else 0)
