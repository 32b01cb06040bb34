"""Options of an array study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_VECTORS = 64
DEFAULT_CHIPS = 10
DEFAULT_ADC_BITS = tuple(range(3, 13))


@dataclass(frozen=True, slots=True)
class ArrayStudyOptions:
    """Options of `pimsim.study_array`: random data, number of chips, and which analyses to run.

    Attributes:
        rows: Inputs of the random weight matrix; None means the rows of one array.
        columns: Outputs of the random weight matrix; None means the usable columns of one array.
        vectors: Number of random activation vectors.
        chips: Number of chips that are programmed and measured. Each chip has a seed of its own, spawned from `seed`.
        seed: Seed of all random numbers: weights, activations and chips.
        source_chips: Number of chips on which errors are split by source and measured by ADC resolution; None means
            the first four chips, 0 means that both analyses are left out.
        adc_bits: ADC resolutions to evaluate, in bits.
        matrix: Name of the matrix in reports; None means a name that says where the weights come from.
        threads: Number of threads of the compiled loops; None means one per core. Results do not depend on it.
    """

    rows: int | None = None
    columns: int | None = None
    vectors: int = DEFAULT_VECTORS
    chips: int = DEFAULT_CHIPS
    seed: int = 0
    source_chips: int | None = None
    adc_bits: Sequence[int] = DEFAULT_ADC_BITS
    matrix: str | None = None
    threads: int | None = None
