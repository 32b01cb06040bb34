"""Tensors in `model.safetensors`, or in the shards that `model.safetensors.index.json` lists.

A file contains the length of its header, a JSON header and the bytes of the tensors. This module does not use the
`safetensors` library for three reasons. Its NumPy interface has no bfloat16, the type of nearly all checkpoints. It
maps files into memory, so a file that is truncated later stops the process with a signal instead of an exception. It
also accepts duplicate keys. As its documentation requires, the offsets must cover the data without a gap or an overlap.

Opening reads only headers and compares all sizes with the real file sizes. Nothing is executed.

Reference:
    Format: https://huggingface.co/docs/safetensors.
"""

import math
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.checked_fields import Integer, OneOf, shorten, suggest
from workloads.missing_files import no_weights
from workloads.strict_json import Problems, as_object, join, parse
from workloads.tensor_names import has_similar_parts
from workloads.untrusted_files import printable, read_file, reason
from workloads.workload_errors import CheckpointError

FILE_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"
MAX_HEADER_BYTES = 4 * 2**20
"""Largest header or index, about 40,000 tensors; a decoder has about 12 per layer."""
MAX_SHARDS = 1000
MAX_DIMENSIONS = 8

ITEM_BITS: Mapping[str, int] = MappingProxyType(
    {
        "F4": 4,
        **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
        **dict.fromkeys(("BOOL", "U8", "I8"), 8),
        **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
        **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
        **dict.fromkeys(("U32", "I32", "F32"), 32),
        **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    }
)
"""Bits per element of each type that a file may contain: those of safetensors 0.8.0. A tensor has whole bytes."""

FLOATS: Mapping[str, str] = MappingProxyType({"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"})
"""Types that are converted to float32, with the NumPy type of the stored bytes; BF16 is the upper half of a float32."""

INTEGERS: Mapping[str, str] = MappingProxyType({"U8": "u1", "I8": "i1"})
"""Types that are read without conversion."""

_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Tensor:
    """Location of a tensor in a file, whose length has been checked.

    Attributes:
        name: Name of the tensor.
        dtype: Type as the file names it, a key of `ITEM_BITS`.
        shape: Its shape.
        file: The file.
        start: Position of its first byte in the file.
        size: Its size in bytes.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int
    size: int

    @property
    def float_types(self) -> tuple[str, ...]:
        """Types that `read` converts to float32."""
        return tuple(FLOATS)

    def read(self) -> NDArray[Any]:
        """Read the elements.

        Returns:
            An array of the shape of the tensor: float32 for `FLOATS`, int8 or uint8 for `INTEGERS`.

        Raises:
            CheckpointError: If the type is not supported, a number is not finite in float32, or the file has become
                shorter.
        """
        stored = FLOATS.get(self.dtype) or INTEGERS.get(self.dtype)
        if stored is None:
            known = ", ".join([*FLOATS, *INTEGERS])
            raise self.error(f"cannot be read: its dtype is {self.dtype}, supported are {known}")
        raw = self._elements(np.dtype(stored))
        if self.dtype in INTEGERS:
            return raw
        with np.errstate(over="ignore", invalid="ignore"):  # overflows become infinite and are found below
            floats = _from_bfloat16(raw) if self.dtype == "BF16" else raw.astype(np.float32, copy=False)
        if not np.isfinite(floats).all():
            raise self.error("contains a number that is not finite in float32")
        return floats

    def error(self, text: str) -> CheckpointError:
        """Create an error about this tensor, which the caller raises.

        Args:
            text: Continuation of the sentence that begins with the tensor's name.

        Returns:
            An error that names the file and the tensor.
        """
        return CheckpointError(f"{printable(self.file)}: {join('', self.name)} {text}")

    def _elements(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        elements = np.empty(self.shape, dtype)
        try:
            with self.file.open("rb") as file:
                file.seek(self.start)
                # readinto does not accept the buffer of an array without elements or dimensions; bytes it accepts.
                read = file.readinto(elements.reshape(-1).view(np.uint8).data) if self.size else 0
        except OSError as problem:
            raise self.error(f"cannot be read: {reason(problem)}") from problem
        if read != self.size:
            raise self.error(f"cannot be read: the file ended after {read} of its {self.size} bytes")
        return elements


def open_tensors(folder: str | os.PathLike[str]) -> Mapping[str, Tensor]:
    """Locate the tensors of the checkpoint in a folder; only headers are read.

    Args:
        folder: The folder.

    Returns:
        The tensors by name.

    Raises:
        CheckpointError: If there is no safetensors file; if a file is truncated, too long or invalid; or if a shard is
            missing, lies outside the folder or lacks a tensor of the index.
    """
    home = Path(folder)
    try:
        single, index = home / FILE_NAME, home / INDEX_NAME
        if os.path.lexists(single):
            return MappingProxyType(_read_header(_inside(home, FILE_NAME)))
        if os.path.lexists(index):
            return MappingProxyType(_sharded(home, index))
        instead = no_weights(home)
    except CheckpointError:
        raise
    except (OSError, ValueError) as problem:
        raise CheckpointError(f"{printable(folder)}: cannot read the weights: {reason(problem)}") from problem
    raise CheckpointError(f"{printable(folder)}: contains neither {FILE_NAME} nor {INDEX_NAME}{instead}")


def nearest(name: str, tensors: Iterable[str]) -> str:
    """Suggest a tensor with a similar name; to limit the time, only 2,000 names of at most 100 characters are compared.

    Names of a checkpoint resemble one another, because most of their dotted parts are equal. A name is suggested only
    if the parts that differ are similar, too: "v_proj" does not help who looks for "attn_sub_norm".

    Args:
        name: The name that was not found.
        tensors: The existing names.

    Returns:
        The result of `suggest`.
    """
    short = islice((other for other in tensors if len(other) <= 100), 2000)
    return suggest(name, (other for other in short if has_similar_parts(name, other)))


def _from_bfloat16(raw: NDArray[np.uint16]) -> NDArray[np.float32]:
    wide = raw.astype(np.uint32)
    wide <<= np.uint32(16)
    return wide.view(np.float32)


def _sharded(home: Path, index: Path) -> dict[str, Tensor]:
    problems = Problems(printable(index), "is not a valid index of safetensors files", CheckpointError)
    data = read_file(index, "the index of the weights", MAX_HEADER_BYTES, CheckpointError)
    values = as_object(parse(data, problems), "", problems)
    if values is not None and "weight_map" not in values:
        problems.add("weight_map", "is missing")
    mapped = None if values is None or problems.found else as_object(values["weight_map"], "weight_map", problems)
    if mapped is None or problems.found:
        raise problems.error()
    for name, shard in mapped.items():
        if not _is_shard_name(shard):
            what = "must be the name of a .safetensors file in the same folder"
            problems.add(join("weight_map", name), f"{what}, not {shorten(shard)}")
    shards = set() if problems.found else set(mapped.values())
    if len(shards) > MAX_SHARDS:
        problems.add("weight_map", f"must name at most {MAX_SHARDS} files, not {len(shards)}")
    if problems.found:
        raise problems.error()
    headers = {shard: _read_header(_inside(home, shard)) for shard in sorted(shards)}
    for name, shard in mapped.items():
        if name not in headers[shard]:
            problems.add(join("weight_map", name), f"is not in {shorten(shard)}{nearest(name, headers[shard])}")
    if problems.found:
        raise problems.error()
    return {name: headers[shard][name] for name, shard in mapped.items()}


def _is_shard_name(shard: object) -> bool:
    if not isinstance(shard, str) or len(shard) > 255 or not shard.isprintable():
        return False
    return shard.endswith(".safetensors") and not any(mark in shard for mark in "/\\:")


def _inside(home: Path, name: str) -> Path:
    """Return the resolved path of a file in a folder.

    Symbolic links out of the folder are rejected. The exception is the cache of Hugging Face's hub, where a snapshot
    contains links to the folder of blobs.

    Raises:
        CheckpointError: If the file lies outside the folder.
    """
    true_home = home.resolve()
    file = (home / name).resolve()
    allowed = [true_home]
    if true_home.parent.name == "snapshots" and true_home.parents[1].name.startswith("models--"):
        allowed.append(true_home.parents[1] / "blobs")
    if not any(file.is_relative_to(place) for place in allowed):
        raise CheckpointError(f"{printable(home / name)}: is a link to a file outside its folder")
    return file


def _read_header(path: Path) -> dict[str, Tensor]:
    problems = Problems(printable(path), "is not a valid safetensors file", CheckpointError)
    data, file_bytes = _header_text(path, problems)
    header = as_object(parse(data, problems), "", problems)
    if header is None:
        raise problems.error()
    _check_metadata(header.pop("__metadata__", {}), problems)
    start = _LENGTH_BYTES + len(data)
    tensors: dict[str, Tensor] = {}
    for name, raw in header.items():
        tensor = None if problems.full else _tensor(name, raw, path, start, file_bytes, problems)
        if tensor is not None:
            tensors[name] = tensor
    if not problems.found:
        for text in _misplaced(tensors.values(), start, file_bytes):
            problems.add("", text)
    if problems.found:
        raise problems.error()
    return tensors


def _header_text(path: Path, problems: Problems) -> tuple[bytes, int]:
    """Read the header of a file, after checking its length against the size of the file.

    Args:
        path: The file.
        problems: Receives an invalid length, and then is raised.

    Returns:
        The bytes of the header, and the size of the file in bytes.

    Raises:
        CheckpointError: If the file cannot be read, is not a regular file, or its header is truncated or too long.
    """
    unreadable = f"{printable(path)}: cannot read the weights: "
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # before opening, see workloads.untrusted_files
            raise CheckpointError(f"{unreadable}not a regular file")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if size < _LENGTH_BYTES:
                problems.add("", f"it has {size} bytes, but the length of the header alone needs {_LENGTH_BYTES}")
            elif length > size - _LENGTH_BYTES:
                problems.add(
                    "", f"its header should have {length} bytes, but the whole file has {size}: it is truncated"
                )
            elif length > MAX_HEADER_BYTES:
                problems.add("", f"its header has {length} bytes, but at most {MAX_HEADER_BYTES} are allowed")
            if problems.found:
                raise problems.error()
            data = file.read(length)
    except CheckpointError:
        raise
    except (OSError, ValueError) as problem:
        raise CheckpointError(f"{unreadable}{reason(problem)}") from problem
    if len(data) != length:
        problems.add("", "it was truncated while it was read")
        raise problems.error()
    return data, size


def _check_metadata(raw: object, problems: Problems) -> None:
    metadata = as_object(raw, "__metadata__", problems) or {}
    for key, value in metadata.items():
        if not isinstance(value, str):
            problems.add(join("__metadata__", key), f"must be a string, not {shorten(value)}")


def _tensor(name: str, raw: object, path: Path, start: int, file_bytes: int, problems: Problems) -> Tensor | None:
    """Parse the entry of one tensor in a header.

    Args:
        name: Name of the tensor.
        raw: The entry.
        path: The file.
        start: Position of the first data byte in the file.
        file_bytes: Size of the file, bytes.
        problems: Receives the problems.

    Returns:
        The tensor, or None if there is a problem.
    """
    at = join("", name)
    values = as_object(raw, at, problems)
    if values is None:
        return None
    keys = ("dtype", "shape", "data_offsets")
    found = [f"{at}.{key} is missing" for key in keys if key not in values]
    found += [f"{join(at, key)} is not a key of a tensor{suggest(key, keys)}" for key in values if key not in keys]
    if not found:
        found += _wrong_values(at, values, file_bytes - start)
    for text in found:
        problems.add("", text)
    if found or problems.found:
        return None
    first, end = values["data_offsets"]
    return Tensor(name, values["dtype"], tuple(values["shape"]), path, start + first, end - first)


def _wrong_values(at: str, values: Mapping[str, Any], data_bytes: int) -> Iterator[str]:
    dtype, shape, offsets = values["dtype"], values["shape"], values["data_offsets"]
    if OneOf(tuple(ITEM_BITS)).problem(dtype):
        usual = ", ".join([*FLOATS, *INTEGERS])
        yield f"{at}.dtype must be a type of safetensors, such as {usual}, not {shorten(dtype)}"
        return
    if not _are_integers(shape, 2**40) or len(shape) > MAX_DIMENSIONS:
        yield f"{at}.shape must be a list of at most {MAX_DIMENSIONS} sizes, not {_listed(shape)}"
        return
    if not _are_integers(offsets, 2**60) or len(offsets) != 2 or offsets[0] > offsets[1]:
        yield f"{at}.data_offsets must be the first byte and the end, not {_listed(offsets)}"
        return
    if offsets[1] > data_bytes:
        end = f"end at byte {offsets[1]}, but the data has {data_bytes} bytes"
        yield f"{at}.data_offsets {end}: the file is truncated or invalid"
    bits = math.prod(shape) * ITEM_BITS[dtype]
    wanted = bits / 8 if bits % 8 else bits // 8
    if offsets[1] - offsets[0] != wanted:
        yield f"{at} has {offsets[1] - offsets[0]} bytes, but {dtype} of shape {_listed(shape)} needs {wanted}"


def _are_integers(value: object, high: int) -> bool:
    rule = Integer(0, high)
    return isinstance(value, list) and all(rule.problem(item) is None for item in value)


def _listed(value: object) -> str:
    """Return a short list of numbers in full, any other value shortened."""
    short = isinstance(value, list) and len(value) <= MAX_DIMENSIONS
    return f"[{', '.join(shorten(item, 24) for item in value)}]" if short else shorten(value)  # type: ignore[attr-defined]


def _misplaced(tensors: Any, start: int, file_bytes: int) -> Iterator[str]:
    """Check that the tensors cover the data from the end of the header to the end of the file.

    Args:
        tensors: The tensors, in any order.
        start: Position of the first data byte in the file.
        file_bytes: Size of the file, bytes.

    Yields:
        The first gap, overlap or wrong end.
    """
    position, last = start, "the header"
    for tensor in sorted(tensors, key=lambda tensor: (tensor.start, tensor.size)):
        if tensor.start != position:
            how = "overlaps" if tensor.start < position else "leaves a gap after"
            yield f"{join('', tensor.name)} {how} {last}"
            return
        position, last = tensor.start + tensor.size, join("", tensor.name)
    if position != file_bytes:
        yield f"the tensors end at byte {position}, the file at byte {file_bytes}"
