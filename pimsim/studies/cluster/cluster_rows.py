"""Flat rows of a cluster's result: machines, links and transfers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pimsim.base.units import ps_to_s
from pimsim.studies.cluster.cache_link import SHARED_LINK

if TYPE_CHECKING:
    from pimsim.studies.cluster.cluster_result import ClusterResult


def machine_rows(result: ClusterResult) -> Iterator[dict[str, Any]]:
    """Return one row per machine: requests, load, energy in joules.

    Args:
        result: Result of the run.

    Yields:
        Flat rows.
    """
    usages = {each.machine: each.usage.summary() for each in result.kv_usages}
    memory_j = [0.0] * len(result.machines)
    upkeep_j = [0.0] * len(result.machines)
    for pause in result.pauses:
        upkeep_j[pause.machine] += pause.pause.energy_j
    for transfer in result.transfers:
        memory_j[transfer.sender] += transfer.read_j
        memory_j[transfer.receiver] += transfer.write_j
    for place, (each, moved_j) in enumerate(zip(result.machines, memory_j, strict=True)):
        idle_j = each.idle_energy_j(result.span_ps)
        yield {
            "machine": each.name,
            "role": each.role,
            "config": each.config_name,
            "requests": each.requests,
            "output_tokens": each.output_tokens,
            "iterations": len(each.iterations),
            "busy_s": ps_to_s(each.busy_ps),
            "utilisation": each.busy_ps / result.span_ps if result.span_ps else 0.0,
            "mean_batch": each.mean_batch,
            "max_kv_bytes": each.max_kv_bytes,
            "dynamic_energy_j": each.dynamic_energy_j,
            "leakage_energy_j": each.leakage_energy_j,
            "idle_energy_j": idle_j,
            "transfer_energy_j": moved_j,
            **({"upkeep_energy_j": upkeep_j[place]} if result.pauses else {}),
            "energy_j": each.dynamic_energy_j + each.leakage_energy_j + idle_j + moved_j + upkeep_j[place],
            **usages.get(place, {}),
        }


def link_rows(result: ClusterResult) -> Iterator[dict[str, Any]]:
    """Return one row for the shared link, or for each port: bytes, busy time, energy in joules.

    Args:
        result: Result of the run.

    Yields:
        Flat rows.
    """
    shared = result.system.cluster.ports == "shared"
    names = [SHARED_LINK] if shared else [f"{SHARED_LINK}.{each.name}" for each in result.machines]
    for index, name in enumerate(names if result.system.link.bandwidth_bps is not None else ()):
        own = [each for each in result.transfers if shared or index in (each.sender, each.receiver)]
        busy_ps = sum(each.link_ps for each in own)
        yield {
            "link": name,
            "transfers": len(own),
            "bytes": sum(each.size_bytes for each in own),
            "busy_s": ps_to_s(busy_ps),
            "utilisation": busy_ps / result.span_ps if result.span_ps else 0.0,
            "energy_j": math.fsum(each.link_j for each in own) * (1 if shared else 0.5),
        }


def transfer_rows(result: ClusterResult) -> Iterator[dict[str, Any]]:
    """Return one row per transfer: machines, bytes, times in seconds and energies in joules.

    Args:
        result: Result of the run.

    Yields:
        Flat rows.
    """
    for each in result.transfers:
        yield {
            "request": each.request,
            "sender": result.machines[each.sender].name,
            "receiver": result.machines[each.receiver].name,
            "bytes": each.size_bytes,
            "ready_s": ps_to_s(each.ready_ps),
            "asked_s": ps_to_s(each.asked_ps),
            "start_s": ps_to_s(each.start_ps),
            "end_s": ps_to_s(each.end_ps),
            "link_energy_j": each.link_j,
            "read_energy_j": each.read_j,
            "write_energy_j": each.write_j,
        }
