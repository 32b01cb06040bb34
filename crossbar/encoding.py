"""How numbers become cells and pulses: weights to bits of cells, activations to bit planes, and back to a sum.

A weight matrix is cut into slices of one bit per cell (or cell pair). A *channel* is what is converted for every
column: the current of one array, or the difference of two. The result of a multiplication is

    y_j = sum over channels c of  k_c * (sum over planes p of  w_p * value of the conversion)  +  k * sum_i x_i

with the coefficients k_c of the channels, w_p of the planes, and a constant k where weights are stored with an offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crossbar.params import CrossbarParams, EncodingParams

PLUS, MINUS = 0, 1
"""The arrays of a slice: the one of a differential pair's positive cells, or of all single cells; that of its negative
ones.
"""


@dataclass(frozen=True)
class Channel:
    """What one conversion per column digitises.

    Attributes:
        slice: the bit of the weight that the cells store.
        array: PLUS or MINUS, the array whose current is converted.
        subtracts: what is subtracted before the conversion: the other array of the pair, a reference column, nothing.
        coefficient: what one cell's worth of current counts in the result, the polarity's sign included.

    """

    slice: int
    array: int
    subtracts: Literal["pair", "reference", "nothing"]
    coefficient: int


@dataclass(frozen=True)
class WeightCode:
    """How weights of an alphabet are stored.

    Attributes:
        lowest, highest: the bounds of the alphabet.
        excluded: a number between the bounds that is not in it, or None.
        slices: bits that a weight is cut into.
        channels: what is converted.
        constant: the k of this module's formula.

    """

    lowest: int
    highest: int
    excluded: int | None
    slices: int
    channels: tuple[Channel, ...]
    constant: int


@dataclass(frozen=True)
class Plane:
    """One pulse per row: bits `first` .. `first + bits - 1` of the activations, which count `weight` in the result."""

    first: int
    bits: int
    weight: int


def weight_code(encoding: EncodingParams) -> WeightCode:
    """How the weights of an encoding are stored."""
    bits = _weight_bits(encoding.weights)
    largest = 1 if bits is None else 2 ** (bits - 1) - 1
    lowest = 0 if encoding.weights == "unit" else -largest
    excluded = 0 if encoding.weights == "binary" else None
    sign = 1 if encoding.polarity == "one_is_lrs" else -1
    if encoding.cells == "differential":
        slices = 1 if bits is None else bits - 1
        channels = [channel for s in range(slices) for channel in _pair_channels(encoding, s, sign * 2**s)]
        return WeightCode(lowest, largest, excluded, slices, tuple(channels), 0)
    slices, factor, constant = {"binary": (1, 2, -1), "ternary": (2, 1, -1), "unit": (1, 1, 0)}.get(
        encoding.weights, (bits or 0, 1, -(largest + 1))
    )
    subtracts: Literal["reference", "nothing"] = "reference" if encoding.cells == "reference_column" else "nothing"
    singles = tuple(Channel(s, PLUS, subtracts, sign * factor * 2**s) for s in range(slices))
    return WeightCode(lowest, largest, excluded, slices, singles, constant)


def _pair_channels(encoding: EncodingParams, index: int, coefficient: int) -> list[Channel]:
    if encoding.readout == "difference":
        return [Channel(index, PLUS, "pair", coefficient)]
    return [Channel(index, PLUS, "nothing", coefficient), Channel(index, MINUS, "nothing", -coefficient)]


def _weight_bits(alphabet: str) -> int | None:
    return int(alphabet.removeprefix("int")) if alphabet.startswith("int") else None


def lrs_table(encoding: EncodingParams, index: int) -> NDArray[np.uint8]:
    """Which cells of slice `index` are in LRS, by weight: `[w + 128]` is 1 for the PLUS cell, 2 for MINUS, 3 for both.

    Returns: [256] uint8.
    """
    code = weight_code(encoding)
    weights = np.arange(-128, 128)
    if encoding.cells == "differential":
        bit = np.abs(weights) >> index & 1
        plus, minus = bit & (weights > 0), bit & (weights < 0)
    else:
        stored = (weights + 1) // 2 if encoding.weights == "binary" else weights - code.constant
        plus, minus = stored >> index & 1, np.zeros_like(weights)
    if encoding.polarity == "one_is_hrs":
        plus, minus = 1 - plus, 1 - minus
    return (plus | minus << 1).astype(np.uint8)


def planes(params: CrossbarParams) -> tuple[Plane, ...]:
    """The pulse trains of one activation, least significant first.

    A sign bit has a pulse of its own, whose conversions count negatively.
    """
    encoding = params.encoding
    return _planes(encoding.activation_bits, params.dac.bits, encoding.activations == "twos_complement")


@lru_cache
def _planes(bits: int, per_pulse: int, signed: bool) -> tuple[Plane, ...]:
    magnitude = bits - 1 if signed else bits
    trains = [Plane(at, min(per_pulse, magnitude - at), 2**at) for at in range(0, magnitude, per_pulse)]
    return (*trains, Plane(magnitude, 1, -(2**magnitude))) if signed else tuple(trains)


def activation_range(encoding: EncodingParams) -> tuple[int, int]:
    """The smallest and largest activation."""
    bits = encoding.activation_bits
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if encoding.activations == "twos_complement" else (0, 2**bits - 1)
