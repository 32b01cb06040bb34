"""Result of an array study: errors, their sources, energy of reading, and effort of programming."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from crossbar.array_activity import snr_db
from crossbar.error_analysis import ChipErrors, SourceErrors
from crossbar.intervals import Interval
from crossbar.params import CrossbarParams
from pimsim.base.errors import printable
from pimsim.base.plugins import PluginRecord, plugin_records
from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.config.schema import Config

if TYPE_CHECKING:
    import pandas as pd

    from pimsim.results.measured_activity import MeasuredActivity


_MATRIX_CHARS = 200


def source_label(name: str) -> str:
    """Return the label of an error source in tables and plots.

    Args:
        name: Error source, one of `crossbar.sources.SOURCES`.

    Returns:
        Label, such as "ADC quantisation" for "adc_quantisation".
    """
    first, _, rest = name.partition("_")
    return (
        f"{first.upper() if first in ('adc', 'dac') else first} {rest or ('levels' if first == 'dac' else '')}".strip()
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """Activity and energy of multiplying all vectors on the first chip, and the estimate of the timing model.

    Attributes:
        rows_active: Number of row pulses with a level above 0.
        row_pulses: Number of rows times pulses, over all array columns and slices.
        cell_reads: Number of cells times pulses, with and without input, as the timing model counts them.
        conversions: Number of ADC conversions.
        cell_energy_j: Energy of all cells, computed from the data, joules.
        dac_energy_j: Energy of the DACs, joules.
        adc_energy_j: Energy of the ADCs, joules.
        cell_read_energy_j: Mean energy per cell read, computed from the data, joules.
        estimated_cell_read_energy_j: Energy per cell read that the timing model uses, joules.
        squared_drive: Sum over row pulses of the squared level relative to the highest level.
        conductance_sum_s: Sum over cell reads of the conductance times the squared relative level of the row, siemens.
        codes: Number of conversions by code, from the lowest code; empty with `adc.code_energy: none`.
        mean_conversion_energy_j: Energy of a conversion that the timing model uses, joules: the mean over codes.

    Reference:
        docs/array.md, eq. (26) and (35).
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
    squared_drive: float
    conductance_sum_s: float
    codes: tuple[int, ...]
    mean_conversion_energy_j: float

    @property
    def ratio(self) -> float:
        """Ratio of the energy per cell read computed from the data to the estimate of the timing model."""
        return self.cell_read_energy_j / self.estimated_cell_read_energy_j

    @property
    def conversion_energy_j(self) -> float:
        """Mean energy of a conversion with these codes, joules."""
        return self.adc_energy_j / self.conversions


@dataclass(frozen=True, slots=True)
class Writing:
    """Effort of programming the first chip.

    Attributes:
        writes: Number of write pulses.
        energy_j: Energy of the write pulses, joules.
        time_s: Programming time, seconds.
        endurance_used: Mean number of writes per cell, as a fraction of the endurance.
    """

    writes: int
    energy_j: float
    time_s: float
    endurance_used: float


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of all chips together, in units of the result.

    Attributes:
        mean: Mean error (bias).
        rms: Root mean square error.
        largest: Largest absolute error.
        signal_rms: Root mean square of the exact results.
        snr_db: Signal-to-noise ratio, dB.
        gain: Gain of the results relative to the exact results, by least squares.
        rescaled_snr_db: Signal-to-noise ratio after correction of the gain by one common factor, dB.
        saturated: Fraction of the ADC conversions that were out of range, mean over chips.

    Reference:
        docs/array.md, eqs. (22) to (25).
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
    """Histogram of the errors.

    Attributes:
        width: Width of a bin, in units of the result; the middle bin is centered at 0.
        counts: Number of errors per bin; the first and the last bin count all errors beyond the others.
    """

    width: int
    counts: tuple[int, ...]

    @property
    def centres(self) -> tuple[int, ...]:
        """Centers of all bins except the first and the last, in units of the result."""
        side = (len(self.counts) - 3) // 2
        return tuple(number * self.width for number in range(-side, side + 1))


@dataclass(frozen=True, repr=False)
class ArrayStudy(HeadlineRepr):
    """Result of a study of a matrix product on the arrays of a config.

    Attributes:
        config: Studied config.
        version: Version of pimsim.
        matrix: Name of the matrix.
        inputs: Number of rows of the matrix.
        outputs: Number of columns of the matrix.
        vectors: Number of input vectors.
        seed: Seed of all random numbers.
        snr_db: Signal-to-noise ratio, dB: mean over chips with its 95 % confidence interval by Student's t.
        rms: Root mean square error, in units of the result: mean over chips with its confidence interval.
        errors: Errors of all chips together.
        chips: Errors by chip.
        histogram: Histogram of the errors of all chips.
        column_rms: Root mean square error of each column of the matrix.
        column_bias: Mean error of each column of the matrix.
        source_chips: Number of chips on which errors are split by source.
        total: Mean square error with all sources, on these chips.
        sources: Mean square error of each source alone, and of all sources without it.
        by_adc_bits: Pairs of ADC resolution in bits and signal-to-noise ratio in dB.
        reading: Activity and energy of reading on the first chip.
        writing: Effort of programming the first chip.
        plugins: Plugins and packages whose code was loaded when the result was made.
    """

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
    plugins: tuple[PluginRecord, ...] = field(default_factory=plugin_records)

    @property
    def params(self) -> CrossbarParams:
        """Parameters of the arrays when they are read."""
        pair = self.config.machine.operating_pair
        assert pair is not None
        return pair

    @property
    def activity(self) -> MeasuredActivity:
        """Activity of the first chip, which `pimsim.write_activity` stores for `machine.crossbar.activity`."""
        from pimsim.results.measured_activity import MeasuredActivity  # with h5py, which a study does not need

        reading = self.reading
        return MeasuredActivity(
            config=self.config,
            version=self.version,
            matrix=printable(self.matrix, _MATRIX_CHARS),
            inputs=self.inputs,
            outputs=self.outputs,
            vectors=self.vectors,
            seed=self.seed,
            row_pulses=reading.row_pulses,
            rows_active=reading.rows_active,
            squared_drive=reading.squared_drive,
            cell_reads=reading.cell_reads,
            conductance_sum_s=reading.conductance_sum_s,
            codes=reading.codes,
        )

    def snr_of(self, mean_square: float) -> float:
        """Convert a mean square error into a signal-to-noise ratio.

        Args:
            mean_square: Mean square error, in squared units of the result.

        Returns:
            Signal-to-noise ratio with the signal power of all chips, dB.
        """
        return snr_db(self.errors.signal_rms**2, mean_square)

    @cached_property
    def sum_alone(self) -> float:
        """Sum of the mean square errors of all sources alone, which is the total for independent sources."""
        return sum(each.alone for each in self.sources if each.alone is not None)

    def to_dict(self) -> dict[str, Any]:
        """Return the whole result as JSON values.

        Returns:
            Plugins, summary, derivation of the ADCs' figures, errors, chips, sources, columns, histogram, ADC
            resolutions, reading, writing and config.
        """
        return {
            "plugins": [each._asdict() for each in self.plugins],
            "summary": self.summary(),
            "adc_series": self.config.machine.adc_series,
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
        """Yield the figures that `repr()` and a notebook show.

        Yields:
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
        """Return the headline figures.

        Returns:
            Figures by name, as JSON values.
        """
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
        """Return one row per chip.

        Returns:
            Seed and errors of each chip.
        """
        return [asdict(chip) for chip in self.chips]

    def source_rows(self) -> list[dict[str, Any]]:
        """Return one row per error source.

        Returns:
            Mean square error and signal-to-noise ratio of the source alone, and of all sources without it; None where
            it was not computed.
        """
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
        """Return one row per column of the matrix.

        Returns:
            Root mean square error and mean error of each column.
        """
        errors = zip(self.column_rms, self.column_bias, strict=True)
        return [{"column": column, "rms": rms, "bias": bias} for column, (rms, bias) in enumerate(errors)]

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per chip with its errors.

        What the rows leave out: errors by source, by column and by ADC resolution (`source_rows`, `column_rows`,
        `by_adc_bits`), and the energies of reading and programming, which are known for the first chip only.

        Returns:
            Data frame with the columns of `chip_rows`.
        """
        from pimsim.base.pandas_library import pd

        return pd.DataFrame(self.chip_rows())
