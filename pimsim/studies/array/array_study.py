"""Study of a matrix product on the analog arrays of a config: errors, their sources, energy and programming.

`crossbar.error_analysis` computes the errors. This module converts the results to plain values and compares the energy
of reading with the estimate of the timing model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbar.array_errors import CrossbarError
from crossbar.error_analysis import Analysis, analyse
from crossbar.params import CrossbarParams
from crossbar.samples import random_activations, random_weights
from pimsim.base.errors import ConfigError, WorkloadInputError
from pimsim.config.schema import Config
from pimsim.hardware.tile_kinds import check_pair
from pimsim.studies.array.array_options import ArrayStudyOptions
from pimsim.studies.array.array_result import ArrayStudy, ErrorHistogram, Errors, Reading, Writing
from pimsim.version import __version__

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SOURCE_CHIPS = 4
"""Default number of chips on which errors are split by source."""
Progress = Callable[[int, int], None]
"""Function of the number of finished and of all chip simulations, called after each of them."""


def study_array(
    config: Config,
    weights: ArrayLike | None = None,
    *,
    activations: ArrayLike | None = None,
    options: ArrayStudyOptions | None = None,
    progress: Progress | None = None,
) -> ArrayStudy:
    """Multiply vectors by a matrix on the analog arrays of several chips, and analyse the errors of the products.

    Args:
        config: Config whose machine has crossbars.
        weights: Weight matrix, [inputs, outputs] integers of the config's weight alphabet; None means random weights
            of `options.rows` x `options.columns`, uniform over the alphabet.
        activations: Input vectors, [vectors, inputs] integers; None means `options.vectors` random vectors, uniform
            over the whole activation range.
        options: Size of the random data, number of chips, seed and analyses; None means the defaults.
        progress: Called after each simulated chip with the number of finished and of all chip simulations.

    Returns:
        Errors by chip, source, column and ADC resolution, and the energy and time of reading and programming.

    Raises:
        ConfigError: If the config has no crossbars, or its tiles are of a registered kind without such arrays.
        WorkloadInputError: If weights, activations or options cannot be used.

    Reference:
        docs/array.md.
    """
    options = options or ArrayStudyOptions()
    crossbar = config.machine.crossbar
    if crossbar is None:
        raise ConfigError("has no crossbars (machine.crossbar is null), so there is no array to study", config.name)
    check_pair(config, "study an array")
    params, matrix = crossbar.operating_pair(config.machine.temperature_k), options.matrix
    try:
        if weights is None:
            inputs = params.array.rows if options.rows is None else options.rows
            outputs = params.array.usable_columns if options.columns is None else options.columns
            weights = random_weights(params.encoding, inputs, outputs, options.seed)
            matrix = matrix or f"random {params.encoding.weights} weights"
        elif options.rows is not None or options.columns is not None:
            raise WorkloadInputError("rows and columns are the size of random weights, but weights are given")
        if activations is None:
            weights = _as_array(weights)
            inputs, *_ = weights.shape or (1,)
            activations = random_activations(params.encoding, options.vectors, inputs, options.seed)
        few = max(0, min(options.chips, SOURCE_CHIPS))
        found = analyse(
            weights, params, activations, seed=options.seed, chips=options.chips,
            source_chips=few if options.source_chips is None else options.source_chips,
            adc_bits=options.adc_bits, threads=options.threads, progress=progress,
        )  # fmt: skip
    except CrossbarError as error:
        raise WorkloadInputError(str(error)) from error
    return _study(config, params, found, matrix or "given weights", options.seed)


def _as_array(weights: ArrayLike) -> NDArray[Any]:
    try:
        return np.asarray(weights)
    except ValueError as error:
        raise CrossbarError(f"weights are not an array: {error}") from error


def _study(config: Config, params: CrossbarParams, found: Analysis, matrix: str, seed: int) -> ArrayStudy:
    pooled, first = found.pooled, found.matrix
    inputs, outputs = first.shape
    return ArrayStudy(
        config=config,
        version=__version__,
        matrix=matrix,
        inputs=inputs,
        outputs=outputs,
        vectors=found.activity.vectors,
        seed=seed,
        snr_db=found.snr_db,
        rms=found.rms,
        errors=Errors(
            mean=pooled.mean,
            rms=pooled.rms,
            largest=pooled.largest,
            signal_rms=pooled.signal**0.5,
            snr_db=pooled.snr_db,
            gain=pooled.gain,
            rescaled_snr_db=pooled.rescaled_snr_db,
            saturated=sum(chip.saturated for chip in found.chips) / len(found.chips),
        ),
        chips=found.chips,
        histogram=ErrorHistogram(found.histogram.width, tuple(found.histogram.counts.tolist())),
        column_rms=tuple(pooled.column_rms.tolist()),
        column_bias=tuple(pooled.column_bias.tolist()),
        source_chips=found.source_chips,
        total=found.total,
        sources=found.sources,
        by_adc_bits=found.by_adc_bits,
        reading=_reading(found, params),
        writing=Writing(first.writes, first.write_energy_j, first.write_time_s, first.endurance_used),
    )


def _reading(found: Analysis, params: CrossbarParams) -> Reading:
    activity, first, encoding = found.activity, found.matrix, params.encoding
    inputs, outputs = first.shape
    pulses = activity.vectors * params.planes(encoding.activation_bits) * encoding.slices
    reads = pulses * inputs * outputs * encoding.arrays
    return Reading(
        rows_active=activity.rows_active,
        row_pulses=pulses * inputs * first.layout.array_columns,
        cell_reads=reads,
        conversions=activity.conversions,
        cell_energy_j=activity.cell_energy_j,
        dac_energy_j=activity.dac_energy_j,
        adc_energy_j=activity.adc_energy_j,
        cell_read_energy_j=activity.cell_energy_j / reads,
        estimated_cell_read_energy_j=params.cell_read_energy_j,
        squared_drive=activity.squared_drive,
        conductance_sum_s=activity.conductance_sum_s,
        codes=activity.codes,
        mean_conversion_energy_j=params.adc.energy_per_conversion_j,
    )
