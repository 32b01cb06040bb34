"""HDF5 files of run results: write a result, read it back, or read only its config in order to repeat the run.

A file (format "pimsim-result", version 2) can be read without pimsim::

    file = h5py.File("result.h5")
    dict(file.attrs)                                                   # scalars of the run, and origin of the file
    file["config"].asstr()[0]                                          # the full config, as YAML in SI numbers
    pandas.DataFrame({name: column[:] for name, column in file["activities"].items()})

Attributes of the root: format, result_version, pimsim_version, git_revision (of the checkout that pimsim ran from;
with "-dirty" appended if it had changes; "" without a checkout), created (ISO 8601), and the single values of
`RunResult`, of its tiles, its provision and its memory use. `config` is a dataset with one text. Each tuple of
records, and each mapping, is a group with one dataset per field (`pimsim.results.hdf5.record_tables`). `op` and
`profile` are row numbers of `ops` and `profiles`; `started_by` is a row number of `activities` plus 1 (0 for none). The
suffixes of names are units. Texts are UTF-8 with a fixed width, padded with zeros; numbers are little-endian int64 and
float64. An integer that needs more than 63 bits (the busy time of a slow machine with many tiles, in picoseconds) turns
its whole column, or its attribute, into decimal text. The tables `notes`, `accounting` and `plugins` are present only
if they have rows; `counted` is 1 for an item that the figures contain and 0 for one that they leave out. The attributes
`kv_cache_bytes`, `memory_weight_bytes` and `activation_bytes` are absent from files of versions that did not count
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pimsim.base.errors import show
from pimsim.base.stored_columns import Kind
from pimsim.config.schema import Config
from pimsim.results.hdf5 import RecordFile
from pimsim.results.hdf5 import result_format as result_format
from pimsim.results.run_result import RESULT_VERSION, RunResult
from pimsim.steps.records import ActivityRecord
from pimsim.steps.step_tree import PARTS


def write_result(result: RunResult, path: str | Path) -> None:
    """Write a result with its config to one HDF5 file, atomically.

    Args:
        result: The result.
        path: The file to write.

    Raises:
        OutputError: If the path cannot be written, or the result exceeds the limits of the file format.
    """
    FILE.write(path, result, result.config, problem=_inconsistency(result))


def read_result(path: str | Path) -> RunResult:
    """Read a result.

    Args:
        path: A file from `write_result`; it is untrusted input.

    Returns:
        A result that is equal to the one that was written.

    Raises:
        ResultFileError: If the file cannot be read, is damaged, is inconsistent or has another version.
    """
    return FILE.read(path)


def read_config(path: str | Path) -> Config:
    """Read only the config of a result, in order to repeat the run.

    Args:
        path: A file from `write_result`; it is untrusted input.

    Returns:
        The full config.

    Raises:
        ResultFileError: If the file cannot be read, is damaged or has another version.
    """
    with FILE.opened(path) as reader:
        return reader.config


def read_git_revision(path: str | Path) -> str:
    """Read which checkout of pimsim made a result.

    Args:
        path: A file from `write_result`; it is untrusted input.

    Returns:
        Git revision; empty if pimsim was not run from a checkout.

    Raises:
        ResultFileError: If the file cannot be read, is damaged or has another version.
    """
    with FILE.opened(path) as reader:
        return str(reader.value("git_revision", Kind.TEXT)) if reader.has("git_revision") else ""


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


FILE = RecordFile("pimsim-result", "result_version", RESULT_VERSION, "result", RunResult, _inconsistency)
