"""Systems that divide each layer and serve: against `pimsim run` of the system, one machine, and closed forms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pimsim import ClusterResult, Config, load_config, load_system, poisson_requests, serve
from pimsim.base.errors import CapacityError, ConfigError, WorkloadInputError
from pimsim.base.units import to_ps
from pimsim.config.system_file import System
from pimsim.results.run_result import RunResult
from pimsim.studies.cluster.cluster_serving import ClusterInterrupted
from pimsim.studies.serving import iteration_costs
from pimsim.studies.serving.iteration_table import IterationRecord
from pimsim.studies.splitting.system_runs import SystemRuns
from tests.support.closeness import near
from workloads.requests import Request

LAYERS, WIDTH, CHIPS = 12, 768, 4  # GPT-2 small
MODEL: dict[str, Any] = {"workload": {"model": "gpt2-small"}}
FREE: dict[str, Any] = {"bandwidth_bps": 1e18, "latency_s": 0.0, "energy_j_per_bit": 0.0}
ATTENTION: dict[str, Any] = MODEL | {
    "split": "attention",
    "machines": {"attention": "tpu-llm", "projections": "pim-llm"},
    "link": "pcie5-x16",
}
TENSOR: dict[str, Any] = MODEL | {
    "split": "tensor",
    "machines": {"chip": "tpu-llm"},
    "chips": CHIPS,
    "link": {"bandwidth_bps": 1e12, "latency_s": 500e-9, "energy_j_per_bit": 1e-12},
}
REQUESTS = poisson_requests(60.0, 10, prompt="uniform:4:12", output="uniform:1:5", seed=3)
LATE = Request(id="late", arrival_s=9.0, prompt_tokens=4, output_tokens=2)
MIXED = ("serving.policy=mixed", "leakage_gating=ungated")


def equal_requests(count: int, prompt: int = 7, output: int = 4) -> list[Request]:
    return [Request(id=str(n), arrival_s=0.0, prompt_tokens=prompt, output_tokens=output) for n in range(count)]


def passes(tree: dict[str, Any], batch: int) -> list[RunResult]:
    """Simulate the prefill of seven tokens and three decode steps with `pimsim run`."""
    runs = SystemRuns(load_system(tree, [f"workload.batch={batch}"]))
    first = runs.system.first
    shapes = [{"phase": "prefill", "prompt_length": 7}]
    shapes += [{"phase": "decode", "context_length": context} for context in (8, 9, 10)]
    return [
        runs.simulate(first.model_copy(update={"workload": first.workload.model_copy(update=each)})) for each in shapes
    ]


@pytest.mark.parametrize("tree", [ATTENTION, TENSOR, TENSOR | {"schedule": "dataflow"}], ids=["a", "t", "dataflow"])
@pytest.mark.parametrize("batch", [1, 3])
def test_equal_requests_take_the_runs_of_the_system_with_their_batch(tree: dict[str, Any], batch: int) -> None:
    result, runs = serve(load_system(tree), equal_requests(batch)), passes(tree, batch)
    assert {each.latency_ps for each in result.requests} == {sum(each.latency_ps for each in runs)}
    assert {each.ttft_ps for each in result.requests} == {runs[0].latency_ps}
    assert result.energy_j == near(math.fsum(each.energy_j for each in runs), rel=1e-12)
    assert result.memory_traffic == sum((each.memory_traffic for each in runs[1:]), runs[0].memory_traffic)
    [link] = result.link_rows()
    sent = (count for each in runs for action, count in each.counts.items() if action.startswith("link."))
    assert 8 * link["bytes"] == sum(sent)


def test_attention_on_an_equal_machine_behind_a_free_link_is_one_machine() -> None:
    """Mixed iterations too: prompts join others that decode."""
    both = {"machines": {"attention": "pim-llm", "projections": "pim-llm"}, "link": FREE}
    one = serve(load_config("pim-llm", ["workload.model=gpt2-small", *MIXED]), REQUESTS)
    result = serve(load_system(ATTENTION | both, MIXED), REQUESTS)
    assert [each[1:7] for each in result.requests] == [each[1:7] for each in one.requests]
    assert max(each.running for each in one.iterations) > 2
    assert max(each.prefills * each.decodes for each in one.iterations) > 0


def test_a_ring_adds_its_closed_form_to_each_iteration() -> None:
    """2 (n - 1) (L + 8 B / (n W)) for each of two sums of 16 bits in each layer (Patarasuk and Yuan)."""
    timed = serve(load_system(TENSOR), equal_requests(1))
    free = serve(load_system(TENSOR | {"link": FREE}), equal_requests(1))
    rings_ps = []
    for tokens in (7, 1, 1, 1):
        piece = tokens * WIDTH * 2 // CHIPS
        rings_ps.append(2 * LAYERS * 2 * (CHIPS - 1) * (to_ps(500e-9) + 8 * piece))  # 1 ps per bit
    added = [
        (slow.end_ps - slow.start_ps) - (fast.end_ps - fast.start_ps)
        for slow, fast in zip(timed.machines[0].iterations, free.machines[0].iterations, strict=True)
    ]
    assert added == rings_ps
    [link] = timed.link_rows()
    assert link["exposed_s"] == link["busy_s"] == near(sum(rings_ps) * 1e-12, rel=1e-12)
    assert link["time_share"] == near(sum(rings_ps) / timed.busy_ps, rel=1e-12)
    assert link["energy_j"] == near(8 * link["bytes"] * 1e-12, rel=1e-12)


def test_chips_behind_free_links_divide_what_grows_with_the_context() -> None:
    """Scores, softmax, values and the cache belong to heads, of which each chip has a fourth."""

    def growth_ps(result: Sequence[IterationRecord]) -> int:
        first, last = result[1], result[-1]
        return (last.end_ps - last.start_ps) - (first.end_ps - first.start_ps)

    requests = equal_requests(1, prompt=32, output=34)
    one = serve(load_config("tpu-llm", ["workload.model=gpt2-small"]), requests).iterations
    split = serve(load_system(TENSOR | {"link": FREE}), requests).machines[0].iterations
    assert CHIPS * growth_ps(split) == growth_ps(one) > 0


@pytest.fixture(scope="module", params=[ATTENTION, TENSOR], ids=["attention", "tensor"])
def served(request: pytest.FixtureRequest) -> ClusterResult:
    return serve(load_system(request.param, MIXED), [*REQUESTS, LATE])


def test_energies_of_machines_and_the_link_add_up(served: ClusterResult) -> None:
    rows = [*served.machine_rows(), *served.link_rows()]
    assert math.fsum(row["energy_j"] for row in rows) == near(served.energy_j, rel=1e-12)
    assert math.fsum(each.energy_j for each in served.accounting.counted) == near(served.energy_j, rel=1e-12)
    assert served.requests_energy_j + served.idle_energy_j == near(served.energy_j, rel=1e-12)
    assert served.idle_energy_j > 0
    assert [row["max_kv_bytes"] > 0 for row in served.machine_rows()] in ([True, False], [True])


def test_sums_of_passes_are_whole_passes(served: ClusterResult) -> None:
    assert (served.method, served.check.steps, served.check.latency_error) == ("parts", 8, 0.0)
    assert served.check.energy_error < 1e-12
    mixed = {(each.prefills, each.decodes) for each in served.machines[0].iterations}
    assert any(prompts and steps for prompts, steps in mixed)


def test_passes_that_are_forgotten_and_simulated_again_leave_every_sum(
    served: ClusterResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iteration_costs, "MAX_WHOLES", 4)
    again = serve(replace(served.system, machines=_with_few_steps(served.system)), [*REQUESTS, LATE])
    assert again.simulations > served.simulations
    assert again.requests == served.requests
    for one, other in zip(again.shares, served.shares, strict=True):
        assert one[3:] == near(other[3:], rel=1e-12)


def _with_few_steps(system: System) -> dict[str, Config]:
    """Return configs with a small `max_simulated_steps`, below which passes are never forgotten."""
    return {
        role: config.model_copy(update={"serving": config.serving.model_copy(update={"max_simulated_steps": 1})})
        for role, config in system.machines.items()
    }


def test_under_dataflow_steps_are_interpolated_after_a_limit_and_checked() -> None:
    settings = ["schedule=dataflow", "serving.max_simulated_steps=4", "leakage_gating=idle_gated"]
    requests = [Request(id=str(n), arrival_s=0.0, prompt_tokens=20 + 9 * n, output_tokens=40) for n in range(3)]
    result = serve(load_system(ATTENTION, settings), requests)
    assert result.method == "grid"
    assert 0 < result.check.latency_error < 0.05
    rows = [*result.machine_rows(), *result.link_rows()]
    assert math.fsum(row["energy_j"] for row in rows) == near(result.energy_j, rel=1e-12)


@pytest.mark.parametrize(("tree", "role", "chips"), [(ATTENTION, "attention", 1), (TENSOR, "chip", CHIPS)])
def test_kv_caches_fill_the_memory_that_holds_them(tree: dict[str, Any], role: str, chips: int) -> None:
    """Beside the weights of a chip: keys and values of 12 heads in 12 layers, 64 codes and a scale of 32 bits each."""
    each_bytes = 2 * LAYERS * 12 * (7 + 3) * (64 + 4)
    held = passes(tree, 1)[1].memory_use
    assert held is not None
    weight_bytes = held.memory_weight_bytes // chips if role == "chip" else 0
    for short, running in ((0, 2), (1, 1)):
        capacity = weight_bytes + 2 * each_bytes // chips - short
        system = load_system(tree, [f"machines.{role}.machine.memory.capacity_bytes={capacity}"])
        result = serve(system, equal_requests(3))
        assert max(each.running for each in result.machines[0].iterations) == running
        assert max(row["max_kv_bytes"] for row in result.machine_rows()) == running * each_bytes


@pytest.mark.parametrize(
    ("tree", "settings", "message"),
    [
        (ATTENTION | {"link": "shared"}, (), "lets machines share a memory"),
        (ATTENTION, ("machines.attention.serving.max_batch=2",), "serving.max_batch: is 2 for attention and"),
        (TENSOR | {"chips": 5}, (), "does not divide gpt2-small"),
        (ATTENTION, ("machines.attention.machine.memory.capacity_bytes=1 MB",), "request '0' can never be served"),
        (TENSOR, ("serving.speculation.method=acceptance",), "machines.chip: serving.speculation.method"),
    ],
)
def test_systems_that_cannot_serve_are_refused(tree: dict[str, Any], settings: tuple[str, ...], message: str) -> None:
    with pytest.raises((ConfigError, WorkloadInputError, CapacityError)) as caught:
        serve(load_system(tree, settings), equal_requests(1, 100, 20))
    assert message in str(caught.value)


def test_an_interruption_keeps_the_finished_requests() -> None:
    def stop(done: int, _: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(ClusterInterrupted) as caught:
        serve(load_system(TENSOR), REQUESTS, stop)
    assert 0 < len(caught.value.result.requests) < len(REQUESTS)
    assert not caught.value.result.complete
