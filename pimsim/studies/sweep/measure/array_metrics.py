"""Array metrics of a sweep: errors of one random matrix product on the analog arrays of a point's config.

The matrix (512 x 256 weights), the vectors (32) and the seeds of the three chips are the same for every point. SNRs of
two points therefore differ because of their arrays and not by chance. `pimsim array` simulates more chips, and adds
confidence intervals and the error of each source.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from crossbar.params import CrossbarParams
from pimsim.base.errors import WorkloadInputError
from pimsim.hardware.tile_kinds import has_pair
from pimsim.results.run_result import RunResult

INPUTS, OUTPUTS, VECTORS, CHIPS = 512, 256, 32, 3
_CACHE_SIZE = 4096


@dataclass(frozen=True, slots=True)
class ArrayErrors:
    """Errors of the matrix product, over all chips together.

    Attributes:
        snr_db: Signal-to-noise ratio of the results, dB.
        rms: Root mean square of the errors, in units of the integer result.
        saturated: Fraction of the ADC conversions that saturated.
    """

    snr_db: float
    rms: float
    saturated: float


def array_errors(result: RunResult) -> ArrayErrors | None:
    """Compute the errors of the analog arrays of a result's config.

    Args:
        result: Result of the run; only its config is used.

    Returns:
        Errors of the matrix product; None if the config has no such arrays.

    Raises:
        WorkloadInputError: If the random matrix cannot be programmed into arrays with these parameters.
    """
    pair = result.config.machine.operating_pair
    return None if pair is None or not has_pair(result.config.machine) else _errors(pair)


@lru_cache(_CACHE_SIZE)
def _errors(pair: CrossbarParams) -> ArrayErrors:
    """Compute the errors of one set of array parameters; points with equal arrays share the result.

    Args:
        pair: Parameters of a crossbar pair.

    Returns:
        Errors over all vectors and chips.

    Raises:
        WorkloadInputError: If `crossbar` refuses the parameters.
    """
    import numpy as np

    # These modules import Numba. A sweep without array metrics never imports it.
    from crossbar.array_activity import ErrorStatistics
    from crossbar.array_errors import CrossbarError
    from crossbar.programmed_matrix import program_matrix
    from crossbar.samples import chip_seeds, random_activations, random_weights

    weights = random_weights(pair.encoding, INPUTS, OUTPUTS)
    vectors = random_activations(pair.encoding, VECTORS, INPUTS)
    try:
        # One thread, because each worker of a sweep has one core. The result does not depend on the number of threads.
        chips = [program_matrix(weights, pair, seed, threads=1) for seed in chip_seeds(0, CHIPS)]
        observations = [chip.observe(vectors, threads=1) for chip in chips]
    except CrossbarError as error:
        raise WorkloadInputError(f"machine.crossbar.pair: {error}") from error
    results = np.stack([observation.result for observation in observations])
    errors = ErrorStatistics.of(results, np.stack([observation.exact for observation in observations]))
    conversions = sum(observation.activity.conversions for observation in observations)
    saturated = sum(observation.saturated for observation in observations)
    return ArrayErrors(errors.snr_db, errors.rms, saturated / conversions)
