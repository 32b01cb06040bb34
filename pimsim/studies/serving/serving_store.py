"""HDF5 files of serving runs. A result that is written and read again is equal to the original.

The format is "pimsim-serving", version 1. Single values are attributes of the root, and the dataset `config` is the
config as YAML. Each table is a group with one dataset per column: `requests` (finished requests, in the order of
arrival), `prefix_hashes` (row of a request in that table and hash of a block of its prompt, in order; only if there are
any), `service` (priority, deadlines, preemptions and shared tokens of each request), `cancelled` (requests that were
cancelled), `upkeep` and `pauses` (what the machine does for its cells, and when it did), `iterations`, `traffic` (bytes
between memory and chip of each iteration; absent from files of versions that did not count them), `notes`, `accounting`
and `plugins`; the last three, `cancelled`, `upkeep` and `pauses` are present only if they have rows. Suffixes of names
are units. The size limits are those of `pimsim.results.hdf5`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pimsim.results.hdf5 import RecordFile
from pimsim.studies.serving.iteration_costs import METHODS
from pimsim.studies.serving.serving_result import SERVING_VERSION, ServingResult
from pimsim.studies.serving.upkeep_pauses import pause_inconsistencies


def write_serving(result: ServingResult, path: str | Path) -> None:
    """Write a result to an HDF5 file, completely or not at all.

    Args:
        result: Result of a serving run.
        path: File to write; an existing file is replaced.

    Raises:
        OutputError: If the file cannot be written.
    """
    FILE.write(path, result, result.config)


def read_serving(path: str | Path) -> ServingResult:
    """Read a result from an HDF5 file.

    Args:
        path: File.

    Returns:
        The result, equal to the one that was written.

    Raises:
        ResultFileError: If the file cannot be read, or its content is not a valid serving result.
    """
    return FILE.read(path)


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
    if result.offered < len(result.requests) + len(result.cancelled):
        yield "attribute offered is less than the number of requests"
    for each in result.requests:
        if not each.arrival_ps <= each.admitted_ps <= each.first_token_ps <= each.finished_ps:
            yield f"request {each.id!r} ends before it starts"
        if not each.output_tokens:
            yield f"request {each.id!r} has no output tokens"
    for left in result.cancelled:
        if left.cancelled_ps < max(left.arrival_ps, left.admitted_ps):
            yield f"request {left.id!r} is cancelled before it arrives"
    free_ps = 0
    for number, step in enumerate(result.iterations):
        if not free_ps <= step.start_ps <= step.end_ps:
            yield f"iteration {number} starts before the previous one ends, or ends before it starts"
        free_ps = step.end_ps
    yield from pause_inconsistencies(result.upkeep, result.pauses)
    if result.span_ps < result.busy_ps:
        yield "iterations last longer than the whole span"


def _first_inconsistency(result: ServingResult) -> str | None:
    return next(_inconsistencies(result), None)


FILE = RecordFile("pimsim-serving", "serving_version", SERVING_VERSION, "serving", ServingResult, _first_inconsistency)
