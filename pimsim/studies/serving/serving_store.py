"""HDF5 files of serving runs. A result that is written and read again is equal to the original.

The format is "pimsim-serving", version 1. Scalars are attributes of the root, and the dataset `config` is the config as
YAML. Each table is a group with one dataset per column: `requests` (finished requests, in the order of arrival),
`prefix_hashes` (row of a request in that table and hash of a block of its prompt, in order; only if there are any),
`iterations`, `traffic` (bytes between memory and chip of each iteration; absent from files of versions that did not
count them), and `notes`, which is present only if there are notes. Suffixes of names are units. The size limits are
those of `pimsim.results.hdf5`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pimsim.base.errors import OutputError, PimsimError
from pimsim.config.loading import dump_config
from pimsim.results.accounting import Accounting
from pimsim.results.hdf5 import (
    File,
    Kind,
    Reader,
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
from pimsim.results.memory_traffic import NO_TRAFFIC, MemoryTraffic
from pimsim.studies.serving.iteration_costs import METHODS, StepCheck
from pimsim.studies.serving.iteration_table import IterationRecord, IterationTable
from pimsim.studies.serving.serving_result import SERVING_VERSION, RequestRecord, ServingResult

FORMAT = "pimsim-serving"

_T, _I, _R = Kind.TEXT, Kind.INTEGER, Kind.REAL

HEADER = {"format": _T, "serving_version": _I, "pimsim_version": _T, "git_revision": _T, "created": _T}
SCALARS = {
    "model": _T,
    "method": _T,
    "offered": _I,
    "simulations": _I,
    "steps_checked": _I,
    "latency_error": _R,
    "energy_error": _R,
    "idle_power_w": _R,
}
TABLES: Tables = {
    "requests": {
        "id": _T,
        "prompt_tokens": _I,
        "output_tokens": _I,
        "arrival_ps": _I,
        "admitted_ps": _I,
        "first_token_ps": _I,
        "finished_ps": _I,
        "dynamic_energy_j": _R,
        "leakage_energy_j": _R,
    },
    "prefix_hashes": {"request": _I, "hash": _T},
    "iterations": {
        "start_ps": _I,
        "end_ps": _I,
        "prefills": _I,
        "decodes": _I,
        "new_tokens": _I,
        "running": _I,
        "waiting": _I,
        "kv_bytes": _I,
        "dynamic_energy_j": _R,
        "leakage_energy_j": _R,
        "estimated": _I,
    },
    "traffic": dict.fromkeys(MemoryTraffic.__dataclass_fields__, _R),
    "notes": {"note": _T},
    "accounting": {"counted": _I, "item": _T, "latency_ps": _I, "energy_j": _R, "once": _I},
}


def write_serving(result: ServingResult, path: str | Path) -> None:
    """Write a result to an HDF5 file, completely or not at all.

    Args:
        result: Result of a serving run.
        path: File to write; an existing file is replaced.

    Raises:
        OutputError: If the file cannot be written.
    """

    def fail(message: str) -> PimsimError:
        return OutputError(f"{shown_path(path)}: cannot be written: {message}")

    def fill(file: File) -> None:
        write_attributes(file, _attributes(result), fail)
        used = write_document(file, "config", dump_config(result.config), fail)
        columns = list(zip(*(each[:-1] for each in result.requests), strict=True))
        used = write_table(file, "requests", TABLES["requests"], columns, used, fail)
        if hashes := [
            (row, str(each)) for row, request in enumerate(result.requests) for each in request.prefix_hashes
        ]:
            columns = list(zip(*hashes, strict=True))
            used = write_table(file, "prefix_hashes", TABLES["prefix_hashes"], columns, used, fail)
        steps = IterationTable.of(result.iterations)
        for name in ("iterations", "traffic"):
            used = write_table(file, name, TABLES[name], [steps.column(each) for each in TABLES[name]], used, fail)
        if result.notes:
            used = write_table(file, "notes", TABLES["notes"], [result.notes], used, fail)
        if items := tuple(result.accounting.rows()):
            write_table(file, "accounting", TABLES["accounting"], list(zip(*items, strict=True)), used, fail)
        write_plugins(file, result.plugins, fail)

    write_file(path, fill)


def read_serving(path: str | Path) -> ServingResult:
    """Read a result from an HDF5 file.

    Args:
        path: File.

    Returns:
        The result, equal to the one that was written.

    Raises:
        ResultFileError: If the file cannot be read, or its content is not a valid serving result.
    """
    with opened(path, TABLES) as reader:
        reader.header(FORMAT, "serving_version", SERVING_VERSION, "serving")
        header = {name: reader.attribute(name, kind) for name, kind in HEADER.items()}
        scalars = {name: reader.attribute(name, kind) for name, kind in SCALARS.items()}
        check = StepCheck(*(scalars.pop(name) for name in ("steps_checked", "latency_error", "energy_error")))
        result = ServingResult(
            config=reader.config(),
            version=header["pimsim_version"],
            requests=tuple(_read_requests(reader)),
            iterations=tuple(_read_iterations(reader)),
            check=check,
            notes=reader.notes(),
            accounting=Accounting.from_rows(reader.optional_rows("accounting")),
            plugins=reader.plugins(),
            **scalars,
        )
        if problem := next(_inconsistencies(result), None):
            raise reader.fail(problem)
        return result


def _read_requests(reader: Reader) -> Iterator[RequestRecord]:
    rows = list(reader.rows("requests"))
    hashes: dict[int, list[int]] = {}
    for request, text in reader.optional_rows("prefix_hashes"):
        if request >= len(rows) or not text.removeprefix("-").isdecimal() or len(text) > 20:
            raise reader.fail(f"table prefix_hashes has a hash {text[:20]!r} of request {request}, which cannot be")
        hashes.setdefault(request, []).append(int(text))
    for number, row in enumerate(rows):
        yield RequestRecord(*row)._replace(prefix_hashes=tuple(hashes.get(number, ())))


def _read_iterations(reader: Reader) -> Iterator[IterationRecord]:
    rows = list(reader.rows("iterations"))
    traffic = [MemoryTraffic(*row) for row in reader.rows("traffic")] if reader.has("traffic") else []
    if traffic and len(traffic) != len(rows):
        raise reader.fail(f"table traffic has {len(traffic)} rows, but there are {len(rows)} iterations")
    for row, moved in zip(rows, traffic or [NO_TRAFFIC] * len(rows), strict=True):
        yield IterationRecord(*row)._replace(traffic=moved)


def _attributes(result: ServingResult) -> dict[str, tuple[Kind, Any]]:
    created = datetime.now(UTC).isoformat(timespec="seconds")
    header = (FORMAT, SERVING_VERSION, result.version, git_revision(), created)
    values: dict[str, Any] = dict(zip(HEADER, header, strict=True))
    check = result.check
    values |= {"steps_checked": check.steps, "latency_error": check.latency_error, "energy_error": check.energy_error}
    values |= {name: getattr(result, name) for name in SCALARS if name not in values}
    return {name: (kind, values[name]) for name, kind in (HEADER | SCALARS).items()}


def _inconsistencies(result: ServingResult) -> Iterator[str]:
    """Find inconsistent values that would make the figures of a result wrong or impossible.

    Args:
        result: Result that was read from a file.

    Yields:
        Description of each problem.
    """
    if result.method not in METHODS:
        yield f"attribute method is not one of {', '.join(METHODS)}"
    if not result.requests or not result.iterations:
        yield "there are no requests or no iterations"
        return
    if result.offered < len(result.requests):
        yield "attribute offered is less than the number of requests"
    for each in result.requests:
        if not each.arrival_ps <= each.admitted_ps <= each.first_token_ps <= each.finished_ps:
            yield f"request {each.id!r} ends before it starts"
        if not each.output_tokens:
            yield f"request {each.id!r} has no output tokens"
    free_ps = 0
    for number, step in enumerate(result.iterations):
        if not free_ps <= step.start_ps <= step.end_ps:
            yield f"iteration {number} starts before the previous one ends, or ends before it starts"
        free_ps = step.end_ps
    if result.span_ps < result.busy_ps:
        yield "iterations last longer than the whole span"
