"""Conversion of the matrices of a checkpoint to codes, with a count of what rounding them loses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workloads.one_bit import WeightKind, binarise, lost_energy, recognise, ternarise

Float = NDArray[np.float32]

_NOT_TRAINED = (
    "{kind} weights were made from a float checkpoint: this is not a trained 1-bit model, "
    "and its perplexity is expected to be destroyed; rounding {rounded} of {all} matrices lost {lost:.1%} of "
    "the energy of their weights"
)
_BLOCKS = (
    "{matrices} matrices have one scale for each of up to {blocks} blocks of inputs: the sums of the blocks are scaled "
    "and added digitally, which time and energy do not count"
)


@dataclass
class Rounding:
    """Matrices that were made one-bit, and what rounding them lost.

    Attributes:
        matrices: Number of matrices of floats.
        rounded: Number of those whose values were rounded.
        energy: Sum of the squares of the weights of these.
        lost: Sum of the squares of their rounding errors.
        blocked: Number of matrices with scales for blocks of inputs.
        blocks: Largest number of blocks.
    """

    matrices: int = 0
    rounded: int = 0
    energy: float = 0.0
    lost: float = 0.0
    blocked: int = 0
    blocks: int = 1

    def one_bit(self, values: Float, kind: WeightKind, *, recognised: bool) -> tuple[NDArray[np.int8], float | Float]:
        """Convert a matrix of floats to codes.

        Args:
            values: Weights, [out, in] float32.
            kind: "ternary" or "binary".
            recognised: Whether values that are codes times scales are kept as they are.

        Returns:
            Codes and scale.
        """
        self.matrices += 1
        known = recognise(values) if recognised else None
        if known is not None and (kind == "ternary" or known[0].all()):
            scale = known[1]
            if not isinstance(scale, float) and len(scale) > 1:
                self.blocked, self.blocks = self.blocked + 1, max(self.blocks, len(scale))
            return known
        codes, mean = (ternarise if kind == "ternary" else binarise)(values)
        self.rounded += 1
        self.energy += float(np.square(values, dtype=np.float64).sum())
        self.lost += lost_energy(values, codes, mean)
        return codes, mean

    def warnings(self, kind: WeightKind) -> Iterator[str]:
        """Say what rounding has cost, and what the machine does not count.

        Args:
            kind: "ternary", "binary" or "float".

        Yields:
            One sentence per warning; none for matrices that were codes times a scale.
        """
        if self.rounded:
            lost = self.lost / self.energy if self.energy else 0.0
            yield _NOT_TRAINED.format(kind=kind, rounded=self.rounded, all=self.matrices, lost=lost)
        if self.blocked:
            yield _BLOCKS.format(matrices=self.blocked, blocks=self.blocks)
