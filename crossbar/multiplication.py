"""Parts of a multiplication outside the compiled kernels: batches, noise statistics, activity and exact product."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from crossbar import device
from crossbar.array_activity import Activity
from crossbar.cells import Cells
from crossbar.encoding import WeightMatrix
from crossbar.kernels.arguments import LANES, Pulses, ReadNoise
from crossbar.layout import Layout, by_tiles
from crossbar.params import CrossbarParams
from crossbar.pulses import active_rows, squared_levels

BATCH = 64
"""Vectors that share the tables of subset sums; the sums of more vectors would not fit in L2."""


def batches(vectors: NDArray[np.int32]) -> Iterator[tuple[int, NDArray[np.int32]]]:
    """Divide vectors into batches; no vectors are one empty batch.

    Args:
        vectors: All input vectors, [vectors, in] int32.

    Yields:
        Number of the first vector of a batch, and the batch, [up to `BATCH`, in] int32.
    """
    for start in range(0, max(len(vectors), 1), BATCH):
        yield start, vectors[start : start + BATCH]


def read_noise(params: CrossbarParams, seed: int, channel_cells: Sequence[Cells]) -> tuple[ReadNoise, ...]:
    """Compute the noise statistics of each channel.

    The read noise of a channel includes the cells that it reads and those that it subtracts.

    Args:
        params: parameters of the array.
        seed: seed of the chip.
        channel_cells: programmed cells of each channel.

    Returns:
        Noise of each channel, as an argument of the compiled kernels.

    Reference:
        docs/array.md, eqs. (11) and (17).
    """
    hrs, lrs = device.read_variances(params)
    one_is_lrs = params.encoding.polarity == "one_is_lrs"
    subtracted = {"pair": hrs, "nothing": 0.0, "reference": hrs if one_is_lrs else lrs}
    adc, key = params.adc, device.stream_key(seed, "read")
    adc_variance = np.float32(adc.noise_lsb * adc.noise_lsb)
    out = []
    for number, cells in enumerate(channel_cells):
        hrs_variance, lrs_variance = np.float32(hrs + subtracted[cells.channel.subtracts]), np.float32(lrs - hrs)
        present = bool(hrs_variance or lrs_variance or adc_variance)
        attenuation = np.zeros((0, 0, LANES), np.float32)
        if cells.noise_attenuation is not None:
            attenuation = by_tiles(cells.noise_attenuation)
        variances = hrs_variance, lrs_variance, adc_variance
        out.append(ReadNoise(present, key, number, len(channel_cells), *variances, attenuation))
    return tuple(out)


def activity_of(
    pulses: Pulses, params: CrossbarParams, layout: Layout, channel_cells: Sequence[Cells], slices: int
) -> Activity:
    """Compute the activity of a multiplication.

    Args:
        pulses: pulses of the vectors.
        params: parameters of the array.
        layout: position of the matrix in arrays and storage.
        channel_cells: programmed cells of each channel.
        slices: slices of a weight.

    Returns:
        Counts and energies.

    Reference:
        docs/array.md, eq. (26).
    """
    squares = squared_levels(pulses)
    step_s, top_level = device.step_conductance_s(params.cell), 2**params.dac.bits - 1
    steps = [2 ** params.encoding.bits_of_slice(cells.channel.slice) - 1 for cells in channel_cells]
    sums = (float(squares @ cells.row_sums) / each for cells, each in zip(channel_cells, steps, strict=True))
    conductance = sum(sums) * step_s / top_level**2
    conversions = pulses.vectors * pulses.weights.size * len(layout.groups) * layout.outputs * len(channel_cells)
    rows_active = active_rows(pulses) * layout.array_columns * slices
    cell = params.cell
    return Activity(
        vectors=pulses.vectors,
        rows_active=rows_active,
        conversions=conversions,
        conductance_sum_s=conductance,
        cell_energy_j=cell.read_voltage_v**2 * params.conduction_s * conductance,
        dac_energy_j=rows_active * params.dacs_per_row * params.dac.conversion_energy_j,
        adc_energy_j=conversions * params.adc.energy_per_conversion_j,
        squared_drive=float(squares.sum()) / top_level**2 * layout.array_columns * slices,
    )


def integer_product(x: NDArray[np.int32], weights: WeightMatrix) -> NDArray[np.int32]:
    """Multiply integers exactly with float64, whose 53-bit significand holds every int32 sum.

    Args:
        x: [vectors, in] int32.
        weights: [in, out] integers.

    Returns:
        [vectors, out] int32.
    """
    result = np.zeros((len(x), weights.shape[1]))
    for start in range(0, weights.shape[0], 1024):
        result += x[:, start : start + 1024].astype(np.float64) @ weights[start : start + 1024].astype(np.float64)
    return result.astype(np.int32)
