"""Cells of several bits: the levels of a cell as those of cells of one bit that share a conversion.

A cell of m bits has 2^m levels at equal distances from HRS to LRS. A cell that stores 1 bit is in HRS or in LRS, also
where `cell_bits` is above 1. Without deviations, a cell at level v = sum of 2^p v_p conducts as much as cells of 1 bit,
of which that of bit p has 2^p times the conductance of that of bit 0. With the distance between two levels as the step
of conductance,

    G(v) = (2^m - 1) G_HRS + v = sum over p of 2^p (G_HRS + v_p),

where G_HRS on the right is that of a cell of 1 bit in its steps. So each bit is programmed as a slice of its own, and
the stored conductances are added.

Reference:
    docs/array.md, section "Cells of several bits".
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crossbar.cells import Cells, choose_storage, program_channel, program_slice, stored_zero
from crossbar.conductances import Draw
from crossbar.encoding import Channel, WeightMatrix
from crossbar.kernels.arguments import TABLES
from crossbar.layout import Layout


def program(weights: WeightMatrix, layout: Layout, channel: Channel, draw: Draw) -> Cells:
    """Program the cells of one channel, of one bit or of several.

    Args:
        weights: [in, out] integers, in the alphabet of the encoding.
        layout: position of the matrix in arrays and storage.
        channel: the channel.
        draw: parameters and seed of the chip.

    Returns:
        The programmed cells; of cells of several bits, conductances are in distances between levels.

    Raises:
        CrossbarError: If a conductance is not finite.
    """
    encoding = draw.params.encoding
    if encoding.level_bits == 1:
        return program_channel(weights, layout, channel, draw)
    first, bits = channel.slice * encoding.cell_bits, encoding.bits_of_slice(channel.slice)
    parts = [replace(channel, slice=first + part) for part in range(bits)]
    one_bit = of_one_bit(draw)
    programmed = [program_slice(weights, layout, part, one_bit) for part in parts]
    largest = sum(float(written.largest.max()) * 2**part for part, (written, _) in enumerate(programmed))
    fraction_bits, dtype = choose_storage(largest, draw.params)
    finest = min(fraction for _, fraction in programmed)
    fraction_bits = min(fraction_bits, finest)
    stored = np.zeros(programmed[0][0].cells.shape, np.int64)
    for part, (written, fraction) in enumerate(programmed):
        stored += _coarser(written.cells.astype(np.int64) << part, fraction - finest)
    zero = stored_zero(one_bit.params, channel, one_bit, finest) * (2**bits - 1)
    return Cells(
        channel=channel,
        route=TABLES,
        stored=_coarser(stored, finest - fraction_bits).astype(dtype),
        masks=np.ascontiguousarray(programmed[0][0].masks[:0]),
        values=np.zeros(3, np.int32),
        baseline=int(_coarser(np.array([zero]), finest - fraction_bits)[0]),
        fraction_bits=fraction_bits,
        row_sums=np.sum([written.row_sums * 2**part for part, (written, _) in enumerate(programmed)], axis=0),
        writes=int(programmed[0][0].writes.sum()),
    )


def of_one_bit(draw: Draw) -> Draw:
    """Return the same chip with cells of one bit.

    Args:
        draw: parameters and seed of the chip.

    Returns:
        The chip whose slices are the bits of the weights.
    """
    encoding = draw.params.encoding.model_copy(update={"cell_bits": 1})
    return replace(draw, params=draw.params.model_copy(update={"encoding": encoding}))


def _coarser(stored: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Return stored values in units that are coarser by a number of bits, rounded as the kernels round."""
    return stored if bits == 0 else stored + (1 << bits - 1) >> bits
