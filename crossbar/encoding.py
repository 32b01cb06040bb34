"""Encoding of numbers in cells and pulses: weights to bits of cells, activations to bit planes, and the digital sum.

A weight matrix is divided into slices of one bit (or `cell_bits` bits) per cell or cell pair. A *channel* is what one
conversion per column digitises: the current of one array, or the difference of two. The result of a multiplication is

    y_j = sum over channels c of  k_c * (sum over planes p of  w_p * value of the conversion)  +  k * sum_i x_i

with the coefficients k_c of the channels, the weights w_p of the planes, and a constant k for weights that are stored
with an offset.

Reference:
    docs/array.md, eqs. (2) and (5).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crossbar.params import CrossbarParams, EncodingParams

WeightMatrix = NDArray[np.int8] | NDArray[np.int16]
"""Weights [in, out]; int16 for alphabets of more than 8 bits."""
PLUS, MINUS = 0, 1
"""Arrays of a slice.

PLUS holds the positive cells of differential pairs, or all single cells; MINUS holds the negative cells.
"""


@dataclass(frozen=True)
class Channel:
    """Quantity that one conversion per column digitises.

    Attributes:
        slice: slice of the weight that the cells store.
        array: array whose current is converted, PLUS or MINUS.
        subtracts: what is subtracted before the conversion: the other array of the pair, a reference column, or
            nothing.
        coefficient: weight of the current of one cell (one step) in the result, with the sign of the polarity.
    """

    slice: int
    array: int
    subtracts: Literal["pair", "reference", "nothing"]
    coefficient: int


@dataclass(frozen=True)
class WeightCode:
    """Storage of the weights of an alphabet.

    Attributes:
        lowest: lowest weight.
        highest: highest weight.
        excluded: integer between the bounds that is not in the alphabet, or None.
        slices: bits per weight.
        channels: channels of one multiplication.
        constant: the constant k of this module's formula.
    """

    lowest: int
    highest: int
    excluded: int | None
    slices: int
    channels: tuple[Channel, ...]
    constant: int


@dataclass(frozen=True)
class Plane:
    """One pulse per row, which applies some bits of the activations.

    Attributes:
        first: first bit.
        bits: number of bits.
        weight: weight of a conversion in the result; negative for a sign bit.
    """

    first: int
    bits: int
    weight: int


def weight_code(encoding: EncodingParams) -> WeightCode:
    """Return how the weights of an encoding are stored.

    Args:
        encoding: Alphabet of the weights, cells per weight and polarity.

    Returns:
        Bounds of the weights, cell slices, channels with their factors, and the constant of the formula.
    """
    bits = _weight_bits(encoding.weights)
    largest = 1 if bits is None else 2 ** (bits - 1) - 1
    lowest = 0 if encoding.weights == "unit" else -largest
    excluded = 0 if encoding.weights == "binary" else None
    sign = 1 if encoding.polarity == "one_is_lrs" else -1
    slices, digit = encoding.slices, 2**encoding.cell_bits
    if encoding.cells == "differential":
        channels = [channel for s in range(slices) for channel in _pair_channels(encoding, s, sign * digit**s)]
        return WeightCode(lowest, largest, excluded, slices, tuple(channels), 0)
    factor, constant = {"binary": (2, -1), "ternary": (1, -1), "unit": (1, 0)}.get(
        encoding.weights, (1, -(largest + 1))
    )
    subtracts: Literal["reference", "nothing"] = "reference" if encoding.cells == "reference_column" else "nothing"
    singles = tuple(Channel(s, PLUS, subtracts, sign * factor * digit**s) for s in range(slices))
    return WeightCode(lowest, largest, excluded, slices, singles, constant)


def _pair_channels(encoding: EncodingParams, index: int, coefficient: int) -> list[Channel]:
    if encoding.readout == "difference":
        return [Channel(index, PLUS, "pair", coefficient)]
    return [Channel(index, PLUS, "nothing", coefficient), Channel(index, MINUS, "nothing", -coefficient)]


def _weight_bits(alphabet: str) -> int | None:
    return int(alphabet.removeprefix("int")) if alphabet.startswith("int") else None


def lrs_table(encoding: EncodingParams, index: int) -> NDArray[np.uint8]:
    """Return which cells of one bit store a 1 as LRS, for each weight.

    Args:
        encoding: the encoding.
        index: number of the bit; of cells of one bit, that of the slice.

    Returns:
        [256] uint8, for alphabets of more than 8 bits [65536]; element w + half the size is 0 for no cell, 1 for the
        PLUS cell, 2 for the MINUS cell, 3 for both.
    """
    code = weight_code(encoding)
    half = 128 if code.highest < 128 else 2**15
    weights = np.arange(-half, half)
    if encoding.cells == "differential":
        bit = np.abs(weights) >> index & 1
        plus, minus = bit & (weights > 0), bit & (weights < 0)
    else:
        stored = (weights + 1) // 2 if encoding.weights == "binary" else weights - code.constant
        plus, minus = stored >> index & 1, np.zeros_like(weights)
    if encoding.polarity == "one_is_hrs":
        plus, minus = 1 - plus, 1 - minus
    return (plus | minus << 1).astype(np.uint8)


def stored_digits(
    weights: WeightMatrix, encoding: EncodingParams, index: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers that the cells of a slice store.

    Args:
        weights: [in, out] integers of the alphabet.
        encoding: the encoding.
        index: number of the slice.

    Returns:
        Digits of the PLUS cells, or of the single cells, and of the MINUS cells, [in, out] int64.
    """
    first, mask = index * encoding.cell_bits, (1 << encoding.bits_of_slice(index)) - 1
    signed = weights.astype(np.int64)
    if encoding.cells == "differential":
        digits = np.abs(signed) >> first & mask
        return np.where(signed > 0, digits, 0), np.where(signed < 0, digits, 0)
    stored = (signed + 1) // 2 if encoding.weights == "binary" else signed - weight_code(encoding).constant
    return stored >> first & mask, np.zeros_like(signed)


def planes(params: CrossbarParams) -> tuple[Plane, ...]:
    """Return the pulses of one activation, least significant bits first; a sign bit has a pulse of its own.

    Args:
        params: Parameters of the array: activation bits, their code and the DAC's bits.

    Returns:
        The planes; the weight of a sign bit's plane is negative.
    """
    return planes_of(*plane_key(params))


def plane_key(params: CrossbarParams) -> tuple[int, int, bool]:
    """Return what the planes follow from.

    Args:
        params: Parameters of the array.

    Returns:
        Bits of an activation, bits of a pulse, and whether one bit is a sign.
    """
    encoding = params.encoding
    return encoding.activation_bits, params.dac.bits, encoding.activations == "twos_complement"


@lru_cache
def planes_of(bits: int, per_pulse: int, signed: bool) -> tuple[Plane, ...]:
    """Return the pulses of one activation; see `planes`.

    Args:
        bits: Bits of an activation.
        per_pulse: Bits of a pulse.
        signed: Whether the last bit is a sign.

    Returns:
        The planes.
    """
    magnitude = bits - 1 if signed else bits
    trains = [Plane(at, min(per_pulse, magnitude - at), 2**at) for at in range(0, magnitude, per_pulse)]
    return (*trains, Plane(magnitude, 1, -(2**magnitude))) if signed else tuple(trains)


def activation_range(encoding: EncodingParams) -> tuple[int, int]:
    """Return the smallest and the largest activation.

    Args:
        encoding: Number of activation bits and their code.

    Returns:
        Lowest and highest activation, both included.
    """
    bits = encoding.activation_bits
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if encoding.activations == "twos_complement" else (0, 2**bits - 1)
