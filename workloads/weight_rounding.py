"""Conversion of the matrices of a checkpoint to codes, with a count of what rounding them loses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workloads.integer_weights import requantise
from workloads.neural_network import Weights
from workloads.one_bit import WeightKind, binarise, lost_energy, recognise, ternarise
from workloads.op_fields import ROLE_KEYS

Float = NDArray[np.float32]

_NOT_TRAINED = (
    "{kind} weights were made from a float checkpoint: this is not a trained 1-bit model, "
    "and its perplexity is expected to be destroyed; rounding {rounded} of {all} matrices lost {lost:.1%} of "
    "the energy of their weights"
)
_REQUANTISED = (
    "the weights of {rounded} matrices were requantised to integers of {bits} bits with one scale per column: this "
    "lost {lost:.2%} of the energy of the weights that the model file states"
)
_BLOCKS = (
    "{matrices} matrices have one scale for each of up to {blocks} blocks of inputs: the sums of the blocks are scaled "
    "and added digitally, which time and energy do not count"
)
_MINIMA = (
    "{matrices} matrices have a minimum for each block: it is multiplied by the sum of the inputs of the block "
    "digitally, which time and energy do not count"
)


@dataclass
class Rounding:
    """Matrices that were made codes, and what rounding them lost.

    Attributes:
        kind: Kind of weights: "ternary", "binary", "float", "groups" or "columns".
        bits: Bits of a weight of "columns" by role, with the key "" for all other roles.
        matrices: Number of matrices of floats.
        rounded: Number of those whose values were rounded.
        energy: Sum of the squares of the weights of these.
        lost: Sum of the squares of their rounding errors.
        blocked: Number of matrices with scales for blocks of inputs.
        blocks: Largest number of blocks.
        offsets: Number of matrices with a minimum for each block.
        stored: Number of matrices whose ternary codes are those of the file.
    """

    kind: WeightKind = "ternary"
    bits: Mapping[str, int] = field(default_factory=lambda: {"": 8})
    matrices: int = 0
    rounded: int = 0
    energy: float = 0.0
    lost: float = 0.0
    blocked: int = 0
    blocks: int = 1
    offsets: int = 0
    stored: int = 0

    @property
    def is_ternary(self) -> bool:
        """Whether all matrices so far are ternary codes of the file."""
        return bool(self.stored) and not self.matrices

    def one_bit(self, values: Float, *, recognised: bool) -> tuple[NDArray[np.int8], float | Float]:
        """Convert a matrix of floats to codes of -1, 0 and 1, or of -1 and 1 if the kind is "binary".

        Args:
            values: Weights, [out, in] float32.
            recognised: Whether values that are codes times scales are kept as they are.

        Returns:
            Codes and scale.
        """
        self.matrices += 1
        known = recognise(values) if recognised else None
        if known is not None and (self.kind != "binary" or known[0].all()):
            self._count_blocks(known[1])
            return known
        codes, mean = (binarise if self.kind == "binary" else ternarise)(values)
        self._count(values, lost_energy(values, codes, mean))
        return codes, mean

    def integers(self, values: Float, role: str) -> tuple[NDArray[np.int8], float | Float]:
        """Convert a matrix of floats to integers with one scale per output.

        Args:
            values: Weights, [out, in] float32.
            role: Role of the projection, for example "gate".

        Returns:
            Codes and scale; codes of -1, 0 and 1 that were kept as floats stay as they are.
        """
        self.matrices += 1
        if (known := recognise(values)) is not None:
            self._count_blocks(known[1])
            return known
        plain = role.rpartition(".")[2]
        plain = f"ffn_{plain}" if plain in ("gate", "up", "down") else plain
        plain = "kv_b" if plain.startswith(("key", "value")) else plain  # of heads, in latent attention
        codes, scale = requantise(values, self.bits.get(ROLE_KEYS.get(plain) or plain, self.bits[""]))
        error = values - scale.T * codes
        self._count(values, float(np.square(error, dtype=np.float64).sum()))
        return codes, scale

    def as_stored(self, weights: Weights, *, ternary: bool) -> None:
        """Count a matrix whose codes are those of the file.

        Args:
            weights: Its weights.
            ternary: Whether they are -1, 0 and 1.
        """
        self.stored += ternary
        self.matrices += not ternary
        self.offsets += weights.offset is not None
        self._count_blocks(weights.scale)

    def warnings(self) -> Iterator[str]:
        """Say what rounding has cost, and what the machine does not count.

        Yields:
            One sentence per warning; none for matrices that were codes times a scale.
        """
        lost = self.lost / self.energy if self.energy else 0.0
        if self.rounded and self.kind == "columns":
            bits = " or ".join(map(str, sorted(set(self.bits.values()))))
            yield _REQUANTISED.format(rounded=self.rounded, bits=bits, lost=lost)
        elif self.rounded:
            yield _NOT_TRAINED.format(kind=self.kind, rounded=self.rounded, all=self.matrices, lost=lost)
        if self.blocked:
            yield _BLOCKS.format(matrices=self.blocked, blocks=self.blocks)
        if self.offsets:
            yield _MINIMA.format(matrices=self.offsets)

    def _count(self, values: Float, lost: float) -> None:
        self.rounded += 1
        self.energy += float(np.square(values, dtype=np.float64).sum())
        self.lost += lost

    def _count_blocks(self, scale: float | Float) -> None:
        if not isinstance(scale, int | float) and len(scale) > 1:
            self.blocked, self.blocks = self.blocked + 1, max(self.blocks, len(scale))
