"""Tensors of GGUF files, as floats or as codes and scales."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.gguf_blocks import Blocks, decode_blocks, decode_i2_s
from workloads.gguf_header import TensorInfo
from workloads.gguf_types import AS_FLOATS, GROUPED, I2_S, OF_THE_LIBRARY, TERNARY
from workloads.strict_json import join
from workloads.untrusted_files import open_file, printable, reason
from workloads.workload_errors import CheckpointError

Float = NDArray[np.float32]

EXTRA = "gguf"
CHUNK_ELEMENTS = 2**22
"""Elements that are decoded at once, which limits the memory for intermediate results."""
_NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A tensor of a GGUF file, whose length has been checked.

    Attributes:
        name: Name of the tensor.
        file: The file.
        info: Its format, shape and place.
        heads: Heads whose rows are in the order of the file: element 2 i of a head before its element 2 i + 1, which
            are i and i + d / 2 in the order of transformers; 0 if the rows are as they should be.

    Reference:
        `permute` of LlamaModel in convert_hf_to_gguf.py of llama.cpp.
    """

    name: str
    file: Path
    info: TensorInfo
    heads: int = 0

    @property
    def dtype(self) -> str:
        """Name of its format."""
        return self.info.type.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape, outputs before inputs."""
        return self.info.shape

    @property
    def float_types(self) -> tuple[str, ...]:
        """Formats that `read` converts to float32."""
        return AS_FLOATS

    @property
    def is_ternary(self) -> bool:
        """Whether it contains -1, 0 and 1 times scales."""
        return self.dtype in TERNARY

    @property
    def is_grouped(self) -> bool:
        """Whether it contains integers with a scale for each group of inputs."""
        return self.dtype in GROUPED

    def read(self) -> Float:
        """Read the elements as floats.

        Returns:
            Shape of the tensor, float32.

        Raises:
            CheckpointError: If the format is not supported or needs the library `gguf`, which is not installed; if a
                number is not finite; or if the file has become shorter.
        """
        if self.dtype not in AS_FLOATS:
            raise self.error(f"cannot be read: its format is {self.dtype}, supported are {', '.join(AS_FLOATS)}")
        floats = np.empty(self.shape, np.float32)
        flat = floats.reshape(-1)
        for first, part in self._float_parts():
            flat[first : first + part.size] = part.reshape(-1)
        return self._ordered(floats)

    def read_rows(self, first: int, last: int) -> Float:
        """Read some rows of a matrix as floats.

        Args:
            first: Number of the first row.
            last: Number of the row after the last one.

        Returns:
            These rows of what `read` returns.

        Raises:
            CheckpointError: As for `read`.
        """
        if self.heads or self.dtype == I2_S or self.dtype not in AS_FLOATS:  # rows do not lie beside each other
            return self.read()[first:last]
        block = self.info.type
        per_row = self.shape[-1] // block.elements
        raw = self._bytes(first * per_row * block.size, (last - first) * per_row * block.size)
        return self._finite(raw.reshape(last - first, per_row, block.size)).reshape(last - first, -1)

    def blocks(self) -> Blocks:
        """Read codes and scales of a matrix.

        Returns:
            Codes, [rows, elements], with their scales and minima.

        Raises:
            CheckpointError: If a scale is not finite or a code is invalid, or if the file has become shorter.
        """
        assert self.is_ternary or self.is_grouped
        rows, inputs = self.shape
        if self.dtype == I2_S:
            blocks, invalid = decode_i2_s(self._bytes(0, self.info.size), (rows, inputs))
            if invalid:
                raise self.error("contains a packed value of 3; ternary codes are packed as 0, 1 and 2")
        else:
            parts = [decode_blocks(self.dtype, raw) for _, raw in self._raw_parts()]
            minima = (
                None if parts[0].minima is None else np.concatenate([p.minima for p in parts if p.minima is not None])
            )
            scales = np.concatenate([part.scales for part in parts])
            blocks = Blocks(np.concatenate([part.codes for part in parts]), scales, minima)
        if not all(np.isfinite(each).all() for each in (blocks.scales, blocks.minima) if each is not None):
            raise self.error("contains a scale that is not finite")
        return blocks if not self.heads else blocks.taken(self._ordered(np.arange(rows)))

    def error(self, text: str) -> CheckpointError:
        """Create an error about this tensor, which the caller raises.

        Args:
            text: Continuation of the sentence that begins with the tensor's name.

        Returns:
            An error that names the file and the tensor.
        """
        return CheckpointError(f"{printable(self.file)}: {join('', self.name)} {text}")

    def _ordered(self, rows: NDArray[Any]) -> NDArray[Any]:
        if not self.heads:
            return rows
        if len(rows) % (2 * self.heads):
            raise self.error(f"must have an even number of rows for each of {self.heads} heads, not {len(rows)} in all")
        pairs = rows.reshape(self.heads, len(rows) // self.heads // 2, 2, *rows.shape[1:])
        return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows.shape)

    def _float_parts(self) -> Iterator[tuple[int, Float]]:
        """Decode the elements in parts.

        Yields:
            Position of the first element of a part, and its elements.
        """
        if self.dtype == I2_S:
            yield 0, self._in_file_order().floats()
            return
        for first, raw in self._raw_parts():
            yield first, self._finite(raw)

    def _finite(self, raw: NDArray[np.uint8]) -> Float:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found below
            part = self._decoded(raw)
        if not np.isfinite(part).all():
            raise self.error("contains a number that is not finite in float32")
        return part

    def _in_file_order(self) -> Blocks:
        """Return the result of `blocks` with the rows in the order of the file."""
        return GgufTensor(self.name, self.file, self.info).blocks()

    def _decoded(self, raw: NDArray[np.uint8]) -> Float:
        if self.dtype in _NUMPY:
            return raw.view(_NUMPY[self.dtype]).astype(np.float32)
        if self.dtype == "BF16":
            wide = raw.view("<u2").astype(np.uint32) << np.uint32(16)
            return wide.view(np.float32)
        if self.dtype in OF_THE_LIBRARY:
            return self._by_library(raw)
        return decode_blocks(self.dtype, raw).floats()

    def _by_library(self, raw: NDArray[np.uint8]) -> Float:
        try:
            from gguf import GGMLQuantizationType
            from gguf.quants import dequantize
        except ImportError as error:
            raise self.error(
                f"is {self.dtype}, which needs the library gguf; it is not installed or cannot be imported ({error}): "
                f'install it with pip install "pimsim[{EXTRA}]"'
            ) from error
        if self.dtype not in GGMLQuantizationType.__members__:
            raise self.error(f"is {self.dtype}, which the installed version of the library gguf does not have")
        floats: Float = dequantize(raw.reshape(len(raw), -1), GGMLQuantizationType[self.dtype])
        return floats

    def _raw_parts(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Read whole rows of blocks.

        Yields:
            Position of the first element, and the bytes, [rows, blocks, bytes of a block] uint8.
        """
        block = self.info.type
        inputs = (self.shape or (1,))[-1]
        rows, per_row = prod(self.shape[:-1]), inputs // block.elements
        at_once = max(1, CHUNK_ELEMENTS // max(1, inputs))
        for row in range(0, rows, at_once):
            count = min(at_once, rows - row)
            raw = self._bytes(row * per_row * block.size, count * per_row * block.size)
            yield row * inputs, raw.reshape(count, per_row, block.size)

    def _bytes(self, first: int, count: int) -> NDArray[np.uint8]:
        data = np.empty(count, np.uint8)
        try:
            with open_file(self.file, "the weights", CheckpointError) as file:
                file.seek(self.info.start + first)
                read = file.readinto(data.data) if count else 0
        except OSError as problem:
            raise self.error(f"cannot be read: {reason(problem)}") from problem
        if read != count:
            raise self.error(f"cannot be read: the file ended after {read} of its {count} bytes")
        return data
