"""What a point's analog arrays make of a matrix: the figures of `pimsim array` that a sweep can ask for.

A random matrix of 512 x 256 weights and 32 vectors, both the same for every point, on three chips: SNRs of points
differ by their arrays and not by chance. `pimsim array` has more chips, intervals and sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from crossbar.params import CrossbarParams
from pimsim.base.errors import WorkloadInputError
from pimsim.results.run_result import RunResult

INPUTS, OUTPUTS, VECTORS, CHIPS = 512, 256, 32, 3
_KEPT = 4096


@dataclass(frozen=True, slots=True)
class ArrayErrors:
    """Errors of all chips together. `rms` is in units of the result, `saturated` a part of the conversions."""

    snr_db: float
    rms: float
    saturated: float


def array_errors(result: RunResult) -> ArrayErrors | None:
    """The errors of the arrays of a result's config; None if it has none. Raises WorkloadInputError."""
    crossbar = result.config.machine.crossbar
    return None if crossbar is None else _errors(crossbar.pair)


@lru_cache(_KEPT)
def _errors(pair: CrossbarParams) -> ArrayErrors:
    """Points that differ elsewhere share one study."""
    import numpy as np

    from crossbar.array_activity import (
        ErrorStatistics,  # these import Numba, which a sweep without such metrics never does
    )
    from crossbar.array_errors import CrossbarError
    from crossbar.programmed_matrix import program_matrix
    from crossbar.samples import chip_seeds, random_activations, random_weights

    weights = random_weights(pair.encoding, INPUTS, OUTPUTS)
    vectors = random_activations(pair.encoding, VECTORS, INPUTS)
    try:
        # One thread: a sweep's workers have a core each, and the result does not depend on it.
        chips = [program_matrix(weights, pair, seed, threads=1) for seed in chip_seeds(0, CHIPS)]
        seen = [chip.observe(vectors, threads=1) for chip in chips]
    except CrossbarError as error:
        raise WorkloadInputError(f"machine.crossbar.pair: {error}") from error
    errors = ErrorStatistics.of(np.stack([each.result for each in seen]), np.stack([each.exact for each in seen]))
    conversions = sum(each.activity.conversions for each in seen)
    return ArrayErrors(errors.snr_db, errors.rms, sum(each.saturated for each in seen) / conversions)
