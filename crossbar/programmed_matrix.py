"""The public entry: program a weight matrix into arrays, and multiply vectors by what they really hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar import device
from crossbar.array_activity import Activity, Conversions, ErrorStatistics, Observation
from crossbar.array_errors import CrossbarError
from crossbar.cells import Cells, Draw, conductances_s, program_channel
from crossbar.converters import dac_levels
from crossbar.encoding import PLUS, WeightCode, activation_range, weight_code
from crossbar.input_checks import checked_activations, checked_sample, checked_weights, whole_number
from crossbar.kernels.arguments import LANES, Pulses, ReadNoise
from crossbar.kernels.multiplying import multiply_channel
from crossbar.kernels.threads import in_ranges
from crossbar.kernels.threads import threads as using
from crossbar.layout import Layout
from crossbar.params import CrossbarParams
from crossbar.pulses import active_rows, cut, squared_levels
from crossbar.ranging import Ranging, set_range
from crossbar.remapping import remap, stuck_error

LEAST_MULTIPLIED = 2**20
"""Cells times vectors that are worth a thread: some 0.15 ms."""
BATCH = 64
"""Vectors that share a set of tables: more would no longer fit in L2 beside them."""
SAMPLE_VECTORS = 32


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
        params: the cells, arrays and converters.
        seed: of everything random: the same seed makes the same chip, and the same noise at each read.
        calibration: [vectors, in] activations that calibrated ADC ranges are set by; None: uniformly random ones.
        threads: of the compiled loops; the result does not depend on it. None: one per core.

    Raises:
        CrossbarError: weights or activations that the arrays cannot take.

    """
    code = weight_code(params.encoding)
    whole_number("seed", seed, 0, 2**63 - 1)
    matrix = checked_weights(weights, code, params)
    inputs, outputs = matrix.shape
    layout = Layout(inputs, outputs, params.array)
    sample = _calibration(calibration, params, layout, seed)
    draw = Draw(params, seed)
    with _using(threads):
        return _programmed(matrix, remap(matrix, layout, code, draw), code, draw, sample)


def _calibration(given: ArrayLike | None, params: CrossbarParams, layout: Layout, seed: int) -> NDArray[np.int32]:
    if given is not None:
        return checked_sample(given, params, layout.inputs)
    low, high = activation_range(params.encoding)
    generator = np.random.Generator(np.random.Philox(key=device.stream_key(seed, "calibration")))
    return generator.integers(low, high, (SAMPLE_VECTORS, layout.inputs), np.int32, endpoint=True)


def _programmed(
    weights: NDArray[np.int8], layout: Layout, code: WeightCode, draw: Draw, sample: NDArray[np.int32]
) -> ProgrammedMatrix:
    params = draw.params
    uneven = params.dac.level_error > 0 and params.dac.bits > 1
    levels = dac_levels(params, layout, draw.seed) if uneven else None
    cells = tuple(program_channel(weights, layout, channel, draw) for channel in code.channels)
    pulses = cut(sample if params.adc.range != "full" else sample[:0], params, layout, levels)
    ranges = tuple(set_range(params, layout, mine, k, draw.seed, pulses) for k, mine in enumerate(cells))
    return ProgrammedMatrix(weights, layout, code, draw, levels, cells, ranges, sample)


@dataclass(frozen=True, eq=False)
class ProgrammedMatrix:
    """A weight matrix in programmed arrays. Made by `program_matrix`; it never changes.

    Attributes:
        weights: [in, out] int8, what was to be programmed.
        layout: where it lies.
        code: how its weights are stored.
        draw: parameters and seed.
        levels: what uneven DACs apply, or None.
        cells: the programmed cells of each channel.
        ranges: the ADCs of each channel.
        sample: the activations that calibrated ranges were set by.

    """

    weights: NDArray[np.int8]
    layout: Layout
    code: WeightCode
    draw: Draw
    levels: NDArray[np.float64] | None
    cells: tuple[Cells, ...]
    ranges: tuple[Ranging, ...]
    sample: NDArray[np.int32]

    @property
    def params(self) -> CrossbarParams:
        """The cells, arrays and converters."""
        return self.draw.params

    @property
    def shape(self) -> tuple[int, int]:
        """Inputs and outputs."""
        return self.layout.inputs, self.layout.outputs

    @property
    def nbytes(self) -> int:
        """Memory that the cells and converters take."""
        parts: list[NDArray[Any]] = [self.weights, self.sample]
        for cells, ranging in zip(self.cells, self.ranges, strict=True):
            parts += [cells.stored, cells.masks, cells.row_sums]
            parts += [ranging.step, ranging.gain, ranging.offset, ranging.bow]
        return sum(part.nbytes for part in parts)

    def multiply(self, x: ArrayLike, *, first_vector: int = 0, threads: int | None = None) -> NDArray[np.int32]:
        """What the arrays make of x @ weights.

        Args:
            x: [in] or [vectors, in] integers, activations of the encoding's format.
            first_vector: the number of the first vector. Read noise depends on the seed and on a vector's number
                alone, so one call, or several with the numbers that follow each other, give the same bits.
            threads: of the compiled loops; the result does not depend on it. None: one per core.

        Returns:
            [out] or [vectors, out] int32.

        Raises:
            CrossbarError: activations of a wrong shape, type or range.

        """
        values, vectors = self._checked(x, first_vector)
        result, _ = self._multiply(vectors, first_vector, threads)
        return result.reshape(*values.shape[:-1], self.layout.outputs)

    def convert(self, x: ArrayLike, *, first_vector: int = 0, threads: int | None = None) -> Conversions:
        """As `multiply`, with how many conversions it took and how many of them were out of range."""
        values, vectors = self._checked(x, first_vector)
        result, saturated = self._multiply(vectors, first_vector, threads)
        planes = self.params.planes(self.params.encoding.activation_bits)
        each = planes * len(self.layout.groups) * self.layout.outputs * len(self.cells)
        shape = (*values.shape[:-1], self.layout.outputs)
        return Conversions(result.reshape(shape), len(vectors) * each, saturated)

    def observe(self, x: ArrayLike, *, first_vector: int = 0, threads: int | None = None) -> Observation:
        """As `multiply`, with what the timing side and the analysis want to know of it."""
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
        """X @ weights in integers: what ideal arrays would give. [vectors, out] or [out] int32."""
        values, vectors = self._checked(x, 0)
        return _integer_product(vectors, self.weights).reshape(*values.shape[:-1], self.layout.outputs)

    def activity(self, x: ArrayLike) -> Activity:
        """What multiplying these vectors takes: rows, conversions, and the energy of just these cells and inputs."""
        _, vectors = self._checked(x, 0)
        parts = [self._activity(self._cut(chunk)) for _, chunk in _chunks(vectors)]
        return sum(parts[1:], parts[0])

    def calibrated(self, x: ArrayLike, *, threads: int | None = None) -> ProgrammedMatrix:
        """The same chip with its ADC ranges set by these activations."""
        sample = checked_sample(x, self.params, self.layout.inputs)
        pulses = self._cut(sample)
        with _using(threads):
            ranges = tuple(
                set_range(self.params, self.layout, cells, number, self.draw.seed, pulses)
                for number, cells in enumerate(self.cells)
            )
        return replace(self, ranges=ranges, sample=sample)

    def aged(self, seconds: float, *, threads: int | None = None) -> ProgrammedMatrix:
        """The same chip some time later: drifted on, its traps filled and emptied, its ADC ranges as they were.

        Raises:
            CrossbarError: a time that is not a positive, finite number.

        """
        if not 0 < seconds <= 1e12:
            raise CrossbarError(f"seconds is {seconds}; it must be above 0 and at most 1e12")
        noise = self.params.noise
        drift = noise.drift.model_copy(update={"age_s": noise.drift.age_s + seconds})
        params = self.params.model_copy(update={"noise": noise.model_copy(update={"drift": drift})})
        draw = Draw(params, self.draw.seed, (*self.draw.intervals_s, seconds))
        with _using(threads):
            cells = tuple(program_channel(self.weights, self.layout, mine.channel, draw) for mine in self.cells)
        if any(new.fraction_bits != old.fraction_bits for new, old in zip(cells, self.cells, strict=True)):
            return _programmed(self.weights, self.layout, self.code, draw, self.sample)
        return replace(self, draw=draw, cells=cells)

    def conductances_s(self, index: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Conductances in siemens of the + and - cells of one slice (single cells are in the first). Each [in, out]."""
        whole_number("slice", index, 0, self.code.slices - 1)
        return conductances_s(self.weights, self.layout, index, self.draw)

    @cached_property
    def stuck_harm(self) -> float:
        """What stuck cells do to the weights where these lie: the sum of squared errors of weights (`remapping`)."""
        return stuck_error(self.weights, self.layout, self.code, self.draw)

    @cached_property
    def writes(self) -> int:
        """Pulses that programmed the cells."""
        return sum(cells.writes for cells in self.cells if cells.channel.array == PLUS)

    @property
    def write_energy_j(self) -> float:
        """Energy of those pulses: each at most the write voltage over a cell in LRS."""
        return self.writes * self.params.cell.write_energy_j

    @property
    def write_time_s(self) -> float:
        """Time of programming where a pulse writes one cell of each array: the mean over arrays."""
        arrays = self.layout.array_rows * self.layout.array_columns
        per_slice = 2 if self.params.encoding.cells == "differential" else 1
        return self.writes / (arrays * per_slice * self.code.slices) * self.params.cell.write_pulse_s

    @property
    def endurance_used(self) -> float:
        """Part of the cells' endurance that programming used up: mean writes of a cell over the writes it bears."""
        inputs, outputs = self.shape
        per_slice = 2 if self.params.encoding.cells == "differential" else 1
        return self.writes / (inputs * outputs * per_slice * self.code.slices) / self.params.cell.endurance_writes

    def _checked(self, x: ArrayLike, first_vector: int) -> tuple[NDArray[Any], NDArray[np.int32]]:
        whole_number("first_vector", first_vector, 0, 2**62 - 1)
        vectors = checked_activations(x, self.params, self.layout.inputs)
        return np.asarray(x), vectors

    def _cut(self, vectors: NDArray[np.int32]) -> Pulses:
        return cut(vectors, self.params, self.layout, self.levels)

    def _multiply(
        self, vectors: NDArray[np.int32], first_vector: int, threads: int | None
    ) -> tuple[NDArray[np.int32], int]:
        result = np.empty((len(vectors), self.layout.outputs), np.int32)
        saturated = np.zeros(self.layout.tiles, np.int64)
        with _using(threads):
            for start, chunk in _chunks(vectors) if len(vectors) else ():
                total = np.zeros((len(chunk), self.layout.column_of.size))
                pulses = self._cut(chunk)
                first = first_vector + start
                least = LEAST_MULTIPLIED // (self.layout.row_of.size * LANES * len(chunk))
                for cells, ranging, noise in zip(self.cells, self.ranges, self._noise, strict=True):
                    adcs = ranging.bundle(cells.channel.coefficient)
                    bundles = cells.bundle, pulses, adcs, noise, self.layout.place
                    in_ranges(multiply_channel, self.layout.tiles, least, *bundles, first, total, saturated)
                total = total[:, self.layout.place_of_column]
                total += self.code.constant * chunk.sum(axis=1, dtype=np.int64)[:, None]
                np.clip(np.rint(total), -(2.0**31), 2.0**31 - 1, out=total)
                result[start : start + len(chunk)] = total
        return result, int(saturated.sum())

    @cached_property
    def _noise(self) -> tuple[ReadNoise, ...]:
        """Of each channel. A channel's conversions see the cells that it reads, and what is subtracted from them."""
        hrs, lrs = device.read_variances(self.params)
        one_is_lrs = self.params.encoding.polarity == "one_is_lrs"
        beside = {"pair": hrs, "nothing": 0.0, "reference": hrs if one_is_lrs else lrs}
        adc, key = self.params.adc, device.stream_key(self.draw.seed, "read")
        own = np.float32(adc.noise_lsb * adc.noise_lsb)
        out = []
        for number, cells in enumerate(self.cells):
            common, more = np.float32(hrs + beside[cells.channel.subtracts]), np.float32(lrs - hrs)
            present = bool(common or more or own)
            out.append(ReadNoise(present, key, number, len(self.cells), common, more, own))
        return tuple(out)

    def _activity(self, pulses: Pulses) -> Activity:
        params, layout = self.params, self.layout
        squares = squared_levels(pulses)
        step_s = device.step_conductance_s(params.cell)
        top_level = 2**params.dac.bits - 1
        conductance = sum(float(squares @ cells.row_sums) for cells in self.cells) * step_s / top_level**2
        conversions = pulses.vectors * pulses.weights.size * len(layout.groups) * layout.outputs * len(self.cells)
        driven = active_rows(pulses) * layout.array_columns * self.code.slices
        cell = params.cell
        return Activity(
            vectors=pulses.vectors,
            rows_active=driven,
            conversions=conversions,
            conductance_sum_s=conductance,
            cell_energy_j=cell.read_voltage_v**2 * cell.read_pulse_s * conductance,
            dac_energy_j=driven * params.dac.conversion_energy_j,
            adc_energy_j=conversions * params.adc.energy_per_conversion_j,
        )


def _using(threads: int | None) -> AbstractContextManager[None]:
    if threads is not None:
        whole_number("threads", threads, 1, 2**31 - 1)
    return using(threads)


def _chunks(vectors: NDArray[np.int32]) -> Iterator[tuple[int, NDArray[np.int32]]]:
    for start in range(0, max(len(vectors), 1), BATCH):
        yield start, vectors[start : start + BATCH]


def _integer_product(x: NDArray[np.int32], weights: NDArray[np.int8]) -> NDArray[np.int32]:
    """X @ weights, exact: in float64, whose 53 bits hold every sum that int32 does."""
    result = np.zeros((len(x), weights.shape[1]))
    for start in range(0, weights.shape[0], 1024):
        result += x[:, start : start + 1024].astype(np.float64) @ weights[start : start + 1024].astype(np.float64)
    return result.astype(np.int32)
