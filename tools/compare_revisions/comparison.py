"""Comparison of the output files of both revisions, value by value."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tools.compare_revisions import rules
from tools.compare_revisions.cases import Case
from tools.compare_revisions.sides import Side, StepError, run_old
from tools.compare_revisions.values import Value, Values, read_values


@dataclass(frozen=True)
class Missing:
    """Placeholder for a value that one revision does not have."""

    def __repr__(self) -> str:
        return "nothing"


@dataclass(frozen=True)
class Difference:
    """A value that is not equal in both revisions.

    Attributes:
        file: Identifier of the file, see `rules`.
        path: Path of the value in the file.
        old: Value at the old revision.
        new: Value at the new revision.
    """

    file: str
    path: str
    old: Value | Missing
    new: Value | Missing


@dataclass
class Report:
    """Result of the comparison of one case."""

    name: str
    files: int = 0
    values: int = 0
    seconds: float = 0.0
    differences: list[Difference] = field(default_factory=list)


def compare_case(case: Case, old: Side, new: Side, work: Path) -> Report:
    """Run a case at both revisions and compare the outputs.

    Args:
        case: Commands to run.
        old: The revision with the expected values.
        new: The revision to check.
        work: Folder of all outputs.

    Returns:
        Numbers of compared files and values, and all differences.

    Raises:
        ComparisonError: If a command fails at the old revision.
    """
    report, begun = Report(case.name), time.monotonic()
    theirs, ours = work / "old" / case.name, work / "new" / case.name
    run_old(old, case, theirs)
    try:
        new.run(case, ours / "run")
    except StepError as error:
        report.differences.append(Difference(f"{case.name}/run", "", "runs", str(error)))
    else:
        _compare_folders(report, "run", theirs, ours, _outputs(theirs / "run", set(case.files)))
    try:
        new.read(case, theirs / "run", ours / "read")
    except StepError as error:
        report.differences.append(Difference(f"{case.name}/read", "", "is read", str(error)))
    else:
        _compare_folders(report, "read", theirs, ours, _outputs(theirs / "read", _outputs(theirs / "run")))
    report.seconds = time.monotonic() - begun
    return report


def _outputs(folder: Path, without: set[str] | None = None) -> set[str]:
    """List the files of a folder and its subfolders, except those in `without`."""
    every = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return every - (without or set())


def _compare_folders(report: Report, phase: str, theirs: Path, ours: Path, wanted: set[str]) -> None:
    """Compare the files of one phase, `run` or `read`; a file that only one revision wrote is a difference."""
    there = _outputs(ours / phase) - (_outputs(theirs / phase) - wanted)
    for name in sorted(wanted | there):
        file = f"{report.name}/{phase}/{name}"
        if rules.is_ignored_file(Path(name).name):
            continue
        report.files += 1
        if name not in wanted or name not in there:
            present, absent = "a file", Missing()
            both = (present, absent) if name in wanted else (absent, present)
            report.differences.append(Difference(file, "", *both))
            continue
        try:
            old = rules.expected(_values(theirs / phase / name, theirs.parent.parent, file), file)
            new = rules.compared(_values(ours / phase / name, ours.parent.parent, file), file)
        except ValueError as error:
            report.differences.append(Difference(file, "", "a file", f"cannot be compared: {error}"))
            continue
        new = {path: value for path, value in new.items() if path in old or not rules.is_filled(path, file)}
        report.values += len(old)
        report.differences += differences(file, old, new)


def _values(path: Path, work: Path, file: str) -> Values:
    """Read a file, and make paths in it relative to the folder of the revision."""
    folder = re.compile(re.escape(f"{work}/") + "(old|new)/")
    return {
        place: folder.sub("", value) if isinstance(value, str) else value
        for place, value in read_values(path, partial(rules.without_new_lines, file=file)).items()
    }


def differences(file: str, old: Values, new: Values) -> Iterator[Difference]:
    """Yield every value that is not exactly equal in both revisions.

    Args:
        file: Identifier of the file.
        old: Expected values, by path.
        new: Values to check, by path.

    Yields:
        The differences in the order of the old values, then the values that only the new revision has.
    """
    missing = Missing()
    for path, value in old.items():
        found = new.get(path, missing)
        # repr is exact for floats, and unlike == takes NaN for NaN, but not 1 for 1.0 or True.
        if found is missing or repr(value) != repr(found):
            yield Difference(file, path, value, found)
    for path in new.keys() - old.keys():
        yield Difference(file, path, missing, new[path])
