"""HDF5 files of results: write one, read it back equal, or read only its config to run it again.

A file (format "pimsim-result", version 1) needs no pimsim to be read::

    file = h5py.File("result.h5")
    dict(file.attrs)                                                   # the scalars of the run, and who wrote them
    file["config"].asstr()[0]                                          # the full config, as YAML in SI numbers
    pandas.DataFrame({name: column[:] for name, column in file["activities"].items()})

Attributes of the root: format, result_version, pimsim_version, git_revision (of the checkout that pimsim ran from,
"-dirty" appended if it had changes, "" without one), created (ISO 8601), and `SCALARS`. `config` is a dataset of one
text. Each table of `TABLES` is a group with one dataset per column; `op` and `profile` are row numbers of `ops` and
`profiles`, `started_by` is one more than a row number of `activities` (0 for none), and the suffixes of names are
units. Texts are UTF-8 of fixed width, padded with zeros, numbers little-endian int64 and float64.
An integer that needs more than 63 bits (a slow machine with many tiles is busy for so many picoseconds) turns its
whole column, or attribute, into decimal text.

A file may come from a stranger. HDF5 is given an image in memory, so that it opens no other file, and only parses
what describes the data, which in the version of the format that we write is under checksums. Links, types and sizes
are checked before any data is touched; then we unpack the data ourselves, since HDF5 would let a few bytes grow
without bounds.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import zlib
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from pimsim.activity import PARTS
from pimsim.config import dump_config, load_config
from pimsim.errors import MAX_LINE_CHARS, ConfigError, OutputError, PimsimError, ResultFileError, printable, show
from pimsim.existence import Provision
from pimsim.files import HDF5_SIGNATURE, replacing
from pimsim.resources import Fail, read_limited
from pimsim.results import (
    RESULT_VERSION,
    ActivityRecord,
    ComponentRecord,
    OpRecord,
    Profile,
    RunResult,
    SpanRecord,
    TileUse,
)
from pimsim.schema import Config
from pimsim.yaml_tree import parse_yaml

FORMAT = "pimsim-result"

MAX_ROWS = 10_000_000
MAX_DATA_BYTES = 1 << 30
"""Of all datasets together, unpacked; ten million spans are about that much."""
MAX_FILE_BYTES = MAX_DATA_BYTES + (1 << 24)
MAX_INTEGER = 10**40 - 1
MAX_REAL = 1e30
"""With `MAX_INTEGER` far beyond any machine, and so small that no figure of a result overflows."""


class Kind(Enum):
    """What a column or attribute holds. Integers and reals are finite and not negative."""

    TEXT = "a line of text"
    DOCUMENT = "a text"
    INTEGER = "an integer"
    REAL = "a real number"


_T, _I, _R = Kind.TEXT, Kind.INTEGER, Kind.REAL
MAX_BYTES = {Kind.TEXT: 1024, Kind.DOCUMENT: 1 << 20, Kind.INTEGER: len(str(MAX_INTEGER)), Kind.REAL: 0}
"""Of a single text, be it the digits of an integer."""

HEADER = {"format": _T, "result_version": _I, "pimsim_version": _T, "git_revision": _T, "created": _T}
_TILE_FIELDS = tuple(field.name for field in fields(TileUse))
_PROVISION_FIELDS = tuple(field.name for field in fields(Provision) if field.name != "load_counts")
SCALARS = dict.fromkeys(("model", "phase"), _T) | dict.fromkeys(
    (
        *("context_length", "tokens", "latency_ps"),
        *_TILE_FIELDS,
        *("weight_bytes", "weight_load_ps"),
        *_PROVISION_FIELDS,
    ),
    _I,
)
# The columns of a table in the order in which its rows are written and read.
TABLES: Mapping[str, Mapping[str, Kind]] = {
    "ops": {"block": _T, "repeat": _I, "name": _T, "kind": _T, "start_ps": _I, "latency_ps": _I, "macs": _I},
    "inputs": {"op": _I, "input": _T},
    "parts": {"op": _I, "part": _T, "duration_ps": _I},
    "counts": {"op": _I, "action": _T, "count": _I},
    "components": {"name": _T, "units": _I, "busy_ps": _I, "leakage_j": _R},
    "areas": {"component": _T, "item": _T, "area_m2": _R},
    "activities": {
        "op": _I,
        "name": _T,
        "component": _T,
        "resource": _T,
        "ready_ps": _I,
        "start_ps": _I,
        "end_ps": _I,
        "waited_for": _T,
        "started_by": _I,
        "profile": _I,
    },
    "profiles": {"duration_ps": _I, "busy_ps": _I},
    "profile_parts": {"profile": _I, "part": _T, "duration_ps": _I},
    "profile_counts": {"profile": _I, "action": _T, "count": _I},
    "spans": {
        "profile": _I,
        "part": _T,
        "label": _T,
        "start_ps": _I,
        "end_ps": _I,
        "repeat": _I,
        "copies": _I,
        "rounds": _I,
    },
    "load_counts": {"action": _T, "count": _I},
    "action_energies": {"action": _T, "energy_j": _R},
}

Array = npt.NDArray[Any]
Row = tuple[Any, ...]


def write_result(result: RunResult, path: str | Path) -> None:
    """Write everything about a run to one HDF5 file, whole or not at all.

    Raises OutputError for a path that cannot be written and for a result beyond the limits of this module.
    """

    def fail(message: str) -> PimsimError:
        return OutputError(f"{_shown(path)}: cannot be written: {message}")

    if problem := _inconsistency(result):
        raise fail(problem)
    # In memory first: HDF5 recovers badly from a disk that fills up, and `replacing` well.
    image = io.BytesIO()
    # The format of HDF5 1.10 (2016) is the first with checksums over everything that describes the data.
    with h5py.File(image, "w", libver=("v110", "v110")) as file:
        _write(result, file, fail)
    with replacing(path) as target:
        target.write(image.getbuffer())


def read_result(path: str | Path) -> RunResult:
    """The result in a file, equal to the one written. Raises ResultFileError, which names what is wrong in the file."""
    with _opened(path) as reader:
        header = reader.header()
        scalars = {name: reader.attribute(name, kind) for name, kind in SCALARS.items()}
        tiles = TileUse(*(scalars.pop(name) for name in _TILE_FIELDS))
        places = {name: scalars.pop(name) for name in _PROVISION_FIELDS}
        result = RunResult(
            config=reader.config(),
            version=header["pimsim_version"],
            ops=tuple(_read_ops(reader)),
            components=tuple(_read_components(reader)),
            activities=tuple(_read_activities(reader)),
            profiles=tuple(_read_profiles(reader)),
            action_energies_j=reader.mapping("action_energies"),
            tiles=tiles,
            provision=Provision(**places, load_counts=reader.mapping("load_counts")),
            **scalars,
        )
        if problem := _inconsistency(result):
            raise reader.fail(problem)
        return result


def read_config(path: str | Path) -> Config:
    """The config of the run in a result file, to run it again. Raises ResultFileError."""
    with _opened(path) as reader:
        reader.header()
        return reader.config()


def _inconsistency(result: RunResult) -> str | None:
    """What would make the figures of a result fail later, if anything."""
    actions = {action for op in result.ops for action in op.counts}
    parts = {part for op in result.ops for part in op.parts_ps}
    for profile in result.profiles:
        actions |= profile.counts.keys()
        parts |= profile.parts_ps.keys() | {span.part for span in profile.spans}
    actions |= result.provision.load_counts.keys()
    if not result.latency_ps:
        return "latency_ps is 0"
    if not result.provision.chips:
        return "chips is 0"
    if unknown := sorted(parts - PARTS.keys()):
        return f"part {show(unknown[0])} is none of {', '.join(PARTS)}"
    if unknown := sorted(actions - result.action_energies_j.keys()):
        return f"action {show(unknown[0])} is counted but has no energy"
    return _inconsistent_activity(result)


def _inconsistent_activity(result: RunResult) -> str | None:
    """What would make a timeline or an explanation fail later, if anything."""
    for index, activity in enumerate(result.activities):
        if activity.op >= len(result.ops) or activity.profile >= len(result.profiles):
            return f"activity {index} belongs to an op or profile that is not there"
        if not activity.ready_ps <= activity.start_ps <= activity.end_ps:
            return f"activity {index} ends before it starts"
        if activity.cause >= 0 and (
            activity.cause >= len(result.activities) or result.activities[activity.cause].end_ps > activity.start_ps
        ):
            return f"activity {index} is started by one that does not end before it"
    if _causes_in_circles(result.activities):
        return "activities start each other in a circle"
    if any(span.end_ps < span.start_ps for profile in result.profiles for span in profile.spans):
        return "a span ends before it starts"
    return None


def _causes_in_circles(activities: Sequence[ActivityRecord]) -> bool:
    """Whether following causes, as the critical path does, would never end."""
    ends = [False] * len(activities)
    for first in range(len(activities)):
        index, path = first, set[int]()
        while index >= 0 and not ends[index]:
            if index in path:
                return True
            path.add(index)
            index = activities[index].cause
        for each in path:
            ends[each] = True
    return False


# Writing


def _write(result: RunResult, file: h5py.File, fail: Fail) -> None:
    for name, (kind, value) in _attributes(result).items():
        stored = _encoded([value], kind, f"attribute {name}", fail).reshape(())
        file.attrs.create(name, stored, dtype=stored.dtype)
    config = _encoded([dump_config(result.config)], Kind.DOCUMENT, "dataset config", fail)
    budget = _write_column(file, "config", config)
    for table, rows in _rows(result).items():
        columns = list(zip(*rows, strict=True)) or [()] * len(TABLES[table])
        if len(columns[0]) > MAX_ROWS:
            raise fail(f"table {table} has {len(columns[0])} rows, more than {MAX_ROWS}")
        group = file.create_group(table, track_order=True)
        for (name, kind), column in zip(TABLES[table].items(), columns, strict=True):
            budget += _write_column(group, name, _encoded(column, kind, f"dataset {table}/{name}", fail))
            if budget > MAX_DATA_BYTES:
                raise fail(f"this result has more than {MAX_DATA_BYTES >> 20} MiB of data")


def _attributes(result: RunResult) -> dict[str, tuple[Kind, Any]]:
    """Every attribute of the root with its kind and value."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    header = (FORMAT, RESULT_VERSION, result.version, _git_revision(), created)
    values: dict[str, Any] = dict(zip(HEADER, header, strict=True))
    homes = dict.fromkeys(_TILE_FIELDS, result.tiles) | dict.fromkeys(_PROVISION_FIELDS, result.provision)
    for name in SCALARS:
        values[name] = getattr(homes.get(name, result), name)
    return {name: (kind, values[name]) for name, kind in (HEADER | SCALARS).items()}


def _rows(result: RunResult) -> dict[str, Iterable[Row]]:
    """The rows of every table of `TABLES`."""
    ops, components, profiles = list(enumerate(result.ops)), result.components, list(enumerate(result.profiles))
    return {
        "ops": ((op.block, op.repeat, op.name, op.kind, op.start_ps, op.latency_ps, op.macs) for op in result.ops),
        "inputs": ((index, name) for index, op in ops for name in op.inputs),
        "parts": ((index, *item) for index, op in ops for item in op.parts_ps.items()),
        "counts": ((index, *item) for index, op in ops for item in op.counts.items()),
        "components": ((c.name, c.units, c.busy_ps, c.leakage_j) for c in components),
        "areas": ((c.name, *item) for c in components for item in c.area_m2.items()),
        "activities": ((*a[:8], a.cause + 1, a.profile) for a in result.activities),
        "profiles": ((profile.duration_ps, profile.busy_ps) for profile in result.profiles),
        "profile_parts": ((index, *item) for index, profile in profiles for item in profile.parts_ps.items()),
        "profile_counts": ((index, *item) for index, profile in profiles for item in profile.counts.items()),
        "spans": ((index, *span) for index, profile in profiles for span in profile.spans),
        "load_counts": result.provision.load_counts.items(),
        "action_energies": result.action_energies_j.items(),
    }


def _write_column(group: h5py.Group, name: str, values: Array) -> int:
    """Write a column in one compressed piece; its size in bytes. HDF5 has no pieces of nothing."""
    how = {"chunks": values.shape, "compression": "gzip"} if values.size else {}
    group.create_dataset(name, data=values, **how)
    return values.nbytes


def _encoded(values: Sequence[Any], kind: Kind, what: str, fail: Fail) -> Array:
    """Values as the array that stands for them in a file."""
    if kind is Kind.REAL:
        if not all(0 <= value <= MAX_REAL for value in values):
            raise fail(f"{what} holds a number that is not between 0 and {MAX_REAL}")
        return np.array(values, dtype="<f8")
    if kind is Kind.INTEGER:
        if not all(0 <= value <= MAX_INTEGER for value in values):
            raise fail(f"{what} holds an integer that is negative or has more than 40 digits")
        if max(values, default=0) < 1 << 63:
            return np.array(values, dtype="<i8")
        values = [str(value) for value in values]
    if kind is Kind.TEXT and not all(value.isprintable() for value in values):
        raise fail(f"{what} holds a text with control characters")
    texts = [value.encode() for value in values]
    width = max(map(len, texts), default=0)
    if width > MAX_BYTES[kind]:
        raise fail(f"{what} holds a text of {width} bytes, more than {MAX_BYTES[kind]}")
    return np.array(texts, dtype=h5py.string_dtype("utf-8", max(width, 1)))


@cache
def _git_revision() -> str:
    """The commit of the checkout that this code lies in, or "": never an error, and never someone else's checkout."""
    top = Path(__file__).resolve().parent.parent
    if not (top / ".git").exists():
        return ""
    # Set inside a git hook, these would lead git elsewhere.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    describe = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(top), *describe],
            capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=5, check=True, env=environment,
        ).stdout.strip()  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return answer if re.fullmatch("[0-9a-f]{40,64}(-dirty)?", answer) else ""


# Reading


@contextmanager
def _opened(path: str | Path) -> Iterator[_Reader]:
    def fail(message: str) -> PimsimError:
        return ResultFileError(f"{_shown(path)}: {message}")

    image = read_limited(Path(path), _size(path, fail), fail)
    if not image.startswith(HDF5_SIGNATURE):
        raise fail("is not a result file: it does not start as HDF5 does")
    with _blaming("the HDF5 file", fail):
        try:
            opened = h5py.h5f.open_file_image(image)
        except ValueError as error:  # "Not a file id" is all that it says
            raise fail("the HDF5 file is cut off, or its first block is damaged") from error
        file = h5py.File(opened)
        root = h5py.h5g.open(file.id, b"/")
    with file:
        yield _Reader(fail, image, root)


def _size(path: str | Path, fail: Fail) -> int:
    """The size of a file in bytes: `read_limited` sets aside as much memory as it may read at most."""
    try:
        size = Path(path).stat().st_size
    except (OSError, ValueError):  # `read_limited` says why
        return 0
    if size > MAX_FILE_BYTES:
        raise fail(f"is larger than the {MAX_FILE_BYTES} bytes that are read")
    return size


@contextmanager
def _blaming(what: str, fail: Fail) -> Iterator[None]:
    """Turn whatever HDF5 makes of a damaged file into one sentence.

    Its errors have no class in common: OSError, RuntimeError, KeyError, TypeError, ValueError and more, by the place.
    """
    try:
        yield
    except PimsimError:
        raise
    except Exception as error:
        raise fail(printable(f"{what} is damaged: {error or type(error).__name__}", MAX_LINE_CHARS)) from error


@dataclass
class _Reader:
    """A file of a stranger, open: its attributes and columns, checked. `budget` is what may still be unpacked."""

    fail: Fail
    image: bytes
    root: h5py.h5g.GroupID
    budget: int = MAX_DATA_BYTES

    def header(self) -> dict[str, Any]:
        """The attributes that say what this file is. The version comes before all that another one may do without."""
        if self.attribute("format", _T) != FORMAT:
            raise self.fail(f"attribute format is not {FORMAT!r}: an HDF5 file, but no result of pimsim")
        version = self.attribute("result_version", _I)
        if version != RESULT_VERSION:
            newer = "is of a newer pimsim; update pimsim" if version > RESULT_VERSION else "is unknown"
            raise self.fail(f"attribute result_version {version} {newer} (this one reads version {RESULT_VERSION})")
        return {name: self.attribute(name, kind) for name, kind in HEADER.items()}

    def config(self) -> Config:
        """The config, complete in itself."""
        with _blaming("dataset config", self.fail):
            dataset = self._member(self.root, "config", "dataset config")
            [text] = self._column(dataset, Kind.DOCUMENT, "dataset config")
        try:
            tree = parse_yaml(text, "config").tree
            # A stranger's file must not have others read on its behalf.
            if not isinstance(tree, dict) or "extends" in tree:
                raise self.fail("dataset config is not a complete config")
            return load_config(tree)
        except ConfigError as error:
            raise self.fail(printable(f"dataset config: {error.problems[0]}", MAX_LINE_CHARS)) from error

    def rows(self, table: str) -> Iterator[Row]:
        """The rows of a table."""
        columns: list[list[Any]] = []
        for name, kind in TABLES[table].items():
            what = f"dataset {table}/{name}"
            with _blaming(what, self.fail):
                group = self._member(self.root, table, f"group {table}")
                columns.append(self._column(self._member(group, name, what), kind, what))
            if len(columns[-1]) != len(columns[0]):
                raise self.fail(f"{what} has {len(columns[-1])} rows, but the first column has {len(columns[0])}")
        return zip(*columns, strict=True)

    def mapping(self, table: str) -> dict[str, Any]:
        """A table of two columns, keys and values."""
        return self._unique(table, list(self.rows(table)))

    def grouped(self, table: str, owners: Iterable[Hashable]) -> list[list[Row]]:
        """The rows of a table without their first column, for each of the owners named in it."""
        groups: dict[Hashable, list[Row]] = {}
        for owner in owners:
            if owner in groups:
                raise self.fail(f"{show(owner)} stands twice where table {table} refers to it")
            groups[owner] = []
        for owner, *row in self.rows(table):
            if owner not in groups:
                raise self.fail(f"dataset {table}/{next(iter(TABLES[table]))} refers to {show(owner)}, not in the file")
            groups[owner].append(tuple(row))
        return list(groups.values())

    def mappings(self, table: str, owners: Iterable[Hashable]) -> Iterator[dict[str, Any]]:
        """As `grouped`, for a table of an owner, a key and a value."""
        return (self._unique(table, group) for group in self.grouped(table, owners))

    def _unique(self, table: str, rows: list[Row]) -> dict[str, Any]:
        found: dict[str, Any] = dict(rows)
        if len(found) != len(rows):
            raise self.fail(f"table {table} gives the same thing twice")
        return found

    def attribute(self, name: str, kind: Kind) -> Any:
        """The scalar attribute of that name."""
        what = f"attribute {name}"
        with _blaming(what, self.fail):
            if not h5py.h5a.exists(self.root, name.encode()):
                raise self.fail(f"{what} is missing")
            stored = h5py.h5a.open(self.root, name.encode())
            if stored.get_space().get_simple_extent_type() != h5py.h5s.SCALAR:
                raise self.fail(f"{what} is not a single value")
            value = np.empty((), self._dtype(stored.get_type(), kind, what))
            stored.read(value, stored.get_type())
            return self._decoded(value.reshape(1), kind, what)[0]

    def _member(self, group: Any, name: str, what: str) -> Any:
        """What hangs in a group under that name, unless that leads elsewhere."""
        if not isinstance(group, h5py.h5g.GroupID) or not group.links.exists(name.encode()):
            raise self.fail(f"{what} is missing")
        if group.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            raise self.fail(f"{what} is a link to elsewhere, which is not followed")
        return h5py.h5o.open(group, name.encode())

    def _column(self, dataset: Any, kind: Kind, what: str) -> list[Any]:
        """The values of a dataset of one dimension."""
        if not isinstance(dataset, h5py.h5d.DatasetID):
            raise self.fail(f"{what} is no dataset")
        how = dataset.get_create_plist()
        # First: of a virtual dataset, even the size may lie in another file.
        if how.get_layout() == h5py.h5d.VIRTUAL or how.get_external_count():
            raise self.fail(f"{what} has its data in another file, which is not read")
        dtype = self._dtype(dataset.get_type(), kind, what)
        shape = dataset.get_space().get_simple_extent_dims()
        if len(shape) != 1 or shape[0] > MAX_ROWS or shape[0] * dtype.itemsize > self.budget:
            raise self.fail(f"{what} of shape {shape} is not a column, or too large to read")
        if not shape[0]:
            return []
        self.budget -= shape[0] * dtype.itemsize
        data = self._unpacked(dataset, shape[0] * dtype.itemsize, what)
        return self._decoded(np.frombuffer(data, dtype), kind, what)

    def _dtype(self, stored: Any, kind: Kind, what: str) -> np.dtype[Any]:
        """The type of stored values, which must be one that values of the kind are written as."""
        if isinstance(stored, h5py.h5t.TypeStringID):
            if not stored.is_variable_str() and stored.get_size() <= MAX_BYTES[kind]:
                return np.dtype(f"S{stored.get_size()}")
        elif kind is Kind.INTEGER and stored.equal(h5py.h5t.STD_I64LE):
            return np.dtype("<i8")
        elif kind is Kind.REAL and stored.equal(h5py.h5t.IEEE_F64LE):
            return np.dtype("<f8")
        raise self.fail(f"{what} does not have the data type of {kind.value}, or one that is too large")

    def _unpacked(self, dataset: Any, size: int, what: str) -> bytes:
        """The data of a dataset, which must be one piece, packed by zlib, of exactly `size` bytes unpacked."""
        how = dataset.get_create_plist()
        filters = [how.get_filter(index)[0] for index in range(how.get_nfilters())]
        if filters != [h5py.h5z.FILTER_DEFLATE] or how.get_chunk() != dataset.get_space().get_simple_extent_dims():
            raise self.fail(f"{what} is not packed in one piece, as pimsim writes it")
        piece = dataset.get_chunk_info(0)
        if dataset.get_num_chunks() != 1 or piece.filter_mask or piece.byte_offset + piece.size > len(self.image):
            raise self.fail(f"{what} is not all in the file")
        inflate = zlib.decompressobj()
        # One byte more than is wanted, so that a longer stream shows and the checksum behind the last byte is reached.
        data = inflate.decompress(memoryview(self.image)[piece.byte_offset :][: piece.size], size + 1)
        if len(data) != size or not inflate.eof:
            raise self.fail(f"{what} does not unpack to the {size} bytes that its shape asks for")
        return data

    def _decoded(self, values: Array, kind: Kind, what: str) -> list[Any]:
        """Python values of an array as it is stored."""
        if values.dtype.kind != "S":
            if not (values.min() >= 0 and values.max() <= MAX_REAL):  # also of NaN, which is neither
                raise self.fail(f"{what} holds a number out of range")
            return list(values.tolist())
        raw = values.tolist()
        known = {text: text.decode() for text in set(raw)}
        # A name may end up on a terminal.
        if kind is Kind.TEXT and not all(text.isprintable() for text in known.values()):
            raise self.fail(f"{what} holds a text with control characters")
        if kind is not Kind.INTEGER:
            return [known[text] for text in raw]
        if not all(re.fullmatch("[0-9]+", text) for text in known.values()):
            raise self.fail(f"{what} holds a text that is no integer")
        return [int(known[text]) for text in raw]


def _read_ops(reader: _Reader) -> Iterator[OpRecord]:
    rows = list(reader.rows("ops"))
    indices = range(len(rows))
    inputs = ([name for (name,) in group] for group in reader.grouped("inputs", indices))
    parts, counts = reader.mappings("parts", indices), reader.mappings("counts", indices)
    for row, names, parts_ps, actions in zip(rows, inputs, parts, counts, strict=True):
        block, repeat, name, kind, start_ps, latency_ps, macs = row
        yield OpRecord(block, repeat, name, kind, tuple(names), start_ps, latency_ps, macs, parts_ps, actions)


def _read_activities(reader: _Reader) -> Iterator[ActivityRecord]:
    for row in reader.rows("activities"):
        activity = ActivityRecord(*row)
        yield activity._replace(cause=activity.cause - 1)


def _read_profiles(reader: _Reader) -> Iterator[Profile]:
    rows = list(reader.rows("profiles"))
    indices = range(len(rows))
    parts, counts = reader.mappings("profile_parts", indices), reader.mappings("profile_counts", indices)
    spans = reader.grouped("spans", indices)
    for (duration_ps, busy_ps), parts_ps, actions, group in zip(rows, parts, counts, spans, strict=True):
        yield Profile(duration_ps, busy_ps, parts_ps, actions, tuple(SpanRecord(*row) for row in group))


def _read_components(reader: _Reader) -> Iterator[ComponentRecord]:
    rows = list(reader.rows("components"))
    areas = reader.mappings("areas", [row[0] for row in rows])
    for (name, units, busy_ps, leakage_j), area_m2 in zip(rows, areas, strict=True):
        yield ComponentRecord(name, units, busy_ps, leakage_j, area_m2)


def _shown(path: str | Path) -> str:
    return printable(str(path), MAX_LINE_CHARS // 2)
