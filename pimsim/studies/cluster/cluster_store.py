"""HDF5 files of serving runs of a system. A result that is written and read again is equal to the original.

The format is "pimsim-cluster", version 1. Single values are attributes of the root; `system` is the system as YAML with
the complete configs of its machines, and `config` that of the first one. Each table is a group with one dataset per
column: `requests` and `routes` (finished requests, in the order of arrival, and the numbers of their machines;
`decode_machine` is that number plus 1, or 0), `prefix_hashes`, `machines`, `iterations` (with the number of the machine
in `machine`), `traffic`, `transfers`, `cancelled`, `kv_usages`, `shares` (machines that divide each layer, and their
link), `upkeep`, `pauses`, `notes`, `accounting` and `plugins`, as far as they have rows. Suffixes of names are units.
The size limits are those of `pimsim.results.hdf5`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from pimsim.base.errors import ConfigError
from pimsim.hardware.machine_link import LINK
from pimsim.results.hdf5 import RecordFile
from pimsim.studies.cluster.cluster_records import NO_MACHINE
from pimsim.studies.cluster.cluster_result import CLUSTER_VERSION, ClusterResult
from pimsim.studies.cluster.divided_records import DIVIDED_SPLITS
from pimsim.studies.serving.iteration_costs import METHODS
from pimsim.studies.serving.upkeep_pauses import pause_inconsistencies


def write_cluster(result: ClusterResult, path: str | Path) -> None:
    """Write a result to an HDF5 file, completely or not at all.

    Args:
        result: Result of serving with a system.
        path: File to write; an existing file is replaced.

    Raises:
        OutputError: If the file cannot be written.
    """
    FILE.write(path, result, result.config)


def read_cluster(path: str | Path) -> ClusterResult:
    """Read a result from an HDF5 file.

    Args:
        path: File.

    Returns:
        The result, equal to the one that was written.

    Raises:
        ResultFileError: If the file cannot be read, or its content is not a valid result.
    """
    return FILE.read(path)


def _inconsistencies(result: ClusterResult) -> Iterator[str]:
    """Find inconsistent values that would make the figures of a result wrong or impossible.

    Args:
        result: Result that was read from a file.

    Yields:
        Description of each problem.
    """
    try:
        roles = result.system.machines
    except ConfigError as error:
        yield f"attribute system: {error.problems[0]}"
        return
    count = len(result.machines)
    if result.method not in METHODS:
        yield f"attribute method is not one of {', '.join(METHODS)}"
    if not result.requests or not any(len(each.iterations) for each in result.machines):
        yield "there are no requests or no iterations"
        return
    if result.offered < len(result.requests) + len(result.cancelled):
        yield "attribute offered is less than the number of requests"
    if len(result.routes) != len(result.requests):
        yield "there are not as many routes as requests"
    for route in result.routes:
        if route.machine >= count or not NO_MACHINE <= route.decode_machine < count:
            yield "a route leads to a machine that is not in the file"
    for each in result.requests:
        if not each.arrival_ps <= each.admitted_ps <= each.first_token_ps <= each.finished_ps:
            yield f"request {each.id!r} ends before it starts"
        if not each.output_tokens:
            yield f"request {each.id!r} has no output tokens"
    if bool(result.shares) != (result.system.split in DIVIDED_SPLITS) or (result.shares and count != 1):
        yield "the table shares does not fit the split of the system"
        return
    if any(each.name not in (*roles, LINK) for each in result.shares):
        yield "a share of a machine that is not in the system"
    if any(each.machine >= count for each in result.pauses):
        yield "a pause of a machine that is not in the file"
        return
    yield from pause_inconsistencies([each.task for each in result.upkeep], [each.pause for each in result.pauses])
    if any(each.machine >= count for each in result.kv_usages):
        yield "the KV memory of a machine that is not in the file"
    for transfer in result.transfers:
        if not transfer.ready_ps <= transfer.asked_ps <= transfer.start_ps <= transfer.end_ps:
            yield f"the transfer of request {transfer.request!r} ends before it starts"
        if transfer.sender >= count or transfer.receiver >= count:
            yield f"the transfer of request {transfer.request!r} has a machine that is not in the file"
    for machine in result.machines:
        if machine.role not in roles:
            yield f"machine {machine.name!r} has a role that is not in the system"
        if any(earlier.end_ps > later.start_ps for earlier, later in pairwise(machine.iterations)) or any(
            step.start_ps > step.end_ps for step in machine.iterations
        ):
            yield f"iterations of machine {machine.name!r} overlap, or one of them ends before it starts"
        if result.span_ps < machine.busy_ps:
            yield f"iterations of machine {machine.name!r} last longer than the whole span"


def _first_inconsistency(result: ClusterResult) -> str | None:
    return next(_inconsistencies(result), None)


FILE = RecordFile(
    "pimsim-cluster", "cluster_version", CLUSTER_VERSION, "serving of a system", ClusterResult, _first_inconsistency
)
