"""What a config's analog arrays make of a matrix: its errors, where they are from, and what it takes. JSON-able.

`crossbar.error_analysis` computes; this is its result as plain values, next to what the timing side assumes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbar.array_activity import snr_db
from crossbar.array_errors import CrossbarError
from crossbar.error_analysis import Analysis, ChipErrors, SourceErrors, analyse
from crossbar.intervals import Interval
from crossbar.params import CrossbarParams
from crossbar.samples import random_activations, random_weights
from pimsim.base.errors import ConfigError, WorkloadInputError
from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.config.schema import Config
from pimsim.studies.array.array_options import ArrayStudyOptions
from pimsim.version import __version__

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

SOURCE_CHIPS = 4
"""Chips on which errors are split by source, unless the options say otherwise."""
Progress = Callable[[int, int], None]
"""Told after each run of a chip how many are done, of how many."""


def source_label(name: str) -> str:
    """A source of error (`crossbar.sources.SOURCES`) as tables and plots name it."""
    first, _, rest = name.partition("_")
    return (
        f"{first.upper() if first in ('adc', 'dac') else first} {rest or ('levels' if first == 'dac' else '')}".strip()
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """What multiplying all vectors on the first chip took, by its data, and what the timing side would charge.

    `row_pulses` are rows times pulses, over arrays from left to right and slices, `rows_active` those above level 0;
    `cell_reads` are cells times pulses, driven or not, as the timing side counts them. Energies are in joules:
    `cell_energy_j` of all cells, `cell_read_energy_j` of one read on average, `estimated_cell_read_energy_j` what the
    config's cell has for it.
    """

    rows_active: int
    row_pulses: int
    cell_reads: int
    conversions: int
    cell_energy_j: float
    dac_energy_j: float
    adc_energy_j: float
    cell_read_energy_j: float
    estimated_cell_read_energy_j: float

    @property
    def ratio(self) -> float:
        """Energy of a cell's read by the data over the estimate."""
        return self.cell_read_energy_j / self.estimated_cell_read_energy_j


@dataclass(frozen=True, slots=True)
class Writing:
    """What programming the first chip took; `endurance_used` is the mean part of a cell's writes that is gone."""

    writes: int
    energy_j: float
    time_s: float
    endurance_used: float


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of all chips together, in units of the result.

    `signal_rms` is of the exact results. `gain` is how many times too large the results are; `rescaled_snr_db` is the
    SNR once a common factor has put that right. `saturated` is the part of the conversions that were out of range.
    """

    mean: float
    rms: float
    largest: float
    signal_rms: float
    snr_db: float
    gain: float
    rescaled_snr_db: float
    saturated: float


@dataclass(frozen=True, slots=True)
class ErrorHistogram:
    """Counts of errors in bins of `width` around 0, `width`, ...; the first and the last count what is beyond."""

    width: int
    counts: tuple[int, ...]

    @property
    def centres(self) -> tuple[int, ...]:
        """Middles of the bins but for the first and the last."""
        side = (len(self.counts) - 3) // 2
        return tuple(place * self.width for place in range(-side, side + 1))


@dataclass(frozen=True, repr=False)
class ArrayStudy(HeadlineRepr):
    """A matrix on the arrays of a config. Intervals are of the mean over chips, by Student's t."""

    config: Config
    version: str
    matrix: str
    inputs: int
    outputs: int
    vectors: int
    seed: int
    snr_db: Interval
    rms: Interval
    errors: Errors
    chips: tuple[ChipErrors, ...]
    histogram: ErrorHistogram
    column_rms: tuple[float, ...]
    column_bias: tuple[float, ...]
    source_chips: int
    total: float
    sources: tuple[SourceErrors, ...]
    by_adc_bits: tuple[tuple[int, float], ...]
    reading: Reading
    writing: Writing

    @property
    def params(self) -> CrossbarParams:
        """The array."""
        assert self.config.machine.crossbar is not None
        return self.config.machine.crossbar.pair

    def snr_of(self, mean_square: float) -> float:
        """SNR in dB of a mean square error."""
        return snr_db(self.errors.signal_rms**2, mean_square)

    @cached_property
    def sum_alone(self) -> float:
        """Sum of the mean square errors of the sources, each alone: what the total would be if they added up."""
        return sum(each.alone for each in self.sources if each.alone is not None)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain values for JSON."""
        return {
            "summary": self.summary(),
            "errors": asdict(self.errors),
            "chips": self.chip_rows(),
            "sources": self.source_rows(),
            "columns": self.column_rows(),
            "histogram": asdict(self.histogram),
            "by_adc_bits": [{"bits": bits, "snr_db": snr} for bits, snr in self.by_adc_bits],
            "reading": asdict(self.reading) | {"cell_read_energy_ratio": self.reading.ratio},
            "writing": asdict(self.writing),
            "config": self.config.model_dump(mode="json"),
        }

    def headline(self) -> Iterable[Figure]:
        """Return the figures that `repr()` and a notebook show.

        Returns:
            Name, matrix, its size, chips and SNR; in a notebook also the errors and the saturated conversions.
        """
        yield Figure("name", self.config.name)
        yield Figure("matrix", self.matrix)
        yield Figure("inputs", self.inputs)
        yield Figure("outputs", self.outputs)
        yield Figure("vectors", self.vectors, brief=False)
        yield Figure("chips", len(self.chips))
        yield Figure("SNR", self.snr_db.mean, "dB")
        yield Figure("RMS error", self.rms.mean, "units of the result")
        yield Figure("largest error", self.errors.largest, "units of the result", brief=False)
        yield Figure("saturated conversions", 100 * self.errors.saturated, "%", brief=False)

    def summary(self) -> dict[str, Any]:
        """The headline figures."""
        return {
            "name": self.config.name,
            "version": self.version,
            "matrix": self.matrix,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "vectors": self.vectors,
            "seed": self.seed,
            "chips": len(self.chips),
            "snr_db": asdict(self.snr_db),
            "rms": asdict(self.rms),
            "total_mean_square": self.total,
            "sum_of_mean_squares_alone": self.sum_alone,
            "source_chips": self.source_chips,
        }

    def chip_rows(self) -> list[dict[str, Any]]:
        """A row per chip."""
        return [asdict(chip) for chip in self.chips]

    def source_rows(self) -> list[dict[str, Any]]:
        """A row per source of error, with its SNR alone and without it."""
        return [
            {
                "source": each.name,
                "mean_square_alone": each.alone,
                "snr_db_alone": None if each.alone is None else self.snr_of(each.alone),
                "mean_square_without": each.without,
                "snr_db_without": None if each.without is None else self.snr_of(each.without),
            }
            for each in self.sources
        ]

    def column_rows(self) -> list[dict[str, Any]]:
        """A row per column of the matrix."""
        both = zip(self.column_rms, self.column_bias, strict=True)
        return [{"column": column, "rms": rms, "bias": bias} for column, (rms, bias) in enumerate(both)]

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per chip with its errors.

        What the rows leave out: errors by source, by column and by ADC resolution (`source_rows`, `column_rows`,
        `by_adc_bits`), and the energies of reading and programming, which are known for the first chip only.

        Returns:
            Data frame with the columns of `chip_rows`.
        """
        import pandas as pd

        return pd.DataFrame(self.chip_rows())


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
        ConfigError: If the config has no crossbars.
        WorkloadInputError: If weights, activations or options cannot be used.

    Reference:
        docs/array.md.
    """
    options = options or ArrayStudyOptions()
    crossbar = config.machine.crossbar
    if crossbar is None:
        raise ConfigError("has no crossbars (machine.crossbar is null), so there is no array to study", config.name)
    params, matrix = crossbar.pair, options.matrix
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
        estimated_cell_read_energy_j=params.cell.read_energy_j,
    )
