"""Attenuation of the read noise of cells by the resistance of the lines of their array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossbar.conductances import (
    Draw,
    conductances_s,
    line_ends,
    reference_columns,
    references_of_array,
    with_references,
)
from crossbar.device import step_conductance_s
from crossbar.encoding import MINUS, PLUS, Channel, WeightMatrix
from crossbar.kernels.detours import cell_ladders
from crossbar.layout import Layout

Floats = NDArray[np.float64]


def noise_attenuation(weights: WeightMatrix, layout: Layout, channel: Channel, draw: Draw) -> NDArray[np.float32]:
    """Compute the factor by which the lines attenuate the read noise of a column, for each group of rows.

    A change of the conductance of a cell changes the current of its column by that times the potentials of its two
    ladders. The factor is the rms of this product over the cells of the column, weighted with their conductances:
    read noise is relative to the conductance.

    Args:
        weights: [in, out] integers.
        layout: position of the matrix in arrays and storage.
        channel: the channel that is read.
        draw: parameters and seed of the chip.

    Returns:
        [groups, storage columns] float32; 1 for padding.

    Reference:
        docs/wires.md, eq. (10).
    """
    array = draw.params.array
    arrays = (PLUS, MINUS) if channel.subtracts == "pair" else (channel.array,)
    of_slice = conductances_s(weights, layout, channel.slice, draw)
    references = reference_columns(layout, channel, draw) if channel.subtracts == "reference" else None
    step_s = step_conductance_s(draw.params.cell)
    out = np.ones((len(layout.groups), layout.column_of.size))
    for array_column in range(layout.array_columns):
        columns = slice(
            array_column * array.usable_columns, min((array_column + 1) * array.usable_columns, layout.outputs)
        )
        places = layout.place_of_column[columns]
        for array_row in range(layout.array_rows):
            top, bottom = array_row * array.rows, min((array_row + 1) * array.rows, layout.inputs)
            lines = layout.bit_lines[array_row, places] - array_column * array.columns
            squares = attenuated = np.zeros((bottom - top, lines.size))
            for each in arrays:
                cells = np.zeros((bottom - top, int(lines.max()) + 1))
                cells[:, lines] = of_slice[each][top:bottom, columns]
                square, at = cells[:, lines] ** 2, lines
                if references is not None:
                    own = references_of_array(references, layout, slice(top, bottom), array_column)
                    cells, places_on_line, _ = with_references(cells, own.astype(np.float64) * step_s, array)
                    at = places_on_line[lines]
                factors = _ladder_product(cells, draw)[:, at]
                squares, attenuated = squares + square, attenuated + square * factors**2
            for group in np.flatnonzero(layout.array_of_group == array_row):
                first, end = (row - top for row in layout.groups[group])
                total = squares[first:end].sum(axis=0)
                share = np.divide(attenuated[first:end].sum(axis=0), total, out=np.ones(lines.size), where=total > 0)
                out[group, places] = np.sqrt(share)
    return out.astype(np.float32)


def _ladder_product(cells: Floats, draw: Draw) -> Floats:
    psi, phi = cell_ladders(cells, *draw.params.wires.ohms, line_ends(draw.params.wires))
    return psi * phi
