"""Codes and scales of quantised blocks in GGUF files.

This module decodes the formats whose codes crossbar arrays can store; the library `gguf` decodes all others, as floats.

Reference:
    Layouts of the blocks: ggml-common.h and ggml-quants.c of llama.cpp. I2_S: `quantize_i2_s` in
    src/ggml-bitnet-mad.cpp of microsoft/BitNet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.gguf_types import I2_S

Float = NDArray[np.float32]
Bytes = NDArray[np.uint8]

I2_S_GROUP = 128
"""Elements of I2_S in 32 bytes: byte j has the elements j, j + 32, j + 64 and j + 96 from its highest bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Quantised rows: element = scale * code + minimum, in float32.

    Attributes:
        codes: [rows, elements] int8.
        scales: Scale of each block, [rows, blocks] float32, or [1, 1] for the whole tensor.
        minima: Minimum of each block, [rows, blocks] float32, or None.
    """

    codes: NDArray[np.int8]
    scales: Float
    minima: Float | None = None

    def floats(self) -> Float:
        """Compute the elements with the roundings of ggml.

        Returns:
            [rows, elements] float32.
        """
        rows, elements = self.codes.shape
        blocks = self.scales.shape[1]
        values = self.codes.reshape(rows, blocks, elements // blocks).astype(np.float32)
        values *= self.scales[:, :, None]
        if self.minima is not None:
            values += self.minima[:, :, None]
        return values.reshape(rows, elements)

    def rows(self, rows: slice) -> Blocks:
        """Return some of the rows.

        Args:
            rows: The rows.

        Returns:
            Their codes and scales.
        """
        scales = self.scales if len(self.scales) == 1 else self.scales[rows]
        return Blocks(self.codes[rows], scales, None if self.minima is None else self.minima[rows])

    def taken(self, order: NDArray[np.intp]) -> Blocks:
        """Return the rows in another order.

        Args:
            order: Number of the row for each row of the result, [rows].

        Returns:
            The rows in this order.
        """
        scales = self.scales if len(self.scales) == 1 else self.scales[order]
        return Blocks(self.codes[order], scales, None if self.minima is None else self.minima[order])


def decode_blocks(name: str, raw: Bytes) -> Blocks:
    """Decode the rows of a matrix.

    Args:
        name: Name of the format: Q4_0, Q4_1, Q8_0, TQ1_0 or TQ2_0.
        raw: Bytes of whole blocks, [rows, blocks, bytes of a block] uint8.

    Returns:
        Codes and scales.
    """
    rows, blocks, size = raw.shape
    flat = raw.reshape(-1, size)
    codes, scales, minima = _DECODERS[name](flat)
    return Blocks(
        codes.reshape(rows, -1), scales.reshape(rows, blocks), None if minima is None else minima.reshape(rows, blocks)
    )


def decode_i2_s(raw: Bytes, shape: tuple[int, int]) -> tuple[Blocks, bool]:
    """Decode a tensor of BitNet's I2_S: two bits for each code plus 1, and one float32 scale after all codes.

    Builds of BitNet for ARM since 2026, and builds without ACT_PARALLEL, pack in another order, which a file does not
    tell. The order here is that of all earlier builds and of the published files.

    Args:
        raw: All bytes of the tensor, uint8.
        shape: Its rows and elements per row, whose product is a multiple of 128.

    Returns:
        Codes and scale, and whether the tensor contains the invalid code 3, which becomes 2.
    """
    size = shape[0] * shape[1] // 4
    packed = raw[:size].reshape(-1, 1, 32)
    codes = (packed >> np.array([6, 4, 2, 0], np.uint8)[:, None]) & np.uint8(3)
    invalid = bool(codes.size) and bool(codes.max() == 3)
    scale = raw[size : size + 4].view("<f4").astype(np.float32).reshape(1, 1)
    return Blocks((codes.view(np.int8) - np.int8(1)).reshape(shape), scale), invalid


def _half(flat: Bytes, first: int) -> Float:
    """Return the float16 at a position of each block, [blocks] float32."""
    return np.ascontiguousarray(flat[:, first : first + 2]).view("<f2").astype(np.float32)[:, 0]


def _nibbles(packed: Bytes) -> NDArray[np.int8]:
    """Return the low halves of all bytes of a block, then the high halves, [blocks, 2 * bytes] int8."""
    return np.concatenate([packed & np.uint8(15), packed >> np.uint8(4)], axis=1).view(np.int8)


def _q4_0(flat: Bytes) -> tuple[NDArray[np.int8], Float, None]:
    return _nibbles(flat[:, 2:]) - np.int8(8), _half(flat, 0), None


def _q4_1(flat: Bytes) -> tuple[NDArray[np.int8], Float, Float]:
    return _nibbles(flat[:, 4:]), _half(flat, 0), _half(flat, 2)


def _q8_0(flat: Bytes) -> tuple[NDArray[np.int8], Float, None]:
    return np.ascontiguousarray(flat[:, 2:]).view(np.int8), _half(flat, 0), None


def _digits(packed: Bytes, count: int) -> NDArray[np.uint8]:
    """Return the ternary digits of bytes, the first digits of all bytes first, [blocks, count * bytes].

    A byte is the fraction b / 256 in base 3, so that a digit is the integer part of three times the fraction.
    """
    powers = np.array([1, 3, 9, 27, 81][:count], np.uint8)[:, None]
    fractions = packed[:, None, :] * powers  # modulo 256: without the digits before
    return ((fractions.astype(np.uint16) * 3) >> 8).astype(np.uint8).reshape(len(packed), -1)


def _tq1_0(flat: Bytes) -> tuple[NDArray[np.int8], Float, None]:
    digits = [_digits(flat[:, :32], 5), _digits(flat[:, 32:48], 5), _digits(flat[:, 48:52], 4)]
    return np.concatenate(digits, axis=1).view(np.int8) - np.int8(1), _half(flat, 52), None


def _tq2_0(flat: Bytes) -> tuple[NDArray[np.int8], Float, None]:
    packed = flat[:, :64].reshape(len(flat), 2, 1, 32)
    codes = (packed >> np.array([0, 2, 4, 6], np.uint8)[:, None]) & np.uint8(3)
    return codes.reshape(len(flat), 256).view(np.int8) - np.int8(1), _half(flat, 64), None


_DECODERS: dict[str, Any] = {"Q4_0": _q4_0, "Q4_1": _q4_1, "Q8_0": _q8_0, "TQ1_0": _tq1_0, "TQ2_0": _tq2_0}
DECODED = (*_DECODERS, I2_S)
