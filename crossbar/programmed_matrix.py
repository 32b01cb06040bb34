"""Public entry point: program a weight matrix into arrays, and multiply vectors by the programmed conductances."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar import device
from crossbar.array_activity import Activity, Conversions, ErrorStatistics, Observation
from crossbar.array_errors import CrossbarError
from crossbar.cell_levels import program
from crossbar.cells import Cells
from crossbar.conductances import Draw, conductances_s
from crossbar.converters import dac_levels
from crossbar.encoding import PLUS, WeightCode, WeightMatrix, activation_range, weight_code
from crossbar.gains import input_sum_products, set_converters
from crossbar.input_checks import check_computed, check_integer, checked_activations, checked_sample, checked_weights
from crossbar.kernels.arguments import LANES, Converters, Pulses, ReadNoise, StoredCells
from crossbar.kernels.multiplying import multiply_channel
from crossbar.kernels.threads import run_in_ranges, use_threads
from crossbar.layout import Layout
from crossbar.multiplication import activity_of, batches, integer_product, read_noise
from crossbar.params import CrossbarParams
from crossbar.pulses import make_pulses
from crossbar.ranging import Ranging
from crossbar.remapping import remap, stuck_error

MIN_PRODUCTS_PER_THREAD = 2**20
"""Fewest cells x vectors per thread for which parallel multiplication pays off: about 0.15 ms of work."""
SAMPLE_VECTORS = 32
"""Random vectors for calibration if the caller gives none."""


def program_matrix(
    weights: ArrayLike,
    params: CrossbarParams,
    seed: int = 0,
    *,
    calibration: ArrayLike | None = None,
    threads: int | None = None,
) -> ProgrammedMatrix:
    """Program a weight matrix into arrays.

    Args:
        weights: [in, out] integers of the alphabet `params.encoding.weights`.
        params: parameters of cells, arrays and converters.
        seed: seed of all random numbers; the same seed gives the same chip, and the same noise at each read.
        calibration: [vectors, in] activations that calibrated ADC ranges are set by; None means uniformly random ones.
        threads: threads of the compiled loops; the result does not depend on it. None means one per core.

    Returns:
        The programmed matrix.

    Raises:
        CrossbarError: If weights, activations, seed or threads are invalid, or planes are integrated.
    """
    check_computed(params)
    code = weight_code(params.encoding)
    check_integer("seed", seed, 0, 2**63 - 1)
    matrix = checked_weights(weights, code, params)
    inputs, outputs = matrix.shape
    layout = Layout(inputs, outputs, params.array)
    sample = _calibration(calibration, params, layout, seed)
    draw = Draw(params, seed)
    with _use_threads(threads):
        return _programmed(matrix, remap(matrix, layout, code, draw), code, draw, sample)


def _calibration(activations: ArrayLike | None, params: CrossbarParams, layout: Layout, seed: int) -> NDArray[np.int32]:
    if activations is not None:
        return checked_sample(activations, params, layout.inputs)
    low, high = activation_range(params.encoding)
    generator = np.random.Generator(np.random.Philox(key=device.stream_key(seed, "calibration")))
    return generator.integers(low, high, (SAMPLE_VECTORS, layout.inputs), np.int32, endpoint=True)


def _programmed(
    weights: WeightMatrix, layout: Layout, code: WeightCode, draw: Draw, sample: NDArray[np.int32]
) -> ProgrammedMatrix:
    params = draw.params
    unequal_levels = params.dac.level_error > 0 and params.dac.bits > 1
    levels = dac_levels(params, layout, draw.seed) if unequal_levels else None
    cells = tuple(program(weights, layout, channel, draw) for channel in code.channels)
    pulses = make_pulses(sample if params.needs_sample else sample[:0], params, layout, levels)
    ranges = set_converters(weights, layout, draw, cells, sample, pulses)
    return ProgrammedMatrix(weights, layout, code, draw, levels, cells, ranges, sample)


@dataclass(frozen=True, eq=False)
class ProgrammedMatrix:
    """A weight matrix in programmed arrays, made by `program_matrix`; immutable.

    Attributes:
        weights: programmed weights, [in, out] int8; int16 for alphabets of more than 8 bits.
        layout: position of the matrix in arrays and storage.
        code: how its weights are stored.
        draw: parameters and seed of the chip.
        levels: amplitudes of multi-bit DACs with level errors, [inputs, arrays, levels] float64; None if they are ideal
            or have one bit.
        cells: programmed cells of each channel.
        ranges: ADCs of each channel, with the gains behind them.
        sample: activations that calibrated ranges and gains were set by, [vectors, in] int32.
    """

    weights: WeightMatrix
    layout: Layout
    code: WeightCode
    draw: Draw
    levels: NDArray[np.float64] | None
    cells: tuple[Cells, ...]
    ranges: tuple[Ranging, ...]
    sample: NDArray[np.int32]

    @property
    def params(self) -> CrossbarParams:
        """Parameters of cells, arrays and converters."""
        return self.draw.params

    @property
    def shape(self) -> tuple[int, int]:
        """Number of inputs and of outputs."""
        return self.layout.inputs, self.layout.outputs

    @property
    def nbytes(self) -> int:
        """Memory of weights, cells and converters in bytes."""
        parts: list[NDArray[Any]] = [self.weights, self.sample]
        for cells in self.cells:
            parts += [cells.stored, cells.masks, cells.row_sums]
        return sum(part.nbytes for part in parts) + sum(each.nbytes for each in self.ranges)

    def multiply(self, x: ArrayLike, *, first_vector: int = 0, threads: int | None = None) -> NDArray[np.int32]:
        """Multiply vectors by the programmed matrix: x @ weights with all modelled errors.

        Args:
            x: [in] or [vectors, in] integers, activations in the format of the encoding.
            first_vector: number of the first vector. Read noise depends only on the seed and on a vector's number, so
                one call, or several calls with consecutive numbers, give the same bits.
            threads: threads of the compiled loops; the result does not depend on it. None means one per core.

        Returns:
            [out] or [vectors, out] int32.

        Raises:
            CrossbarError: If an argument is invalid.

        Reference:
            docs/array.md, eqs. (2) to (5).
        """
        values, vectors = self._checked(x, first_vector)
        result, _ = self._multiply(vectors, first_vector, threads)
        return result.reshape(*values.shape[:-1], self.layout.outputs)

    def convert(self, x: ArrayLike, *, first_vector: int = 0, threads: int | None = None) -> Conversions:
        """Multiply, and return the result with the numbers of conversions and of saturated conversions.

        Args:
            x: [in] or [vectors, in] integers.
            first_vector: number of the first vector; see `multiply`.
            threads: threads of the compiled loops; None means one per core.

        Returns:
            The result and its conversions.

        Raises:
            CrossbarError: If an argument is invalid.
        """
        values, vectors = self._checked(x, first_vector)
        result, saturated = self._multiply(vectors, first_vector, threads)
        planes = self.params.planes(self.params.encoding.activation_bits)
        each = planes * len(self.layout.groups) * self.layout.outputs * len(self.cells)
        shape = (*values.shape[:-1], self.layout.outputs)
        return Conversions(result.reshape(shape), len(vectors) * each, saturated)

    def observe(self, x: ArrayLike, *, first_vector: int = 0, threads: int | None = None) -> Observation:
        """Multiply, and return the result, the exact product, error statistics, saturated conversions and activity.

        Args:
            x: [in] or [vectors, in] integers.
            first_vector: number of the first vector; see `multiply`.
            threads: threads of the compiled loops; None means one per core.

        Returns:
            The result and its statistics.

        Raises:
            CrossbarError: If an argument is invalid.
        """
        values, vectors = self._checked(x, first_vector)
        result, saturated = self._multiply(vectors, first_vector, threads)
        shape = (*values.shape[:-1], self.layout.outputs)
        exact = self.exact(vectors)
        return Observation(
            result=result.reshape(shape),
            exact=exact.reshape(shape),
            errors=ErrorStatistics.of(result, exact),
            saturated=saturated,
            activity=self.activity(vectors),
        )

    def exact(self, x: ArrayLike) -> NDArray[np.int32]:
        """Return x @ weights in integers, the result of ideal arrays.

        Args:
            x: [in] or [vectors, in] integers.

        Returns:
            [out] or [vectors, out] int32.

        Raises:
            CrossbarError: If `x` is invalid.
        """
        values, vectors = self._checked(x, 0)
        return integer_product(vectors, self.weights).reshape(*values.shape[:-1], self.layout.outputs)

    def activity(self, x: ArrayLike) -> Activity:
        """Compute the activity of multiplying these vectors, with the energy of exactly these cells and inputs.

        Args:
            x: [in] or [vectors, in] integers.

        Returns:
            Counts and energies.

        Raises:
            CrossbarError: If `x` is invalid.

        Reference:
            docs/array.md, eq. (26).
        """
        _, vectors = self._checked(x, 0)
        parts = [self._activity(self._pulses(chunk)) for _, chunk in batches(vectors)]
        return sum(parts[1:], parts[0])

    def calibrated(self, x: ArrayLike, *, threads: int | None = None) -> ProgrammedMatrix:
        """Return the same chip with its ADC ranges and digital gains calibrated by these activations.

        Args:
            x: [in] or [vectors, in] integers, at least one vector.
            threads: threads of the compiled loops; None means one per core.

        Returns:
            The calibrated chip.

        Raises:
            CrossbarError: If an argument is invalid.
        """
        sample = checked_sample(x, self.params, self.layout.inputs)
        pulses = self._pulses(sample)
        with _use_threads(threads):
            ranges = set_converters(self.weights, self.layout, self.draw, self.cells, sample, pulses)
        return replace(self, ranges=ranges, sample=sample)

    def aged(self, seconds: float, *, threads: int | None = None) -> ProgrammedMatrix:
        """Return the same chip after some time: cells have drifted, traps have filled and emptied.

        The ADC ranges and gains stay as they are, unless the drifted conductances need another stored unit; they are
        then set again.

        Args:
            seconds: time since now, above 0 and at most 1e12 s.
            threads: threads of the compiled loops; None means one per core.

        Returns:
            The aged chip.

        Raises:
            CrossbarError: If `seconds` is out of range.

        Reference:
            docs/array.md, eqs. (13) and (14).
        """
        if not 0 < seconds <= 1e12:
            raise CrossbarError(f"seconds is {seconds}; it must be above 0 and at most 1e12")
        noise = self.params.noise
        drift = noise.drift.model_copy(update={"age_s": noise.drift.age_s + seconds})
        params = self.params.model_copy(update={"noise": noise.model_copy(update={"drift": drift})})
        draw = Draw(params, self.draw.seed, (*self.draw.intervals_s, seconds))
        with _use_threads(threads):
            cells = tuple(program(self.weights, self.layout, old.channel, draw) for old in self.cells)
        if any(new.fraction_bits != old.fraction_bits for new, old in zip(cells, self.cells, strict=True)):
            return _programmed(self.weights, self.layout, self.code, draw, self.sample)
        return replace(self, draw=draw, cells=cells)

    def conductances_s(self, index: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the conductances of the PLUS and MINUS cells of one slice; single cells are PLUS cells.

        Args:
            index: number of the slice.

        Returns:
            Two arrays [in, out] float64, siemens.

        Raises:
            CrossbarError: If there is no such slice.
        """
        check_integer("slice", index, 0, self.code.slices - 1)
        return conductances_s(self.weights, self.layout, index, self.draw)

    @cached_property
    def stuck_error(self) -> float:
        """Sum of the squared weight errors that stuck cells cause; see `crossbar.remapping`."""
        return stuck_error(self.weights, self.layout, self.code, self.draw)

    @cached_property
    def writes(self) -> int:
        """Number of write pulses that programmed the cells."""
        return sum(cells.writes for cells in self.cells if cells.channel.array == PLUS)

    @property
    def write_energy_j(self) -> float:
        """Energy of the write pulses in joules: an upper bound, with the write voltage across a cell in LRS."""
        return self.writes * self.params.cell.write_energy_j

    @property
    def write_time_s(self) -> float:
        """Programming time in seconds if a pulse writes one cell of each array: the mean over arrays."""
        arrays = self.layout.array_rows * self.layout.array_columns
        arrays_per_slice = 2 if self.params.encoding.cells == "differential" else 1
        return self.writes / (arrays * arrays_per_slice * self.code.slices) * self.params.cell.write_pulse_s

    @property
    def endurance_used(self) -> float:
        """Fraction of the cells' endurance that programming used: mean writes per cell over `endurance_writes`."""
        inputs, outputs = self.shape
        arrays_per_slice = 2 if self.params.encoding.cells == "differential" else 1
        return (
            self.writes / (inputs * outputs * arrays_per_slice * self.code.slices) / self.params.cell.endurance_writes
        )

    def _checked(self, x: ArrayLike, first_vector: int) -> tuple[NDArray[Any], NDArray[np.int32]]:
        check_integer("first_vector", first_vector, 0, 2**62 - 1)
        vectors = checked_activations(x, self.params, self.layout.inputs)
        return np.asarray(x), vectors

    def _pulses(self, vectors: NDArray[np.int32]) -> Pulses:
        return make_pulses(vectors, self.params, self.layout, self.levels)

    def _multiply(
        self, vectors: NDArray[np.int32], first_vector: int, threads: int | None
    ) -> tuple[NDArray[np.int32], int]:
        layout, constant = self.layout, self.code.constant
        tiles, columns = layout.tiles, layout.column_of.size
        result = np.empty((len(vectors), layout.outputs), np.int32)
        saturated = np.zeros(tiles, np.int64)
        with _use_threads(threads):
            for start, chunk in batches(vectors) if len(vectors) else ():
                total = np.zeros((len(chunk), columns))
                pulses = self._pulses(chunk)
                first = first_vector + start
                min_tiles = MIN_PRODUCTS_PER_THREAD // (layout.row_of.size * LANES * len(chunk))
                for stored, adcs, noise in self._channels:
                    arguments = stored, pulses, adcs, noise, layout.storage
                    run_in_ranges(multiply_channel, tiles, min_tiles, *arguments, first, total, saturated)
                if (added := input_sum_products(chunk, layout, self.cells, self.ranges)) is not None:
                    total += added
                total = total[:, layout.columns_in_order]
                if constant:
                    total += constant * chunk.sum(axis=1, dtype=np.int64)[:, None]
                np.rint(total, out=total)
                np.maximum(total, -(2.0**31), out=total)
                np.minimum(total, 2.0**31 - 1, out=total)
                result[start : start + len(chunk)] = total
        return result, int(np.add.reduce(saturated))

    @cached_property
    def _channels(self) -> tuple[tuple[StoredCells, Converters, ReadNoise], ...]:
        """Arguments of the compiled kernel for each channel; they take as long to make as a short multiplication."""
        return tuple(
            (cells.kernel_arguments, ranging.kernel_arguments(cells.channel.coefficient), noise)
            for cells, ranging, noise in zip(self.cells, self.ranges, self._noise, strict=True)
        )

    @cached_property
    def _noise(self) -> tuple[ReadNoise, ...]:
        return read_noise(self.params, self.draw.seed, self.cells)

    def _activity(self, pulses: Pulses) -> Activity:
        return activity_of(pulses, self.params, self.layout, self.cells, self.code.slices)


def _use_threads(threads: int | None) -> AbstractContextManager[None]:
    if threads is not None:
        check_integer("threads", threads, 1, 2**31 - 1)
    return use_threads(threads)
