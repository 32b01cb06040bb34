"""HDF5 files of comparisons. A result that is written and read again has equal values.

The format is "pimsim-comparison", version 1. Single values are attributes of the root, and the dataset `config` is the
config of the baseline as YAML. Each table is a group with one dataset per column: `designs` (with the config of each as
YAML), `rows` (a row per design and workload; NaN for a figure that a row does not have), `accounting` (counted is 1 for
an item that the figures contain and 0 for one that they leave out), `intervals`, `settings`, `points`, `notes`,
`warnings`, `effects`, `design_settings` and `plugins`; those but `designs` and `rows` are present only if they have
rows. The column `row` is a row number of `rows`. Suffixes of names are units. The size limits are those of
`pimsim.results.hdf5`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pimsim.results.hdf5 import RecordFile
from pimsim.studies.comparison.comparison_result import COMPARISON_VERSION, ComparisonResult


def write_comparison(result: ComparisonResult, path: str | Path) -> None:
    """Write a comparison to an HDF5 file, completely or not at all.

    Args:
        result: The comparison.
        path: File to write; an existing file is replaced.

    Raises:
        OutputError: If the file cannot be written.
    """
    FILE.write(path, result, result.config, problem=_first_inconsistency(result))


def read_comparison(path: str | Path) -> ComparisonResult:
    """Read a comparison from an HDF5 file.

    Args:
        path: File; it is untrusted input.

    Returns:
        The comparison, with the values of the one that was written.

    Raises:
        ResultFileError: If the file cannot be read, or its content is not a valid comparison.
    """
    return FILE.read(path)


def _inconsistencies(result: ComparisonResult) -> Iterator[str]:
    names = [each.name for each in result.designs]
    if len(names) < 2 or len(set(names)) < len(names):
        yield "there are fewer than two designs, or two of one name"
    if result.baseline not in names:
        yield "attribute baseline is none of the designs"
    if unknown := [row.design for row in result.rows if row.design not in names]:
        yield f"a row has the design {unknown[0]!r}, which is none of the designs"
    if not result.rows:
        yield "there are no rows"
    if len(result.rows) > result.planned:
        yield "there are more rows than planned"
    if len({(row.design, *row.workload) for row in result.rows}) < len(result.rows):
        yield "two rows have the same design and workload"
    if any(bool(row.error) != bool(row.exit_code) for row in result.rows):
        yield "a row has an error without an exit code, or an exit code without an error"


def _first_inconsistency(result: ComparisonResult) -> str | None:
    return next(_inconsistencies(result), None)


FILE = RecordFile(
    "pimsim-comparison", "comparison_version", COMPARISON_VERSION, "comparison", ComparisonResult, _first_inconsistency
)
