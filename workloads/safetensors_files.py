"""Tensors of a folder's ``model.safetensors``, or of the shards that ``model.safetensors.index.json`` names.

The format is a length, a JSON header and the tensors' bytes. It is read here rather than by the ``safetensors``
library since that, asked for NumPy, has no type for bfloat16, of which nearly all checkpoints are; maps files, so that
one cut short meanwhile ends the process by a signal and not by an error; and takes the last of a key written twice.
What its documentation demands of a file is demanded here too: offsets that cover the data without a gap or an overlap.

Opening reads headers only, and believes nothing that the files' true sizes do not bear out. Nothing is executed.
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
from workloads.strict_json import Problems, as_object, join, parse
from workloads.untrusted_files import printable, read_file, reason
from workloads.workload_errors import CheckpointError

FILE_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"
MAX_HEADER_BYTES = 4 * 2**20
"""Of a header or an index: some 40 thousand tensors; decoders have a dozen a layer."""
MAX_SHARDS = 1000
MAX_DIMENSIONS = 8

ITEM_BYTES: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
        **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
        **dict.fromkeys(("U32", "I32", "F32"), 4),
        **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
    }
)
"""The types that a file may hold, in bytes of an element."""

FLOATS: Mapping[str, str] = MappingProxyType({"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"})
"""The types that are read as float32, and NumPy's name of what is stored (for bfloat16 the upper half of a float32)."""

INTEGERS: Mapping[str, str] = MappingProxyType({"U8": "u1", "I8": "i1"})
"""The types that are read as they are."""

_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor is: ``size`` bytes from byte ``start`` of ``file``, which has been checked to be that long."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int
    size: int

    def read(self) -> NDArray[Any]:
        """Return the elements: float32 for `FLOATS`, int8 or uint8 for `INTEGERS`.

        Raises:
            CheckpointError: another type, a number that is not finite, or a file that has changed since.

        """
        stored = FLOATS.get(self.dtype) or INTEGERS.get(self.dtype)
        if stored is None:
            known = ", ".join([*FLOATS, *INTEGERS])
            raise self.error(f"cannot be read: its dtype is {self.dtype}, readable are {known}")
        raw = self._elements(np.dtype(stored))
        if self.dtype in INTEGERS:
            return raw
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found below
            floats = _from_bfloat16(raw) if self.dtype == "BF16" else raw.astype(np.float32, copy=False)
        if not np.isfinite(floats).all():
            raise self.error("holds a number that is not finite in float32")
        return floats

    def error(self, text: str) -> CheckpointError:
        """Return an error to be raised that says ``text`` of the tensor."""
        return CheckpointError(f"{printable(self.file)}: {join('', self.name)} {text}")

    def _elements(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        elements = np.empty(self.shape, dtype)
        try:
            with self.file.open("rb") as file:
                file.seek(self.start)
                # Bytes, since a tensor without elements or dimensions has no buffer that readinto takes.
                read = file.readinto(elements.reshape(-1).view(np.uint8).data) if self.size else 0
        except OSError as problem:
            raise self.error(f"cannot be read: {reason(problem)}") from problem
        if read != self.size:
            raise self.error(f"cannot be read: the file ended after {read} of its {self.size} bytes")
        return elements


def open_tensors(folder: str | os.PathLike[str]) -> Mapping[str, Tensor]:
    """Return every tensor of the checkpoint in ``folder`` by name; only headers are read.

    Raises:
        CheckpointError: no safetensors there; a file that is cut short, too long, no safetensors file or inconsistent;
            a shard that is missing, outside the folder, or lacks what the index says.

    """
    home = Path(folder)
    try:
        single, index = home / FILE_NAME, home / INDEX_NAME
        if os.path.lexists(single):
            return MappingProxyType(_read_header(_inside(home, FILE_NAME)))
        if os.path.lexists(index):
            return MappingProxyType(_sharded(home, index))
        pickled = any(home.glob("pytorch_model*.bin"))
    except (OSError, ValueError) as problem:
        if isinstance(problem, CheckpointError):
            raise
        raise CheckpointError(f"{printable(folder)}: cannot read the weights: {reason(problem)}") from problem
    advice = "; its pytorch_model.bin is a pickle, which can run code: save it as safetensors" if pickled else ""
    raise CheckpointError(f"{printable(folder)}: holds neither {FILE_NAME} nor {INDEX_NAME}{advice}")


def nearest(name: str, tensors: Iterable[str]) -> str:
    """Return `suggest` of tensors' names, within the time that an error is worth, however many and long they are."""
    return suggest(name, islice((other for other in tensors if len(other) <= 100), 2000))


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
    """Return the true path of a file of the folder; one that a link leads out of the folder is refused.

    Links from a snapshot of the Hugging Face hub's cache to the blobs beside it are how that cache is built.
    """
    true_home = home.resolve()
    file = (home / name).resolve()
    allowed = [true_home]
    if true_home.parent.name == "snapshots" and true_home.parents[1].name.startswith("models--"):
        allowed.append(true_home.parents[1] / "blobs")
    if not any(file.is_relative_to(place) for place in allowed):
        raise CheckpointError(f"{printable(home / name)}: is a link that leads out of its folder")
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
    """Return the header and the size of the file; read nothing that it is too short for."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # before opening, see workloads.untrusted_files
            raise ValueError("not a regular file")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if size < _LENGTH_BYTES:
                problems.add("", f"it has {size} bytes, the length of its header alone takes {_LENGTH_BYTES}")
            elif length > size - _LENGTH_BYTES:
                problems.add("", f"its header should have {length} bytes, the whole file has {size}: it is cut short")
            elif length > MAX_HEADER_BYTES:
                problems.add("", f"its header has {length} bytes, allowed are {MAX_HEADER_BYTES}")
            if problems.found:
                raise problems.error()
            data = file.read(length)
    except CheckpointError:
        raise
    except (OSError, ValueError) as problem:
        raise CheckpointError(f"{printable(path)}: cannot read the weights: {reason(problem)}") from problem
    if len(data) != length:
        problems.add("", "it was cut short while it was read")
        raise problems.error()
    return data, size


def _check_metadata(raw: object, problems: Problems) -> None:
    metadata = as_object(raw, "__metadata__", problems) or {}
    for key, value in metadata.items():
        if not isinstance(value, str):
            problems.add(join("__metadata__", key), f"must be a string, not {shorten(value)}")


def _tensor(name: str, raw: object, path: Path, start: int, file_bytes: int, problems: Problems) -> Tensor | None:
    """Return one tensor as the header describes it, or None after noting what is wrong."""
    at = join("", name)
    values = as_object(raw, at, problems)
    if values is None:
        return None
    keys = ("dtype", "shape", "data_offsets")
    found = [f"{at}.{key} is missing" for key in keys if key not in values]
    found += [f"{join(at, key)} is no key of a tensor{suggest(key, keys)}" for key in values if key not in keys]
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
    if text := OneOf(tuple(ITEM_BYTES)).problem(dtype):
        yield f"{at}.dtype {text}"
        return
    if not _are_integers(shape, 2**40) or len(shape) > MAX_DIMENSIONS:
        yield f"{at}.shape must be a list of at most {MAX_DIMENSIONS} sizes, not {_listed(shape)}"
        return
    if not _are_integers(offsets, 2**60) or len(offsets) != 2 or offsets[0] > offsets[1]:
        yield f"{at}.data_offsets must be a first byte and an end, not {_listed(offsets)}"
        return
    if offsets[1] > data_bytes:
        yield f"{at}.data_offsets end at byte {offsets[1]} of data of {data_bytes}: the file is cut short or wrong"
    wanted = math.prod(shape) * ITEM_BYTES[dtype]
    if offsets[1] - offsets[0] != wanted:
        yield f"{at} has {offsets[1] - offsets[0]} bytes, but {dtype} of shape {_listed(shape)} takes {wanted}"


def _are_integers(value: object, high: int) -> bool:
    rule = Integer(0, high)
    return isinstance(value, list) and all(rule.problem(item) is None for item in value)


def _listed(value: object) -> str:
    """Show a short list of numbers as it is."""
    short = isinstance(value, list) and len(value) <= MAX_DIMENSIONS
    return f"[{', '.join(shorten(item, 24) for item in value)}]" if short else shorten(value)  # type: ignore[attr-defined]


def _misplaced(tensors: Any, start: int, file_bytes: int) -> Iterator[str]:
    """Yield where the tensors do not follow each other from the end of the header to the end of the file."""
    position, last = start, "the header"
    for tensor in sorted(tensors, key=lambda tensor: (tensor.start, tensor.size)):
        if tensor.start != position:
            how = "overlaps" if tensor.start < position else "leaves a gap after"
            yield f"{join('', tensor.name)} {how} {last}"
            return
        position, last = tensor.start + tensor.size, join("", tensor.name)
    if position != file_bytes:
        yield f"the tensors end at byte {position}, the file at byte {file_bytes}"
