"""Partial sums of a multiplication: the contributions of some arrays from top to bottom, converted on the same chip.

Each part is the same programmed matrix whose ADC steps are 0 in the groups of rows of all other parts. Cells, noise and
converters are unchanged, so that the parts are the summands of the whole result. Each part is rounded to integers.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crossbar.programmed_matrix import ProgrammedMatrix
from crossbar.ranging import Ranging


class RowParts:
    """A programmed matrix whose products are the sums of several parts.

    Args:
        matrix: The matrix.
        part_of: Number of the part that each array from the top adds to, for each column of the matrix, [arrays from
            the top, outputs] integers from 0.
    """

    def __init__(self, matrix: ProgrammedMatrix, part_of: NDArray[np.integer]) -> None:
        self.matrix, self.part_of = matrix, part_of
        self.parts = int(part_of.max()) + 1

    def convert(
        self, x: NDArray[np.integer], *, first_vector: int = 0, threads: int | None = None
    ) -> tuple[NDArray[np.int64], int, int]:
        """Multiply vectors and return the partial sums; see `ProgrammedMatrix.convert`.

        Args:
            x: [vectors, in] integers.
            first_vector: number of the first vector.
            threads: threads of the compiled loops; None means one per core.

        Returns:
            Partial sums, [parts, vectors, out] int64, the number of conversions, and the number of those that were out
            of range.

        Raises:
            CrossbarError: If an argument is invalid.
        """
        done = [each.convert(x, first_vector=first_vector, threads=threads) for each in self._matrices]
        sums = np.stack([each.result for each in done]).astype(np.int64)
        if constant := self.matrix.code.constant:
            by_array = np.add.reduceat(x.astype(np.int64), self._first_rows, axis=1)
            for part in range(self.parts):
                sums[part] += constant * (by_array @ (self.part_of == part))
        return sums, done[0].conversions, done[0].saturated

    @property
    def _first_rows(self) -> list[int]:
        return list(range(0, self.matrix.layout.inputs, self.matrix.layout.array.rows))

    @cached_property
    def _matrices(self) -> tuple[ProgrammedMatrix, ...]:
        layout = self.matrix.layout
        part_of = self.part_of[layout.array_of_group][:, np.maximum(layout.column_of, 0)]
        code = replace(self.matrix.code, constant=0)
        return tuple(
            replace(
                self.matrix,
                code=code,
                ranges=tuple(_within(each, part_of == part) for each in self.matrix.ranges),
            )
            for part in range(self.parts)
        )


def _within(ranging: Ranging, inside: NDArray[np.bool_]) -> Ranging:
    """Return ADCs whose conversions, and what is added to them, count only within a part."""
    factors = None if ranging.input_factors is None else np.where(inside, ranging.input_factors, 0.0)
    return replace(ranging, step=np.where(inside, ranging.step, 0.0), input_factors=factors)
