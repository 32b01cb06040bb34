"""Replicas with pages, shared prefixes, deadlines and cancellation; what a system cannot do is refused."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pimsim import load_config, load_system, read_cluster, serve, write_cluster
from pimsim.base.errors import ConfigError, PimsimError, WorkloadInputError
from pimsim.present.text.cluster_report import print_cluster
from tests.support.closeness import near
from workloads.requests import Request

SHARED: dict[str, Any] = {"workload": {"model": "gpt2-small"}, "leakage_gating": "ungated"}
REPLICAS: dict[str, Any] = {"split": "replicas", "machines": {"a": "pim-llm"}} | SHARED
POOLS: dict[str, Any] = {
    "split": "phases",
    "machines": {"prefill": "pim-llm", "decode": "pim-llm"},
    "link": "ucie",
} | SHARED
PAGES = ("serving.kv_block_tokens=4", "serving.prefix_sharing=true", "serving.prefix_hash_tokens=4")
GROUPS = 3


def requests(count: int = 18, **service: Any) -> list[Request]:
    """Conversations in three groups: the prompts of a group have the first three of four blocks in common."""
    return [
        Request(
            id=str(number),
            arrival_s=0.1 * number,
            prompt_tokens=16,
            output_tokens=2,
            prefix_hashes=(*(100 * (number * 7 % GROUPS) + block for block in range(3)), 1_000 + number),
            **service,
        )
        for number in range(count)
    ]


def test_one_replica_with_pages_prefixes_and_cancellation_is_the_machine_alone(tmp_path: Path) -> None:
    asked = requests(8, latency_deadline_s=0.11, cancel_s=0.2)
    capacity = "machine.memory.capacity_bytes=78.5 MB"
    keys = [*PAGES, capacity, "serving.slo_ttft_s=0.05"]
    alone = serve(load_config("pim-llm", ["workload.model=gpt2-small", "leakage_gating=ungated", *keys]), asked)
    cluster = serve(load_system(REPLICAS, keys), asked)
    assert cluster.requests == alone.requests
    assert cluster.cancelled == alone.cancelled
    assert cluster.machines[0].iterations == alone.iterations
    assert [each.usage for each in cluster.kv_usages] == [alone.kv_usage]
    assert cluster.accounting == alone.accounting
    assert cluster.notes == alone.notes
    assert cluster.goodput == alone.goodput
    assert alone.goodput is not None
    write_cluster(cluster, tmp_path / "c.h5")
    assert read_cluster(tmp_path / "c.h5") == cluster


def test_each_machine_loads_its_weights() -> None:
    loads = []
    for machines in (1, 3):
        keys = [f"cluster.replicas.a={machines}", "cluster.routing=round_robin"]
        loads += [item for item in serve(load_system(REPLICAS, keys), requests(3)).accounting.left_out if item.once]
    one, three = loads
    assert (three.latency_ps, three.energy_j) == (3 * one.latency_ps, near(3 * one.energy_j, rel=1e-12))


def test_routing_by_prefixes_computes_fewer_tokens() -> None:
    """Each group of six is computed whole once on one machine, else once on each of three machines."""
    found = {
        rule: serve(load_system(REPLICAS, [*PAGES, "cluster.replicas.a=3", f"cluster.routing={rule}"]), requests())
        for rule in ("prefix_aware", "least_loaded")
    }
    aware, loaded = found["prefix_aware"], found["least_loaded"]
    assert aware.prefix_hit_rate is not None
    assert loaded.prefix_hit_rate is not None
    # 15 of 18 prompts find the first 12 of their 16 tokens.
    assert sum(each.usage.prefix_shared_tokens for each in aware.kv_usages) == (18 - GROUPS) * 12
    assert loaded.prefix_hit_rate <= aware.prefix_hit_rate
    assert aware.summary()["prefix_hit_rate"] == aware.prefix_hit_rate
    of_group = [{route.machine for route in aware.routes[group::GROUPS]} for group in range(GROUPS)]
    assert all(len(machines) == 1 for machines in of_group)


def test_cancelled_requests_make_room_in_the_central_queue() -> None:
    """One machine of one slot each: requests of 0.4 s that arrive together are cancelled after 0.5 s."""
    asked = [Request(id=str(n), arrival_s=0.0, prompt_tokens=8, output_tokens=4, cancel_s=0.2) for n in range(9)]
    keys = ["serving.max_batch=1", "cluster.replicas.a=2", "cluster.routing=central_queue"]
    result = serve(load_system(REPLICAS, keys), asked)
    assert result.complete
    assert result.cancelled
    left = {each.id for each in result.requests} | {each.id for each in result.cancelled}
    assert left == {each.id for each in asked}
    assert all(each.arrival_ps == 0 for each in result.cancelled)
    waited = [each for each in result.cancelled if each.admitted_ps < 0]
    assert waited
    assert {each.cancelled_ps for each in waited} == {200_000_000_000}  # not when a machine was free
    energies = [*(each.energy_j for each in result.requests), *(each.energy_j for each in result.cancelled)]
    assert math.fsum(energies) + result.idle_energy_j == near(result.energy_j, rel=1e-12)


@pytest.mark.parametrize(
    ("system", "settings", "message"),
    [
        (REPLICAS, ("serving.speculation.method=ngram",), "machines.a: serving.speculation.method: is modelled for a"),
        (POOLS, ("serving.kv_block_tokens=4",), "machines.prefill: serving.kv_block_tokens: a KV cache that travels"),
        (POOLS, (), "machines.prefill: cancel_s: requests that travel between machines are not cancelled"),
        (
            REPLICAS | {"machines": {"a": "pim-llm", "b": "pim-llm"}},
            ("machines.b.serving.slo_ttft_s=1",),
            "serving.slo_ttft_s: is None for a and 1.0 for b",
        ),
    ],
)
def test_what_several_machines_cannot_do_together_is_refused(
    system: dict[str, Any], settings: tuple[str, ...], message: str
) -> None:
    with pytest.raises((ConfigError, WorkloadInputError)) as caught:
        serve(load_system(system, settings), requests(2, cancel_s=1.0))
    assert message in str(caught.value)


def test_requests_that_are_all_cancelled_are_one_error() -> None:
    with pytest.raises(PimsimError, match="all 3 requests were cancelled"):
        serve(load_system(REPLICAS), requests(3, cancel_s=1e-6))


def test_the_report_states_the_swaps_of_all_machines() -> None:
    keys = ["serving.kv_block_tokens=4", "serving.preemption=swap", "serving.swap_tier={preset: ddr5}"]
    result = serve(load_system(REPLICAS, [*keys, "cluster.replicas.a=2", "cluster.routing=round_robin"]), requests(2))
    moved: dict[str, Any] = {"swaps_out": 1, "swap_out_bytes": 1 << 20, "swap_in_bytes": 1 << 20}
    moved |= {"swap_ps": 10**9, "swap_energy_j": 0.5}
    usages = tuple(each._replace(usage=replace(each.usage, **moved)) for each in result.kv_usages)
    print_cluster(replace(result, kv_usages=usages), file := io.StringIO())
    [line] = [each.split() for each in file.getvalue().splitlines() if each.startswith("swaps")]
    assert " ".join(line) == "swaps 2 MiB out, 2 MiB back 2 ms, 1 J"


@pytest.mark.parametrize("level", [(), ("serving.slo_tpot_s=1.0",)])
def test_a_decode_machine_asks_for_deadlines_of_last_tokens(level: tuple[str, ...]) -> None:
    """While the only slot is taken, two caches arrive; the first token of each is there, in time or not."""
    first, early, late = requests(3)
    asked = [
        replace(first, arrival_s=0.0, output_tokens=30),
        replace(early, arrival_s=0.1, output_tokens=4, ttft_deadline_s=1e-3),
        replace(late, arrival_s=0.1, output_tokens=3, ttft_deadline_s=9.0, latency_deadline_s=None if level else 2.0),
    ]
    keys = ["machines.decode.serving.max_batch=1", "serving.policy=deadline", *level]
    result = serve(load_system(POOLS, keys), asked)
    ends = [each.finished_ps for each in result.requests]
    assert ends[0] < ends[2] < ends[1]
    assert [each.service.ttft_deadline_ps for each in result.requests] == [-1, 101 * 10**9, 9_100 * 10**9]
