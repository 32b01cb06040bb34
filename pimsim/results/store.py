"""HDF5 files of run results: write a result, read it back, or read only its config in order to repeat the run.

A file (format "pimsim-result", version 2) can be read without pimsim::

    file = h5py.File("result.h5")
    dict(file.attrs)                                                   # scalars of the run, and origin of the file
    file["config"].asstr()[0]                                          # the full config, as YAML in SI numbers
    pandas.DataFrame({name: column[:] for name, column in file["activities"].items()})

Attributes of the root: format, result_version, pimsim_version, git_revision (of the checkout that pimsim ran from;
with "-dirty" appended if it had changes; "" without a checkout), created (ISO 8601), and `SCALARS`. `config` is a
dataset with one text. Each table of `TABLES` is a group with one dataset per column. `op` and `profile` are row
numbers of `ops` and `profiles`; `started_by` is a row number of `activities` plus 1 (0 for none). The suffixes of
names are units. Texts are UTF-8 with a fixed width, padded with zeros; numbers are little-endian int64 and float64.
An integer that needs more than 63 bits (the busy time of a slow machine with many tiles, in picoseconds) turns its
whole column, or its attribute, into decimal text. The tables `notes`, `accounting` and `plugins` are present only if
they have rows; `counted` is 1 for an item that the figures contain and 0 for one that they leave out. The attributes
`kv_cache_bytes`, `memory_weight_bytes` and `activation_bytes` are absent from files of versions that did not count
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pimsim.base.errors import OutputError, PimsimError, show
from pimsim.base.shipped_files import Fail
from pimsim.config.loading import dump_config
from pimsim.config.schema import Config
from pimsim.results.accounting import Accounting
from pimsim.results.feasibility import Provision
from pimsim.results.hdf5 import (
    File,
    Kind,
    Reader,
    Row,
    Tables,
    git_revision,
    opened,
    shown_path,
    write_attributes,
    write_document,
    write_file,
    write_plugins,
    write_table,
)
from pimsim.results.run_result import RESULT_VERSION, RunResult
from pimsim.steps.records import (
    ActivityRecord,
    ComponentRecord,
    MediumRecord,
    MemoryUse,
    OpRecord,
    Profile,
    SpanRecord,
    TileUse,
    Use,
)
from pimsim.steps.step_tree import PARTS

FORMAT = "pimsim-result"

_T, _I, _R = Kind.TEXT, Kind.INTEGER, Kind.REAL

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
MEMORY = dict.fromkeys((field.name for field in fields(MemoryUse)), _I)
"""Attributes that files of earlier versions do not have."""

# Columns of each table, in the order of the values in a row.
TABLES: Tables = {
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
    "profiles": {"duration_ps": _I, "busy_ps": _I, "contended_for": _T},
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
    "media": {
        "name": _T,
        "component": _T,
        "jobs": _I,
        "busy_ps": _I,
        "waited_ps": _I,
        "moved_bytes": _I,
    },
    "uses": {
        "medium": _I,
        "name": _T,
        "busy_ps": _I,
        "waited_ps": _I,
        "in_bytes": _I,
        "out_bytes": _I,
        "peak": _I,
    },
    "load_counts": {"action": _T, "count": _I},
    "action_energies": {"action": _T, "energy_j": _R},
    "notes": {"note": _T},
    "accounting": {"counted": _I, "item": _T, "latency_ps": _I, "energy_j": _R, "once": _I},
}

OPTIONAL_TABLES = ("notes", "accounting")
"""Tables that a file does not have if they are empty, as files of earlier versions."""


def write_result(result: RunResult, path: str | Path) -> None:
    """Write a result with its config to one HDF5 file, atomically.

    Args:
        result: The result.
        path: The file to write.

    Raises:
        OutputError: If the path cannot be written, or the result exceeds the limits of the file format.
    """

    def fail(message: str) -> PimsimError:
        return OutputError(f"{shown_path(path)}: cannot be written: {message}")

    if problem := _inconsistency(result):
        raise OutputError(f"{shown_path(path)}: cannot be written: {problem}")
    write_file(path, lambda file: _write(result, file, fail))


def read_result(path: str | Path) -> RunResult:
    """Read a result.

    Args:
        path: A file from `write_result`; it is untrusted input.

    Returns:
        A result that is equal to the one that was written.

    Raises:
        ResultFileError: If the file cannot be read, is damaged, is inconsistent or has another version.
    """
    with opened(path, TABLES) as reader:
        _check_header(reader)
        header = {name: reader.attribute(name, kind) for name, kind in HEADER.items()}
        scalars = {name: reader.attribute(name, kind) for name, kind in SCALARS.items()}
        tiles = TileUse(*(scalars.pop(name) for name in _TILE_FIELDS))
        provision = {name: scalars.pop(name) for name in _PROVISION_FIELDS}
        result = RunResult(
            config=reader.config(),
            version=header["pimsim_version"],
            ops=tuple(_read_ops(reader)),
            components=tuple(_read_components(reader)),
            activities=tuple(_read_activities(reader)),
            profiles=tuple(_read_profiles(reader)),
            action_energies_j=reader.mapping("action_energies"),
            tiles=tiles,
            provision=Provision(**provision, load_counts=reader.mapping("load_counts")),
            media=tuple(_read_media(reader)),
            notes=reader.notes(),
            memory_use=_read_memory_use(reader),
            accounting=Accounting.from_rows(reader.optional_rows("accounting")),
            plugins=reader.plugins(),
            **scalars,
        )
        if problem := _inconsistency(result):
            raise reader.fail(problem)
        return result


def result_format(path: str | Path) -> str:
    """Read the format of a file that pimsim wrote.

    Args:
        path: A file; it is untrusted input.

    Returns:
        Text such as "pimsim-result", "pimsim-serving", "pimsim-accuracy" or "pimsim-sweep".

    Raises:
        ResultFileError: If the file cannot be read, or has no such attribute.
    """
    with opened(path, TABLES) as reader:
        return str(reader.attribute("format", Kind.TEXT))


def read_config(path: str | Path) -> Config:
    """Read only the config of a result, in order to repeat the run.

    Args:
        path: A file from `write_result`; it is untrusted input.

    Returns:
        The full config.

    Raises:
        ResultFileError: If the file cannot be read, is damaged or has another version.
    """
    with opened(path, TABLES) as reader:
        _check_header(reader)
        return reader.config()


def _check_header(reader: Reader) -> None:
    reader.header(FORMAT, "result_version", RESULT_VERSION, "result")


def _inconsistency(result: RunResult) -> str | None:
    """Return the first inconsistency that would make figures or analyses of a result fail; None if there is none."""
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
        return f"part {show(unknown[0])} is not one of {', '.join(PARTS)}"
    if unknown := sorted(actions - result.action_energies_j.keys()):
        return f"action {show(unknown[0])} is counted but has no energy"
    return _inconsistent_activity(result)


def _inconsistent_activity(result: RunResult) -> str | None:
    """Return the first inconsistency of the activities, such as a cause that ends too late; None if there is none."""
    for index, activity in enumerate(result.activities):
        if activity.op >= len(result.ops) or activity.profile >= len(result.profiles):
            return f"activity {index} belongs to an op or profile that does not exist"
        if not activity.ready_ps <= activity.start_ps <= activity.end_ps:
            return f"activity {index} ends before it starts"
        if activity.cause >= 0 and (
            activity.cause >= len(result.activities) or result.activities[activity.cause].end_ps > activity.start_ps
        ):
            return f"activity {index} is started by an activity that does not end before it"
    if _causes_have_a_cycle(result.activities):
        return "activities start each other in a cycle"
    if any(span.end_ps < span.start_ps for profile in result.profiles for span in profile.spans):
        return "a span ends before it starts"
    return None


def _causes_have_a_cycle(activities: Sequence[ActivityRecord]) -> bool:
    """Return whether the causes of activities form a cycle, in which the critical path would never end."""
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


def _write(result: RunResult, file: File, fail: Fail) -> None:
    write_attributes(file, _attributes(result), fail)
    used = write_document(file, "config", dump_config(result.config), fail)
    for table, rows in _rows(result).items():
        rows = tuple(rows)
        if table in OPTIONAL_TABLES and not rows:
            continue
        columns = list(zip(*rows, strict=True)) or [()] * len(TABLES[table])
        used = write_table(file, table, TABLES[table], columns, used, fail)
    write_plugins(file, result.plugins, fail)


def _attributes(result: RunResult) -> dict[str, tuple[Kind, Any]]:
    """Return kind and value of every attribute of the root group."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    header = (FORMAT, RESULT_VERSION, result.version, git_revision(), created)
    values: dict[str, Any] = dict(zip(HEADER, header, strict=True))
    owners = dict.fromkeys(_TILE_FIELDS, result.tiles) | dict.fromkeys(_PROVISION_FIELDS, result.provision)
    for name in SCALARS:
        values[name] = getattr(owners.get(name, result), name)
    attributes = {name: (kind, values[name]) for name, kind in (HEADER | SCALARS).items()}
    if result.memory_use is None:
        return attributes
    return attributes | {name: (kind, getattr(result.memory_use, name)) for name, kind in MEMORY.items()}


def _rows(result: RunResult) -> dict[str, Iterable[Row]]:
    """Return the rows of every table of `TABLES`."""
    ops, components, profiles = list(enumerate(result.ops)), result.components, list(enumerate(result.profiles))
    return {
        "ops": ((op.block, op.repeat, op.name, op.kind, op.start_ps, op.latency_ps, op.macs) for op in result.ops),
        "inputs": ((index, name) for index, op in ops for name in op.inputs),
        "parts": ((index, *item) for index, op in ops for item in op.parts_ps.items()),
        "counts": ((index, *item) for index, op in ops for item in op.counts.items()),
        "components": ((c.name, c.units, c.busy_ps, c.leakage_j) for c in components),
        "areas": ((c.name, *item) for c in components for item in c.area_m2.items()),
        "activities": ((*a[:8], a.cause + 1, a.profile) for a in result.activities),
        "profiles": ((each.duration_ps, each.busy_ps, each.contended_for) for each in result.profiles),
        "profile_parts": ((index, *item) for index, profile in profiles for item in profile.parts_ps.items()),
        "profile_counts": ((index, *item) for index, profile in profiles for item in profile.counts.items()),
        "spans": ((index, *span) for index, profile in profiles for span in profile.spans),
        "media": ((m.name, m.component, m.jobs, m.busy_ps, m.waited_ps, m.moved_bytes) for m in result.media),
        "uses": (
            (index, use.name, use.busy_ps, use.waited_ps, use.in_bytes, use.out_bytes, use.peak)
            for index, medium in enumerate(result.media)
            for use in medium.uses
        ),
        "load_counts": result.provision.load_counts.items(),
        "action_energies": result.action_energies_j.items(),
        "notes": ((note,) for note in result.notes),
        "accounting": result.accounting.rows(),
    }


# Reading


def _read_ops(reader: Reader) -> Iterator[OpRecord]:
    rows = list(reader.rows("ops"))
    indices = range(len(rows))
    inputs = ([name for (name,) in group] for group in reader.grouped("inputs", indices))
    parts, counts = reader.mappings("parts", indices), reader.mappings("counts", indices)
    for row, names, parts_ps, actions in zip(rows, inputs, parts, counts, strict=True):
        block, repeat, name, kind, start_ps, latency_ps, macs = row
        yield OpRecord(block, repeat, name, kind, tuple(names), start_ps, latency_ps, macs, parts_ps, actions)


def _read_activities(reader: Reader) -> Iterator[ActivityRecord]:
    for row in reader.rows("activities"):
        activity = ActivityRecord(*row)
        yield activity._replace(cause=activity.cause - 1)


def _read_profiles(reader: Reader) -> Iterator[Profile]:
    rows = list(reader.rows("profiles"))
    indices = range(len(rows))
    parts, counts = reader.mappings("profile_parts", indices), reader.mappings("profile_counts", indices)
    spans = reader.grouped("spans", indices)
    for (duration_ps, busy_ps, contended_for), parts_ps, actions, group in zip(rows, parts, counts, spans, strict=True):
        records = tuple(SpanRecord(*row) for row in group)
        yield Profile(duration_ps, busy_ps, parts_ps, actions, records, contended_for)


def _read_media(reader: Reader) -> Iterator[MediumRecord]:
    rows = list(reader.rows("media"))
    for row, uses in zip(rows, reader.grouped("uses", range(len(rows))), strict=True):
        name, component, jobs, busy_ps, waited_ps, moved_bytes = row
        pieces = tuple(Use(*use) for use in uses)
        yield MediumRecord(name, component, jobs, busy_ps, waited_ps, moved_bytes, pieces)


def _read_memory_use(reader: Reader) -> MemoryUse | None:
    if not all(map(reader.has_attribute, MEMORY)):
        return None
    return MemoryUse(**{name: reader.attribute(name, kind) for name, kind in MEMORY.items()})


def _read_components(reader: Reader) -> Iterator[ComponentRecord]:
    rows = list(reader.rows("components"))
    areas = reader.mappings("areas", [row[0] for row in rows])
    for (name, units, busy_ps, leakage_j), area_m2 in zip(rows, areas, strict=True):
        yield ComponentRecord(name, units, busy_ps, leakage_j, area_m2)
