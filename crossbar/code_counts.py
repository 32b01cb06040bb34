"""Counts of the codes that the ADCs of a matrix output, by the kernel that multiplies.

A product adds the codes of a column, weighted by pulse, group and channel. With other weights, the same kernel returns
the codes themselves: 1 for one group of rows and 0 for the others, and powers of 2^bits for as many pulses as fit in 32
bits. Conversions, noise and clipping are those of a product, bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crossbar.array_activity import Activity
from crossbar.converters import CodeRange
from crossbar.kernels.arguments import Converters, Pulses, ReadNoise, StorageLayout, StoredCells
from crossbar.kernels.multiplying import multiply_channel
from crossbar.params import AdcParams

Channel = tuple[StoredCells, Converters, ReadNoise]
"""Cells, ADCs and noise of a channel, as arguments of the compiled kernel."""
_SUM_BITS = 31
"""Bits of a sum of weighted codes in the kernel, without its sign."""


def with_codes(
    activity: Activity,
    adc: AdcParams,
    channels: Iterable[tuple[Channel, CodeRange]],
    pulses: Pulses,
    storage: StorageLayout,
    first_vector: int,
) -> Activity:
    """Return an activity with the counts of codes and the energy of exactly these conversions.

    Args:
        activity: Activity with the mean energy of conversions.
        adc: Parameters of the ADCs.
        channels: Each channel with the codes of its ADCs.
        pulses: Pulses of the vectors.
        storage: Position of the matrix in storage.
        first_vector: Number of the first vector, a coordinate of the noise.

    Returns:
        The activity; unchanged if the energy of a conversion does not depend on its code.

    Reference:
        docs/array.md, eq. (35).
    """
    if adc.code_energy == "none":
        return activity
    counts = np.zeros(1 << adc.bits, np.int64)
    for channel, codes in channels if pulses.vectors else ():
        counts += count_codes(channel, codes, pulses, storage, first_vector)
    found = tuple(counts.tolist())
    energy_j = activity.conversions * adc.energy_of_codes_j(found) if activity.conversions else 0.0
    return replace(activity, codes=found, adc_energy_j=energy_j)


def count_codes(
    channel: Channel, codes: CodeRange, pulses: Pulses, storage: StorageLayout, first_vector: int
) -> NDArray[np.int64]:
    """Count the codes of the conversions of one channel.

    Args:
        channel: Cells, ADCs and noise of the channel.
        codes: Codes of the ADCs.
        pulses: Pulses of the vectors.
        storage: Position of the matrix in storage.
        first_vector: Number of the first vector, a coordinate of the noise.

    Returns:
        Conversions by code, from the lowest of `codes` (from 0 if they are turned), [codes] int64.
    """
    number, columns = codes.highest - codes.lowest + 1, storage.column_of >= 0
    counts = np.zeros(number, np.int64)
    for found in _codes(channel, codes, pulses, storage, first_vector):
        indices = -found if codes.turned else found - codes.lowest
        counts += np.bincount(indices[:, columns].ravel(), minlength=number)
    return counts


def _codes(
    channel: Channel, codes: CodeRange, pulses: Pulses, storage: StorageLayout, first_vector: int
) -> Iterator[NDArray[np.int64]]:
    """Yield the codes of each group of rows and conversion, [vectors, storage columns] int64."""
    stored, converters, noise = channel
    stored = stored._replace(baseline=0)
    bits = (codes.highest - codes.lowest).bit_length()
    at_once = max(1, _SUM_BITS // bits)
    tiles = storage.column_of.size // converters.step.shape[2]
    for group in range(storage.starts.size - 1):
        step = np.zeros_like(converters.step)
        step[:, group] = 1
        adcs = converters._replace(step=step, coefficient=1)
        for first in range(0, pulses.weights.size, at_once):
            chosen = range(first, min(first + at_once, pulses.weights.size))
            weights = np.zeros_like(pulses.weights)
            weights[chosen] = [1 << bits * place for place in range(len(chosen))]
            out, saturated = np.zeros((pulses.vectors, storage.column_of.size)), np.zeros(tiles, np.int64)
            multiply_channel(
                0, tiles, stored, pulses._replace(weights=weights), adcs, noise, storage, first_vector, out, saturated
            )
            offset = codes.lowest * int(weights.sum(dtype=np.int64))
            packed = out.astype(np.int64) - offset
            for place in range(len(chosen)):
                yield (packed >> bits * place & (1 << bits) - 1) + codes.lowest
