"""What served requests count and leave out, over all iterations."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pimsim import generate, load_config, poisson_requests, serve, simulate
from pimsim.config.schema import Config
from pimsim.studies.serving.iteration_costs import StepCosts
from pimsim.studies.serving.serving_store import read_serving, write_serving
from tests.support.closeness import near


def config(*settings: str) -> Config:
    return load_config("pim-llm", ["workload.model=gpt2-small", *settings])


REQUESTS = poisson_requests(30, 12, prompt="uniform:3:40", output=4, seed=2)
SPARSE = poisson_requests(1, 12, prompt="uniform:3:40", output=4, seed=2)
"""Requests between which the machine is idle."""


@pytest.mark.parametrize("gating", ["idle_gated", "ungated", "not_charged"])
@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
def test_counted_items_add_up_to_the_total(schedule: str, gating: str) -> None:
    requests = SPARSE if schedule == "serial" else REQUESTS[:2]
    result = serve(config(f"schedule={schedule}", f"leakage_gating={gating}", "serving.policy=mixed"), requests)
    counted = result.accounting.counted
    assert math.fsum(each.energy_j for each in counted) == near(result.energy_j, rel=1e-9)
    if schedule == "serial":
        assert sum(each.latency_ps for each in counted) == result.busy_ps
    between = [each.energy_j for each in counted if each.name == "leakage between iterations"]
    assert between == ([near(result.idle_energy_j, rel=1e-9)] if gating == "ungated" and result.idle_ps else [])
    assert schedule == "dataflow" or result.idle_ps


def test_the_lm_head_that_is_left_out_is_what_counting_it_adds() -> None:
    """With one request at a time, no iteration depends on how long others take.

    The passes that quantise the inputs of the LM head and scale its sums are an item of their own.
    """
    alone = ["serving.max_batch=1", "leakage_gating=not_charged"]
    without, counted = (serve(config(*alone, f"workload.lm_head={flag}"), REQUESTS) for flag in ("false", "true"))
    head = [each for each in without.accounting.left_out if each.name in ("LM head", "quantisation passes")]
    assert len(head) == 2
    assert sum(each.latency_ps for each in head) == counted.busy_ps - without.busy_ps
    assert math.fsum(each.energy_j for each in head) == near(counted.energy_j - without.energy_j, rel=1e-6)
    assert "LM head" in {each.name for each in counted.accounting.counted}
    (loading,) = (each for each in without.accounting.left_out if each.once)
    assert loading.latency_ps == simulate(config()).weight_load_ps


@pytest.mark.parametrize("gating", ["idle_gated", "not_charged"])
@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
def test_leakage_that_is_left_out_is_what_no_gating_adds(schedule: str, gating: str) -> None:
    """Of busy and idle components, from the first arrival to the end, times between requests included."""
    settings = [f"schedule={schedule}", "serving.max_batch=2"]
    requests = REQUESTS if schedule == "serial" else REQUESTS[:2]
    some, ungated = (serve(config(*settings, f"leakage_gating={each}"), requests) for each in (gating, "ungated"))
    left_out = [each for each in some.accounting.left_out if each.name.startswith("leakage")]
    assert "leakage of idle components" in {each.name for each in left_out}
    assert math.fsum(each.energy_j for each in left_out) == near(ungated.energy_j - some.energy_j, rel=1e-6)
    assert not {each.name for each in ungated.accounting.left_out} & {each.name for each in left_out}


def test_one_prompt_leaves_out_what_its_prefill_leaves_out() -> None:
    served = serve(config(), poisson_requests(1, 1, prompt=20, output=1)).accounting
    run = simulate(config("workload.phase=prefill", "workload.prompt_length=20")).accounting
    assert {each.name: each.energy_j for each in served.left_out} == {
        each.name: near(each.energy_j, rel=1e-9) for each in run.left_out
    }
    assert [each.name for each in served.counted] == [each.name for each in run.counted]


@pytest.mark.parametrize("output", [1, 9])
def test_counted_items_are_listed_as_those_of_a_run(output: int) -> None:
    """The longest first, and leakage, which has no time, last."""
    settings = ["workload.prompt_length=20", f"workload.new_tokens={output}"]
    for result in (serve(config(), poisson_requests(1, 1, prompt=20, output=output)), generate(config(*settings))):
        counted = result.accounting.counted
        assert [each.latency_ps for each in counted] == sorted((each.latency_ps for each in counted), reverse=True)
        assert [each.name for each in counted][-1] == "leakage"


@pytest.mark.parametrize(("width_bits", "short"), [(64, True), (512, False)])
def test_iterations_that_are_faster_than_the_port_are_said(width_bits: int, short: bool) -> None:
    """Under dataflow ops do not wait for the port. A run of the prompt alone has the same note or none."""
    slow = config(
        "schedule=dataflow",
        "workload.lm_head=false",
        "machine.systolic.count=4",
        "machine.vector.count=4",
        f"machine.sram.width_bits={width_bits}",
    )
    served = serve(slow, poisson_requests(1, 1, prompt=20, output=3))
    told = [each for each in served.notes if each.startswith("in 3 of 3 iterations the accesses of the global buffer")]
    assert (len(told), len([each for each in served.notes if "machine.sram.ports" in each])) == (short, short)
    phase = {"phase": "prefill", "prompt_length": 20}
    alone = simulate(slow.model_copy(update={"workload": slow.workload.model_copy(update=phase)}))
    assert any("machine.sram.ports" in each for each in alone.notes) == short


@pytest.mark.parametrize("capacity_bytes", ["16 GiB", "null"])
def test_activations_beyond_the_global_buffer_are_those_of_the_largest_iteration(capacity_bytes: str) -> None:
    """A prompt of 512 in an iteration of its own needs what its prefill needs; one of 20 needs nothing."""
    memory = f"machine.memory.capacity_bytes={capacity_bytes}"
    large, small = (
        serve(load_config("pim-llm", [memory]), poisson_requests(1, 1, prompt=prompt, output=2)) for prompt in (512, 20)
    )
    prefill = simulate(load_config("pim-llm", [memory, "workload.phase=prefill", "workload.prompt_length=512"]))
    [note] = [each for each in prefill.notes if "too small" in each]
    assert [each for each in large.notes if "too small" in each] == [note]
    assert not [each for each in small.notes if "too small" in each]
    # The decode step beside it spills nothing, so the price is that of the prefill.
    spilled, of_prefill, of_small = (
        [each for each in result.accounting.left_out if each.name == "activations beyond the global buffer"]
        for result in (large, prefill, small)
    )
    assert spilled == of_prefill
    assert len(spilled) == 1
    assert not of_small


def test_interpolated_iterations_count_in_proportion() -> None:
    result = serve(config("schedule=dataflow", "serving.max_simulated_steps=2"), REQUESTS[:6])
    assert result.method == "grid"
    counted = math.fsum(each.energy_j for each in result.accounting.counted)
    assert counted == near(result.energy_j, rel=1e-2)


def test_costs_of_an_earlier_run_do_not_count_twice() -> None:
    base = config()
    costs = StepCosts(base)
    first, second = (serve(base, REQUESTS, costs=costs) for _ in range(2))
    assert first.accounting == second.accounting


def test_a_stored_result_keeps_its_items(tmp_path: Path) -> None:
    result = serve(config(), REQUESTS[:2])
    write_serving(result, tmp_path / "served.h5")
    assert read_serving(tmp_path / "served.h5").accounting == result.accounting
    assert result.to_dict()["left_out"] == result.accounting.to_dict()["left_out"]
