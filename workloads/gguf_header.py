"""Metadata and tensor infos of GGUF files, which are untrusted input.

The reader of the library `gguf` trusts the counts and lengths in a file: it maps the file into memory, and a wrong
count ends in an exception of NumPy or in hours of work. So this module parses the header, with a limit for each count,
and compares all sizes with the real size of the file. Nothing is executed.

Reference:
    https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from workloads.checked_fields import shorten
from workloads.gguf_types import I2_S, TYPES, BlockType
from workloads.strict_json import join
from workloads.untrusted_files import open_file, printable, reason
from workloads.workload_errors import CheckpointError

MAX_HEADER_BYTES = 128 * 2**20
"""Largest header; that of a model with 262,000 tokens and their merges has about 16 MiB."""
MAX_KEYS = 10_000
MAX_TENSORS = 100_000
MAX_NAME_BYTES = 1024
"""Longest name of a key or tensor; ggml allows 64 bytes for a tensor."""
MAX_DIMENSIONS = 4
MAX_ALIGNMENT = 2**16
VERSIONS = (2, 3)

_FIRST_CHUNK = 2**20
_STRING, _ARRAY, _BOOL = 8, 9, 7
_SCALARS: Mapping[int, str] = MappingProxyType(
    {0: "u1", 1: "i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 7: "u1", 10: "<u8", 11: "<i8", 12: "<f8"}
)
"""NumPy type of the types of values with a fixed size."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Location of a tensor, whose length has been checked.

    Attributes:
        type: Its number format.
        shape: Its shape, outputs before inputs: the reverse of the file's order.
        start: Position of its first byte in the file.
        size: Its size in bytes.
    """

    type: BlockType
    shape: tuple[int, ...]
    start: int
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """Content of a GGUF file without its tensors.

    Attributes:
        file: The file.
        values: Metadata by key: str, int, float, bool, a list of str, or a NumPy array.
        tensors: Tensors by name, in the order of the file.
    """

    file: Path
    values: Mapping[str, Any]
    tensors: Mapping[str, TensorInfo]


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read the header of a GGUF file.

    Args:
        path: The file.

    Returns:
        Metadata, and the places of the tensors.

    Raises:
        CheckpointError: If the file cannot be read, is truncated or not GGUF, has counts, lengths, types or dimensions
            that are out of range, the same key or tensor twice, or a tensor outside the file or over another one.
    """
    file = Path(path)
    with open_file(file, "the model", CheckpointError) as opened:
        parser = _Parser(printable(file), opened)
        try:
            return parser.header(file)
        except OSError as problem:
            raise CheckpointError(f"{printable(file)}: cannot read the model: {reason(problem)}") from problem


class _Parser:
    """Parser of one header, which reads the file in growing chunks."""

    def __init__(self, source: str, opened: BufferedReader) -> None:
        self.source, self.opened = source, opened
        self.size = os.fstat(opened.fileno()).st_size
        self.data, self.at = b"", 0

    def header(self, file: Path) -> Header:
        if self.take(4, "the first four bytes") != b"GGUF":
            raise self.error("does not begin with the letters GGUF")
        version = self.number("<I", "the version")
        if version not in VERSIONS:
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
            order = "is big-endian: only little-endian files are read" if swapped in VERSIONS else ""
            raise self.error(order or f"has the version {version}; supported are {' and '.join(map(str, VERSIONS))}")
        tensors = self.count("<Q", MAX_TENSORS, "tensors")
        keys = self.count("<Q", MAX_KEYS, "keys")
        values: dict[str, Any] = {}
        for _ in range(keys):
            key = self.name("a key")
            if key in values:
                raise self.error(f"{join('', key)} occurs twice")
            values[key] = self.value(key)
        infos: dict[str, tuple[BlockType, tuple[int, ...], int]] = {}
        for _ in range(tensors):
            name = self.name("a tensor")
            if name in infos:
                raise self.error(f"the tensor {join('', name)} occurs twice")
            infos[name] = self.info(name)
        return Header(file, MappingProxyType(values), MappingProxyType(self.placed(infos, self.alignment(values))))

    def error(self, text: str) -> CheckpointError:
        return CheckpointError(f"{self.source}: is not a valid GGUF file: {text}")

    def take(self, count: int, what: str) -> bytes:
        """Return the next bytes; `what` names them in the message about a truncated file."""
        end = self.at + count
        if end > len(self.data):
            if end > min(self.size, MAX_HEADER_BYTES):
                limit = f"its header has more than {MAX_HEADER_BYTES // 2**20} MiB" if end <= self.size else ""
                raise self.error(limit or f"it ends within {what}: it is truncated or invalid ({self.size:,} bytes)")
            wanted = min(max(end, 2 * len(self.data), _FIRST_CHUNK), self.size, MAX_HEADER_BYTES)
            self.data += self.opened.read(wanted - len(self.data))
            if end > len(self.data):
                raise self.error("it was truncated while it was read")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def number(self, code: str, what: str) -> int:
        (value,) = struct.unpack(code, self.take(struct.calcsize(code), what))
        return int(value)

    def count(self, code: str, most: int, what: str) -> int:
        value = self.number(code, f"the number of {what}")
        if value > most:
            raise self.error(f"it has {value:,} {what}, but at most {most:,} are allowed")
        return value

    def name(self, what: str) -> str:
        length = self.number("<Q", f"the length of the name of {what}")
        if not 0 < length <= MAX_NAME_BYTES:
            raise self.error(f"the name of {what} has {length:,} bytes; allowed are 1 to {MAX_NAME_BYTES:,}")
        return self.text(self.take(length, f"the name of {what}"), f"the name of {what}")

    def text(self, data: bytes, what: str) -> str:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as problem:
            raise self.error(f"{what} is not UTF-8 text (byte {problem.start})") from None

    def value(self, key: str) -> Any:
        shown = join("", key)
        kind = self.number("<I", f"the type of {shown}")
        if kind == _ARRAY:
            return self.array(shown)
        if kind == _STRING:
            return self.text(self.take(self.number("<Q", shown), shown), shown)
        if kind not in _SCALARS:
            raise self.error(f"{shown} has the type {kind}; types of values are 0 to 12")
        dtype = np.dtype(_SCALARS[kind])
        value = np.frombuffer(self.take(dtype.itemsize, shown), dtype)[0].item()
        if kind != _BOOL:
            return value
        if value > 1:
            raise self.error(f"{shown} must be 0 or 1, not {value}, since it is true or false")
        return bool(value)

    def array(self, shown: str) -> Any:
        kind, count = self.number("<I", f"the type of {shown}"), self.number("<Q", f"the length of {shown}")
        if kind == _STRING:
            if 8 * count > self.size - self.at:
                raise self.error(
                    f"{shown} has {count:,} strings, more than the file has room for: it is truncated or invalid"
                )
            return [self.text(self.take(self.number("<Q", shown), shown), shown) for _ in range(count)]
        if kind not in _SCALARS:
            nested = "arrays of arrays are not read" if kind == _ARRAY else "types of values are 0 to 12"
            raise self.error(f"{shown} is an array of the type {kind}; {nested}")
        dtype = np.dtype(_SCALARS[kind])
        if dtype.itemsize * count > self.size - self.at:
            raise self.error(
                f"{shown} has {count:,} numbers, more than the file has room for: it is truncated or invalid"
            )
        return np.frombuffer(self.take(dtype.itemsize * count, shown), dtype)

    def info(self, name: str) -> tuple[BlockType, tuple[int, ...], int]:
        shown = f"the tensor {join('', name)}"
        dimensions = self.number("<I", shown)
        if dimensions > MAX_DIMENSIONS:
            raise self.error(f"{shown} has {dimensions:,} dimensions; at most {MAX_DIMENSIONS} are allowed")
        shape = tuple(self.number("<Q", shown) for _ in range(dimensions))[::-1]
        kind, offset = self.number("<I", shown), self.number("<Q", shown)
        if kind not in TYPES:
            raise self.error(f"{shown} has the type {kind}, which is not a type of ggml")
        block = TYPES[kind]
        row = prod(shape) if block.name == I2_S else (shape or (1,))[-1]
        whole = 128 if block.name == I2_S else block.elements
        if row % whole:
            of = "elements" if block.name == I2_S else "elements per row"
            raise self.error(f"{shown} has {row:,} {of}; {block.name} has blocks of {whole}")
        return block, shape, offset

    def alignment(self, values: Mapping[str, Any]) -> int:
        value = values.get("general.alignment", 32)
        if type(value) is not int or not 0 < value <= MAX_ALIGNMENT or value & (value - 1):
            most = f"a power of two, at most {MAX_ALIGNMENT:,}"
            raise self.error(f"general.alignment must be {most}, not {shorten(value)}")
        return value

    def placed(
        self, infos: Mapping[str, tuple[BlockType, tuple[int, ...], int]], alignment: int
    ) -> dict[str, TensorInfo]:
        """Return the tensors with their places. Gaps between them are allowed: they are never read."""
        start = -(-self.at // alignment) * alignment
        placed: dict[str, TensorInfo] = {}
        for name, (block, shape, offset) in infos.items():
            shown, size = f"the tensor {join('', name)}", prod(shape) // block.elements * block.size + block.extra
            if offset % alignment:
                raise self.error(f"{shown} begins at {offset:,}, which is not a multiple of the alignment, {alignment}")
            if start + offset + size > self.size:
                needs = f"{size:,} bytes ({block.name} of shape {list(shape)}) at {start + offset:,}"
                raise self.error(f"{shown} needs {needs}, but the file has {self.size:,}: it is truncated or invalid")
            placed[name] = TensorInfo(block, shape, start + offset, size)
        for text in _overlaps(placed):
            raise self.error(text)
        return placed


def _overlaps(placed: Mapping[str, TensorInfo]) -> Iterator[str]:
    end, last = 0, ""
    for name, info in sorted(placed.items(), key=lambda item: (item[1].start, item[1].size)):
        if info.start < end and info.size:
            yield f"the tensor {join('', name)} overlaps {join('', last)}"
        end, last = max(end, info.start + info.size), name
