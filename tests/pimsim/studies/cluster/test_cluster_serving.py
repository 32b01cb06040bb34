"""Systems that serve: against one machine alone, against `pimsim run` of the same pair, and sums of energies."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pimsim import ClusterResult, Config, load_config, load_system, poisson_requests, run_system, serve
from pimsim.base.errors import ConfigError, WorkloadInputError
from pimsim.mapping.pass_options import counted_options
from pimsim.studies.cluster.cluster_records import NO_MACHINE
from pimsim.studies.cluster.cluster_serving import ClusterInterrupted
from pimsim.studies.serving.iteration_costs import StepCosts
from tests.support.closeness import near
from tests.support.counts import DEEP
from workloads import find_model
from workloads.requests import Request

SHARED: dict[str, Any] = {"workload": {"model": "gpt2-small"}, "leakage_gating": "ungated"}
ONE: dict[str, Any] = {"split": "replicas", "machines": {"a": "pim-llm"}} | SHARED
PAIR: dict[str, Any] = {
    "split": "phases",
    "machines": {"prefill": "pim-llm", "decode": "pim-llm"},
    "link": "ethernet-100g",
} | SHARED
REQUESTS = poisson_requests(60.0, 14, prompt="uniform:4:12", output="uniform:1:5", seed=3)
ALONE = load_config("pim-llm", ["workload.model=gpt2-small", "leakage_gating=ungated"])


@pytest.fixture(scope="module")
def pools() -> ClusterResult:
    return serve(load_system(PAIR, ["cluster.replicas.prefill=2", "cluster.replicas.decode=2"]), REQUESTS)


def test_one_replica_is_the_machine_alone_bit_for_bit() -> None:
    alone, cluster = serve(ALONE, REQUESTS), serve(load_system(ONE), REQUESTS)
    assert cluster.requests == alone.requests
    assert cluster.machines[0].iterations == alone.iterations
    assert cluster.accounting == alone.accounting
    assert cluster.notes == alone.notes
    assert cluster.check == alone.check
    one, all_of_them = alone.summary(), cluster.summary()
    same = one.keys() & all_of_them.keys() - {"name"}
    assert {key: one[key] for key in same} == {key: all_of_them[key] for key in same}
    assert len(same) > 30


@pytest.mark.parametrize("output", [4, *([1] if DEEP else [])])
@pytest.mark.parametrize("link", [{"bandwidth_bps": 1e18}, *(["ethernet-100g"] if DEEP else [])])
def test_a_request_alone_takes_the_time_of_a_generation_of_the_same_pair(link: object, output: int) -> None:
    """`pimsim run` sends the cache layer by layer as well, and under the serial schedule nothing overlaps."""
    system = load_system(
        PAIR | {"link": link},
        ["workload.prompt_length=7", f"workload.new_tokens={max(2, output)}", "workload.samples=9"],
    )
    request = Request(id="x", arrival_s=1.0, prompt_tokens=7, output_tokens=output)
    [record] = serve(system, [request]).requests
    [alone] = serve(ALONE, [Request(id="x", arrival_s=1.0, prompt_tokens=7, output_tokens=1)]).requests
    assert record.ttft_ps == alone.latency_ps
    assert record.latency_ps == (run_system(system).latency_ps if output > 1 else alone.latency_ps)


def test_times_of_the_machine_alone_and_of_the_link_add_up() -> None:
    """A closed form by hand: the prefill, a link of 1 Gb/s, then three decode steps at 8, 9 and 10 tokens."""
    system = load_system(PAIR | {"link": {"bandwidth_bps": 1e9, "latency_s": 2e-6, "energy_j_per_bit": 1e-12}})
    result = serve(system, [Request(id="x", arrival_s=0.0, prompt_tokens=7, output_tokens=4)])
    costs = StepCosts(ALONE)
    prefill, *decodes = (
        costs.of(((queries, context, 1),), 1) for queries, context in ((7, 7), (1, 8), (1, 9), (1, 10))
    )
    layer_bytes = 2 * 12 * 7 * (64 + 4)  # keys and values, 12 heads, 7 tokens, 64 elements with a scale of 32 bits
    link_ps = 12 * (2_000_000 + 8 * layer_bytes * 1_000)
    [record], [transfer] = result.requests, result.transfers
    assert transfer.end_ps - transfer.start_ps == link_ps
    assert record.latency_ps == prefill.latency_ps + link_ps + sum(each.latency_ps for each in decodes)
    assert record.dynamic_energy_j == near(
        math.fsum(each.shared_j + sum(each.attention_j) for each in (prefill, *decodes)) + transfer.energy_j, rel=1e-12
    )
    assert transfer.link_j == near(8 * 12 * layer_bytes * 1e-12)


def test_bytes_over_the_link_are_those_of_the_caches(pools: ClusterResult) -> None:
    kv, spec = counted_options(ALONE)["kv"], find_model("gpt2-small")
    sent = [each for each in REQUESTS if each.output_tokens > 1]
    assert sorted(each.request for each in pools.transfers) == sorted(each.id for each in sent)
    assert sum(each.size_bytes for each in pools.transfers) == sum(
        kv.sequence_bytes(spec, each.prompt_tokens) for each in sent
    )
    traffic = pools.memory_traffic
    steps = [each.traffic for machine in pools.machines for each in machine.iterations]
    assert traffic.kv_read_bytes == sum(each.kv_read_bytes for each in steps) + pools.summary()["transfer_bytes"]
    assert [row["bytes"] for row in pools.link_rows()] == [pools.summary()["transfer_bytes"]]


def test_energies_of_machines_links_requests_and_items_add_up(pools: ClusterResult) -> None:
    machines = math.fsum(row["energy_j"] for row in pools.machine_rows())
    links = math.fsum(row["energy_j"] for row in pools.link_rows())
    assert machines + links == near(pools.energy_j, rel=1e-12)
    assert pools.requests_energy_j + pools.idle_energy_j == near(pools.energy_j, rel=1e-12)
    assert math.fsum(each.energy_j for each in pools.accounting.counted) == near(pools.energy_j, rel=1e-12)
    idle_ps = sum(pools.span_ps - each.busy_ps for each in pools.machines)
    assert pools.idle_energy_j == near(pools.machines[0].idle_power_w * idle_ps * 1e-12, rel=1e-12)
    assert pools.machines[0].idle_power_w > 0


def test_each_request_has_its_machines(pools: ClusterResult) -> None:
    assert [each.id for each in pools.requests] == [each.id for each in REQUESTS]
    for request, route in zip(pools.requests, pools.routes, strict=True):
        assert route.machine in (0, 1)
        assert route.decode_machine in ((NO_MACHINE,) if request.output_tokens == 1 else (2, 3))
    assert sum(each.requests for each in pools.machines[:2]) == len(REQUESTS)
    assert sum(each.output_tokens for each in pools.machines) == sum(each.output_tokens for each in REQUESTS)
    ports = load_system(PAIR, ["cluster.ports=per_machine"])
    rows = list(serve(ports, REQUESTS).link_rows())
    assert [row["link"] for row in rows] == ["link.prefill", "link.decode"]
    assert rows[0]["energy_j"] + rows[1]["energy_j"] == near(next(iter(pools.link_rows()))["energy_j"])


def test_different_machines_have_their_own_policies_and_batches() -> None:
    small = {"extends": "pim-llm", "name": "small", "serving": {"max_batch": 1}}
    system = load_system({"split": "replicas", "machines": {"a": "pim-llm", "b": small}} | SHARED)
    result = serve(system, [Request(id=str(n), arrival_s=0.0, prompt_tokens=4, output_tokens=2) for n in range(6)])
    assert [each.requests for each in result.machines] == [3, 3]
    assert [max(step.running for step in each.iterations) for each in result.machines] == [3, 1]
    assert result.simulations == serve(load_system(ONE), REQUESTS[:1]).simulations or result.simulations > 0


@pytest.mark.parametrize(
    ("system", "settings", "message"),
    [
        (PAIR | {"link": "shared"}, (), "lets machines share a memory"),
        (
            PAIR,
            ("machines.decode.machine.memory.capacity_bytes=80 MiB",),
            "machines.decode: request '1' can never be served",
        ),
    ],
)
def test_systems_that_cannot_serve_are_refused(system: dict[str, Any], settings: tuple[str, ...], message: str) -> None:
    requests = [Request(id="1", arrival_s=0.0, prompt_tokens=400, output_tokens=200)]
    with pytest.raises((ConfigError, WorkloadInputError)) as caught:
        serve(load_system(SHARED | system, settings), requests)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("system", "keys"),
    [
        (PAIR, ("machines.decode.machine.memory.capacity_bytes=78.9 MB", "cluster.replicas.decode=2")),
        *(
            [
                (PAIR, ("cluster.decode_routing=central_queue", "cluster.replicas.decode=2", "serving.max_batch=2")),
                (ONE, ("cluster.routing=central_queue", "cluster.replicas.a=2", "serving.max_batch=2")),
            ]
            if DEEP
            else []
        ),
    ],
)
def test_decode_iterations_that_are_one_sum_change_nothing(
    system: dict[str, Any], keys: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caches wait for a memory with room for about two of them, or requests for slots: others see no future space."""
    requests = poisson_requests(80.0, 10, prompt=16, output="uniform:2:9", seed=5)
    found = serve(load_system(system, keys), requests)
    monkeypatch.setattr(StepCosts, "stretch", lambda *_: None)
    plain = serve(load_system(system, keys), requests)
    assert [each[3:7] for each in found.requests] == [each[3:7] for each in plain.requests]
    assert found.routes == plain.routes
    assert found.transfers == plain.transfers
    waits = [each.asked_ps - each.ready_ps for each in found.transfers] or [each.wait_ps for each in found.requests]
    assert max(waits) > 0


def test_an_interruption_keeps_the_finished_requests() -> None:
    def interrupted(done: int, count: int) -> None:
        assert count == len(REQUESTS)
        if done > 5:
            raise KeyboardInterrupt

    with pytest.raises(ClusterInterrupted) as caught:
        serve(load_system(PAIR), REQUESTS, interrupted)
    result = caught.value.result
    assert 5 < len(result.requests) < len(REQUESTS)
    assert not result.complete
    assert len(result.routes) == len(result.requests)
    assert result.check.steps == 0


def test_an_interruption_before_the_first_request_has_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: StepCosts, groups: Any, outputs: int) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(StepCosts, "of", interrupted)
    with pytest.raises(KeyboardInterrupt) as nothing:
        serve(load_system(PAIR), REQUESTS)
    assert not isinstance(nothing.value, ClusterInterrupted)


def test_a_config_is_served_as_before() -> None:
    assert isinstance(ALONE, Config)
    assert serve(ALONE, REQUESTS[:2]).offered == 2
