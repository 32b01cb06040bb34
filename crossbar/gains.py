"""Digital gains of columns, fitted by least squares to the exact sums of sample vectors.

Wire resistance attenuates the current of a cell by a factor that depends on its place. A gain per column, or per column
and group of rows that is driven together, corrects the mean attenuation of its cells. A second factor multiplies the
sum of the inputs of the same rows: it corrects what all cells of a column have in common, such as the current of cells
in HRS.

Reference:
    docs/mitigations.md, eqs. (1) to (4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crossbar.cells import Cells
from crossbar.conductances import Draw
from crossbar.correction_params import POINT_BITS
from crossbar.encoding import MINUS, Channel, WeightMatrix, stored_digits
from crossbar.kernels.arguments import Pulses
from crossbar.layout import Layout
from crossbar.params import CrossbarParams
from crossbar.ranging import Ranging, set_range, whole_sums

Floats = NDArray[np.float64]

GAIN_POINTS, INPUT_POINTS = -3, -11
"""Lowest binary exponent of a gain, and of a factor of the sum of the inputs, of 2^POINT_BITS each."""


def set_converters(
    weights: WeightMatrix, layout: Layout, draw: Draw, cells: Sequence[Cells], sample: NDArray[np.int32], pulses: Pulses
) -> tuple[Ranging, ...]:
    """Set the ranges of the ADCs of all channels, then the gains behind them.

    Args:
        weights: [in, out] integers.
        layout: position of the matrix in arrays and storage.
        draw: parameters and seed of the chip.
        cells: programmed cells of each channel.
        sample: activations that calibrate ranges and gains, [vectors, in] int32.
        pulses: the same as pulses; without vectors if neither needs them.

    Returns:
        ADCs of each channel.
    """
    params = draw.params
    ranges = [set_range(params, layout, each, k, draw.seed, pulses) for k, each in enumerate(cells)]
    if params.correction.gains == "none":
        return tuple(ranges)
    return tuple(
        _with_gains(weights, layout, params, each, ranging, sample, pulses)
        for each, ranging in zip(cells, ranges, strict=True)
    )


def input_sum_products(
    vectors: NDArray[np.int32], layout: Layout, cells: Sequence[Cells], ranges: Sequence[Ranging]
) -> Floats | None:
    """Multiply the sums of the inputs of each group of rows by the second factors, and add up groups and channels.

    Args:
        vectors: activations, [vectors, in] int32.
        layout: position of the matrix in arrays and storage.
        cells: programmed cells of each channel.
        ranges: ADCs of each channel.

    Returns:
        [vectors, storage columns] float64, steps of conductance times the coefficients of the channels; None without
        second factors.

    Reference:
        docs/mitigations.md, eq. (1).
    """
    factors = [
        each.channel.coefficient * ranging.input_factors
        for each, ranging in zip(cells, ranges, strict=True)
        if ranging.input_factors is not None
    ]
    if not factors:
        return None
    by_group = np.sum(factors, axis=0)
    sums = np.add.reduceat(vectors, [first for first, _ in layout.groups], axis=1, dtype=np.int64)
    out = np.zeros((len(vectors), layout.column_of.size))
    for group in range(len(by_group)):  # in order, so that the result does not depend on a library's threads
        out += sums[:, group, None] * by_group[group]
    return out


def fit(converted: Floats, exact: Floats, input_sums: Floats | None) -> tuple[Floats, Floats | None]:
    """Fit the factors of columns by least squares: exact ~ gain x converted + factor x input sum.

    Args:
        converted: converted sums of each sample vector, [vectors, columns].
        exact: exact sums, [vectors, columns].
        input_sums: sums of the inputs, [vectors]; None: no second factor.

    Returns:
        Gains, [columns]; 1 where all converted sums are 0, and never below 0. Second factors, [columns]; None without.

    Reference:
        docs/mitigations.md, eqs. (2) and (3).
    """
    square, product = (converted * converted).sum(axis=0), (converted * exact).sum(axis=0)
    gain = np.divide(product, square, out=np.ones_like(square), where=square > 0)
    if input_sums is None:
        return np.maximum(gain, 0.0), None
    of_inputs, crossed = input_sums @ input_sums, input_sums @ converted
    exact_inputs = input_sums @ exact
    determinant = square * of_inputs - crossed * crossed
    # Columns whose sums are proportional to those of the inputs leave both factors open: the gain alone is fitted.
    known = determinant > 1e-9 * square * of_inputs
    both = np.divide(product * of_inputs - crossed * exact_inputs, determinant, out=gain, where=known)
    gain = np.maximum(both, 0.0)
    left = exact_inputs - gain * crossed
    factor = np.divide(left, of_inputs, out=np.zeros_like(left), where=known & (of_inputs > 0))
    return gain, factor


def quantised(values: Floats, bits: int, lowest: int) -> Floats:
    """Round factors to a number of significant bits with a binary point in one of 2^POINT_BITS positions.

    Args:
        values: the factors.
        bits: significant bits.
        lowest: lowest binary exponent e of a factor: numbers of [2^(e-1), 2^e) have all significant bits, and smaller
            ones fewer.

    Returns:
        The rounded factors, float64; factors that are too large become the largest number of their sign.

    Reference:
        docs/mitigations.md, eq. (4).
    """
    highest = lowest + 2**POINT_BITS - 1
    _, exponents = np.frexp(values)
    exponents = np.clip(exponents, lowest, highest)
    rounded = np.ldexp(np.rint(np.ldexp(values, bits - exponents)), exponents - bits)
    largest = 2.0**highest * (1 - 2.0**-bits)
    return np.asarray(np.clip(rounded, -largest, largest), np.float64)


def _with_gains(
    weights: WeightMatrix,
    layout: Layout,
    params: CrossbarParams,
    cells: Cells,
    ranging: Ranging,
    sample: NDArray[np.int32],
    pulses: Pulses,
) -> Ranging:
    correction, columns = params.correction, layout.column_of.size
    groups = len(layout.groups)
    gains, factors = np.ones((groups, columns)), np.zeros((groups, columns))
    exact = _exact_sums(weights, layout, params, cells.channel, sample)
    input_sums = np.add.reduceat(sample, [first for first, _ in layout.groups], axis=1, dtype=np.float64)
    for together in _groups_of_gains(layout, correction.gains):
        converted = np.sum([_converted(cells, layout, ranging, pulses, group) for group in together], axis=0)
        inputs = input_sums[:, together].sum(axis=1) if correction.input_sums else None
        gain, factor = fit(converted, np.sum([exact[group] for group in together], axis=0), inputs)
        gains[together] = quantised(gain, correction.gain_bits, GAIN_POINTS)
        if factor is not None:
            factors[together] = quantised(factor, correction.gain_bits, INPUT_POINTS)
    gains[:, layout.column_of < 0] = 1
    return replace(ranging, correction=gains, input_factors=factors if correction.input_sums else None)


def _groups_of_gains(layout: Layout, gains: str) -> Iterator[list[int]]:
    """Yield the groups of rows that share gains: each one, or those of each array from the top."""
    if gains == "row_group":
        yield from ([group] for group in range(len(layout.groups)))
    else:
        for array in range(layout.array_rows):
            yield np.flatnonzero(layout.array_of_group == array).tolist()


def _exact_sums(
    weights: WeightMatrix, layout: Layout, params: CrossbarParams, channel: Channel, sample: NDArray[np.int32]
) -> list[Floats]:
    """Return what ideal arrays and converters would give, for each group of rows: [vectors, storage columns]."""
    encoding = params.encoding
    plus, minus = stored_digits(weights, encoding, channel.slice)
    digits = plus - minus if channel.subtracts == "pair" else (minus if channel.array == MINUS else plus)
    signed = digits.astype(np.float64) * (1 if encoding.polarity == "one_is_lrs" else -1)
    out = []
    for first, end in layout.groups:
        sums = np.zeros((len(sample), layout.column_of.size))
        # Whole numbers below 2^53: the product is exact in any order.
        sums[:, layout.place_of_column] = sample[:, first:end].astype(np.float64) @ signed[first:end]
        out.append(sums)
    return out


def _converted(cells: Cells, layout: Layout, ranging: Ranging, pulses: Pulses, group: int) -> Floats:
    """Convert the sums of a group of rows without noise, and add up the planes.

    Args:
        cells: programmed cells of the channel.
        layout: position of the matrix in arrays and storage.
        ranging: ADCs of the channel.
        pulses: pulses of the sample vectors.
        group: index of the group of rows.

    Returns:
        [vectors, storage columns] float64, steps of conductance.

    Reference:
        docs/array.md, eqs. (3) to (5).
    """
    gain, offset = ranging.gain[group], ranging.offset[group]
    lowest, highest = np.float32(ranging.codes.lowest), np.float32(ranging.codes.highest)
    value = whole_sums(cells, layout, pulses, group).astype(np.float32) * gain + offset
    if ranging.bow.size:
        u = np.clip((value - lowest) / (highest - lowest), np.float32(0), np.float32(1))
        value += ranging.bow[group] * np.float32(4) * u * (np.float32(1) - u)
    codes = np.clip(np.floor(value + np.float32(0.5)), lowest, highest).astype(np.float64)
    if cells.baseline:
        share = (pulses.digits[:, :, group] * cells.baseline).astype(np.float32)
        codes -= np.floor(share[:, :, None] * gain + np.float32(0.5))
    weighted = np.einsum("vcj,c->vj", codes, pulses.weights.astype(np.float64))
    return np.asarray(weighted * ranging.step[group], np.float64)
