"""Ops of mixtures of experts, and of other matrices of one shape that rest side by side and have inputs of their own.

Reference:
    Shazeer et al., "Outrageously Large Neural Networks: The Sparsely-Gated Mixture-of-Experts Layer",
    arXiv:1701.06538.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from workloads.checked_fields import Integers
from workloads.op_base import Op
from workloads.op_fields import COUNT, Count
from workloads.ops import Projection


@dataclass(frozen=True, slots=True)
class GroupedProjection(Projection):
    """Products with `matrices` stored matrices of one shape, each of which has input vectors of its own, or none.

    The experts of a mixture are such matrices, and so are the matrices of the heads in absorbed latent attention. All
    of them are in memory or on crossbars; only those with vectors compute, at the same time where each has arrays of
    its own.

    Attributes:
        matrices: Number of matrices, those without vectors included.
        loads: Vectors of each matrix that has any; they add up to `vectors`.
    """

    kind: ClassVar[str] = "grouped_projection"
    matrices: Count = 1
    loads: Annotated[tuple[int, ...], Integers(1, COUNT.high)] = ()

    def cross_problems(self) -> Iterator[str]:
        """Check the vectors of the matrices; see `Checked.cross_problems`.

        Yields:
            A message if there are more loads than matrices or none, if they do not add up to `vectors`, and the
            messages of `Projection`.
        """
        yield from Projection.cross_problems(self)
        if not 1 <= len(self.loads) <= self.matrices:
            yield f"loads must have from 1 to matrices, {self.matrices}, entries, not {len(self.loads)}"
        elif sum(self.loads) != self.vectors:
            yield f"loads must add up to vectors, {self.vectors}, not {sum(self.loads)}"

    @property
    def weights(self) -> int:
        """Number of elements of all matrices."""
        return self.matrices * self.in_features * self.out_features

    @property
    def busiest(self) -> int:
        """Vectors of the matrix that has most, which follow one another."""
        return max(self.loads)

    def single(self, vectors: int) -> Projection:
        """Return the product with one of the matrices.

        Args:
            vectors: Its vectors.

        Returns:
            A projection of the same name.
        """
        return Projection(
            self.name,
            self.inputs,
            role=self.role,
            in_features=self.in_features,
            out_features=self.out_features,
            vectors=vectors,
            weight_bits=self.weight_bits,
            activation_bits=self.activation_bits,
        )


@dataclass(frozen=True, slots=True)
class ExpertChoice(Op):
    """Choice of the `chosen` largest of `elements` scores for each of `vectors` tokens: one pass finds one of them."""

    kind: ClassVar[str] = "expert_choice"
    vectors: Count
    elements: Count
    chosen: Count

    @property
    def output_elements(self) -> int:
        """A weight and a number for each chosen expert."""
        return 2 * self.vectors * self.chosen


@dataclass(frozen=True, slots=True)
class ExpertSum(Op):
    """Weighted sum of the outputs of `terms` experts for each of `vectors` tokens of `elements` elements."""

    kind: ClassVar[str] = "expert_sum"
    vectors: Count
    elements: Count
    terms: Count
