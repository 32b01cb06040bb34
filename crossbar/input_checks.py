"""Checks of weights, activations and integers, done before memory is allocated for them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar.array_errors import CrossbarError
from crossbar.encoding import WeightCode, WeightMatrix, activation_range
from crossbar.params import CrossbarParams
from crossbar.thermal import off_calibration

MAX_WEIGHTS = 2**31
"""Maximum number of weights of a matrix, whose cells would take about 4 GiB."""
MAX_ACTIVATIONS = 2**31
"""Maximum number of activations per call."""
_INTEGERS = int, np.integer


def check_computed(params: CrossbarParams) -> None:
    """Check that the products of arrays with these circuits are computed.

    Args:
        params: parameters of the array.

    Raises:
        CrossbarError: If planes are integrated before a conversion, or cells of several bits deviate.
    """
    if params.sensing.integration is not None:
        raise CrossbarError(
            "sensing.integration adds planes before a conversion, and computed arrays convert each plane; "
            "set it to null"
        )
    if params.encoding.level_bits > 1 and (causes := list(_deviations(params))):
        raise CrossbarError(
            f"cells of {params.encoding.level_bits} bits (encoding.cell_bits) are computed without deviations of cells "
            f"and lines; set {', '.join(causes)}"
        )


def _deviations(params: CrossbarParams) -> Iterator[str]:
    """Yield the settings without which cells and lines are ideal, of those that deviate."""
    noise = params.noise
    varied = noise.variation.sigma_polynomial is not None or noise.variation.lrs.sigma or noise.variation.hrs.sigma
    for deviates, setting in (
        (varied, "noise.variation.lrs.sigma and noise.variation.hrs.sigma to 0, without a sigma_polynomial"),
        (noise.read.lrs or noise.read.hrs, "noise.read.lrs and noise.read.hrs to 0"),
        (noise.faults.stuck_lrs or noise.faults.stuck_hrs, "noise.faults.stuck_lrs and noise.faults.stuck_hrs to 0"),
        (noise.drift.age_s > noise.drift.start_s, "noise.drift.age_s to 0"),
        (noise.telegraph.fraction, "noise.telegraph.fraction to 0"),
        (off_calibration(params), "thermal.calibration_k to null"),
        (params.wires.model != "none", "wires.model to none"),
    ):
        if deviates:
            yield setting


def checked_weights(weights: ArrayLike, code: WeightCode, params: CrossbarParams) -> WeightMatrix:
    """Check a weight matrix and copy it.

    Args:
        weights: [in, out] integers.
        code: alphabet of the weights.
        params: parameters of the array.

    Returns:
        [in, out] int8, or int16 for alphabets of more than 8 bits, a copy.

    Raises:
        CrossbarError: If shape, type or a value is invalid, or results would not fit in 32 bits.
    """
    matrix = _integers(weights, "weights")
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise CrossbarError(f"weights have the shape {_shape(matrix)}; they must be [in, out], with no dimension of 0")
    if matrix.size > MAX_WEIGHTS:
        raise CrossbarError(f"weights have the shape {_shape(matrix)}; at most 2^31 weights fit in one matrix")
    largest = max(abs(bound) for bound in activation_range(params.encoding)) * max(code.highest, -code.lowest)
    if matrix.shape[0] * largest >= 2**31:
        raise CrossbarError(f"weights have {matrix.shape[0]} inputs; results would not fit in 32 bits")
    low, high = int(matrix.min()), int(matrix.max())
    if low < code.lowest or high > code.highest:
        _refuse_weight(matrix, (matrix < code.lowest) | (matrix > code.highest), code, params)
    if code.excluded is not None and (matrix == code.excluded).any():
        _refuse_weight(matrix, matrix == code.excluded, code, params)
    # A copy, because the caller may modify its array.
    return np.array(matrix, np.int8, order="C") if code.highest < 128 else np.array(matrix, np.int16, order="C")


def _refuse_weight(matrix: NDArray[Any], wrong: NDArray[np.bool_], code: WeightCode, params: CrossbarParams) -> None:
    row, column = np.argwhere(wrong)[0]
    but = f" without {code.excluded}" if code.excluded is not None else ""
    raise CrossbarError(
        f"weights[{row}, {column}] is {matrix[row, column]}; {params.encoding.weights} weights are integers from "
        f"{code.lowest} to {code.highest}{but}"
    )


def checked_activations(x: ArrayLike, params: CrossbarParams, inputs: int) -> NDArray[np.int32]:
    """Check activations.

    Args:
        x: [in] or [vectors, in] integers.
        params: parameters of the array.
        inputs: number of inputs of the matrix.

    Returns:
        [vectors, in] int32, contiguous.

    Raises:
        CrossbarError: If shape, type or a value is invalid.
    """
    values = _integers(x, "activations")
    if values.ndim not in (1, 2) or values.shape[-1] != inputs:
        raise CrossbarError(
            f"activations have the shape {_shape(values)}; they must be [{inputs}] or [vectors, {inputs}]"
        )
    if values.size > MAX_ACTIVATIONS:
        raise CrossbarError(f"activations have the shape {_shape(values)}; at most 2^31 activations fit in one call")
    low, high = activation_range(params.encoding)
    if values.size and not _always_within(values.dtype, low, high) and (values.min() < low or values.max() > high):
        wrong = np.argwhere((values < low) | (values > high))[0]
        raise CrossbarError(
            f"activations[{', '.join(map(str, wrong))}] is {values[tuple(wrong)]}; "
            f"{params.encoding.activation_bits}-bit {params.encoding.activations.replace('_', ' ')} activations are "
            f"integers from {low} to {high}"
        )
    return np.ascontiguousarray(values if values.ndim == 2 else values[None], np.int32)


def checked_sample(x: ArrayLike, params: CrossbarParams, inputs: int) -> NDArray[np.int32]:
    """Check the activations that ADC ranges are calibrated with, and copy them.

    Args:
        x: [in] or [vectors, in] integers.
        params: parameters of the array.
        inputs: number of inputs of the matrix.

    Returns:
        [vectors, in] int32, at least one vector.

    Raises:
        CrossbarError: If shape, type or a value is invalid, or there is no vector.
    """
    sample = checked_activations(x, params, inputs)
    if not len(sample):
        raise CrossbarError("there are no activations to calibrate the ADC ranges with")
    return sample.copy()


def check_integer(name: str, value: int, lowest: int, highest: int) -> None:
    """Check that a value is an integer within bounds.

    Args:
        name: name of the value for the message.
        value: the value.
        lowest: lowest valid value.
        highest: highest valid value.

    Raises:
        CrossbarError: If it is not.
    """
    if not isinstance(value, _INTEGERS) or not lowest <= value <= highest:
        bounds = f"an integer from {lowest} to {_power(highest)}"
        raise CrossbarError(f"{name} is {value}; it must be {bounds}")


def _power(number: int) -> str:
    exponent = number.bit_length()
    return f"2^{exponent} - 1" if exponent > 31 and number == 2**exponent - 1 else str(number)


@lru_cache
def _always_within(dtype: np.dtype[Any], low: int, high: int) -> bool:
    """Return whether a type holds no number out of range, as int8 does for 8-bit activations.

    Args:
        dtype: integer type.
        low: lowest valid value.
        high: highest valid value.

    Returns:
        True if values of this type need no check.
    """
    return low <= np.iinfo(dtype).min and np.iinfo(dtype).max <= high


def _integers(values: ArrayLike, name: str) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise CrossbarError(f"{name} are not an array: {error}") from error
    if array.size and array.dtype.kind not in "iu":
        raise CrossbarError(f"{name} are of type {array.dtype}; they must be integers")
    return array


def _shape(array: NDArray[Any]) -> str:
    return f"[{', '.join(map(str, array.shape))}]"
