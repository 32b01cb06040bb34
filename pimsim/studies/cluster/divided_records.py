"""Records and rows of a system that divides each layer: what each machine and the link have of all iterations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from pimsim.base.units import ps_to_s

if TYPE_CHECKING:
    from pimsim.studies.cluster.cluster_result import ClusterResult

DIVIDED_SPLITS = ("attention", "tensor")
"""Values of `split` whose machines divide each layer, and serve as one machine."""


class LayerShare(NamedTuple):
    """What a machine of a divided system, or its link, does in all iterations.

    Attributes:
        name: Role of the machine, or "link".
        config_name: Name of its config, or of the link.
        machines: Number of equal machines; 0 for the link.
        working_ps: Time in which it works, ps; of the link summed over its directions.
        dynamic_j: Dynamic energy, joules.
        leakage_j: Leakage energy during iterations, joules.
        idle_power_w: Leakage power that is charged while there is no request, watts.
        max_kv_bytes: Largest size of the KV caches in its memories, or reserved there, bytes.
        messages: Transfers and all-reduces; 0 for a machine.
        size_bytes: Bytes that all machines send; 0 for a machine.
        exposed_ps: Time for which iterations wait for the link, ps; 0 for a machine.
    """

    name: str
    config_name: str
    machines: int
    working_ps: int
    dynamic_j: float
    leakage_j: float
    idle_power_w: float
    max_kv_bytes: int
    messages: int = 0
    size_bytes: int = 0
    exposed_ps: int = 0


def share_rows(result: ClusterResult) -> Iterator[dict[str, Any]]:
    """Return one row per machine of a divided system, with the keys of `cluster_rows.machine_rows`.

    Args:
        result: Result of the run.

    Yields:
        Flat rows; all machines of a tensor split are one row.
    """
    [served] = result.machines
    usage = {} if not result.kv_usages else result.kv_usages[0].usage.summary()
    for each in result.shares:
        if not each.machines:
            continue
        idle_j = each.idle_power_w * ps_to_s(result.span_ps - served.busy_ps)
        yield {
            "machine": each.name,
            "role": each.name,
            "config": each.config_name,
            "machines": each.machines,
            "requests": served.requests,
            "output_tokens": served.output_tokens,
            "iterations": len(served.iterations),
            "busy_s": ps_to_s(each.working_ps),
            "utilisation": each.working_ps / result.span_ps if result.span_ps else 0.0,
            "mean_batch": served.mean_batch,
            "max_kv_bytes": each.max_kv_bytes,
            "dynamic_energy_j": each.dynamic_j,
            "leakage_energy_j": each.leakage_j,
            "idle_energy_j": idle_j,
            "transfer_energy_j": 0.0,
            "energy_j": each.dynamic_j + each.leakage_j + idle_j,
            **(usage if each.max_kv_bytes else {}),
        }


def share_link_rows(result: ClusterResult) -> Iterator[dict[str, Any]]:
    """Return the row of the link of a divided system.

    Args:
        result: Result of the run.

    Yields:
        Messages, bytes, busy time in seconds and its fraction of the span, the time for which iterations wait for it
        in seconds and its fraction of all iterations, and energy in joules.
    """
    busy_ps = result.busy_ps
    for each in result.shares:
        if not each.machines:
            yield {
                "link": each.name,
                "transfers": each.messages,
                "bytes": each.size_bytes,
                "busy_s": ps_to_s(each.working_ps),
                "utilisation": each.working_ps / result.span_ps if result.span_ps else 0.0,
                "exposed_s": ps_to_s(each.exposed_ps),
                "time_share": each.exposed_ps / busy_ps if busy_ps else 0.0,
                "energy_j": each.dynamic_j,
            }


def link_summary(result: ClusterResult) -> dict[str, float]:
    """Return the figures of the link of a divided system for the summary.

    Args:
        result: Result of the run.

    Returns:
        Values by key; the suffixes are units. Empty for systems that do not divide layers.
    """
    keys = {"transfers": "link_messages", "bytes": "link_bytes", "busy_s": "link_busy_s"}
    keys |= {"exposed_s": "link_exposed_s", "time_share": "link_time_share", "energy_j": "link_energy_j"}
    return {name: row[key] for row in share_link_rows(result) for key, name in keys.items()}
