"""Items of a run: the counted ones add up to its figures, and those that are left out are what counting them adds."""

from __future__ import annotations

import math

import pytest

from pimsim import RunResult, load_config, simulate
from pimsim.config.schema import Config
from pimsim.mapping.circuit_costs import LINES
from pimsim.results.accounting import Accounting, CostItem
from pimsim.simulation import make_trace
from tests.support.closeness import near

PREFILL = ["workload.phase=prefill", "workload.prompt_length=100"]
ON = {
    "LM head": ["workload.lm_head=true"],
    "embedding": ["workload.embedding=true"],
    "quantisation passes": ["workload.quantisation=true"],
    "steps of the KV cache": ["workload.kv.scale_bits=32"],
}
OFF = [
    *("workload.lm_head=false", "workload.embedding=false", "workload.quantisation=false"),
    "workload.kv.scale_bits=0",
]
"""A run that leaves out all of these, as the published ones do."""


def config(*settings: str, machine: str = "pim-llm") -> Config:
    return load_config(machine, ["workload.model=gpt2-small", *settings])


def item(items: tuple[CostItem, ...], name: str) -> CostItem:
    (found,) = (each for each in items if each.name == name)
    return found


def names(items: tuple[CostItem, ...]) -> set[str]:
    return {each.name for each in items}


def dynamic_j(result: RunResult) -> float:
    return math.fsum(result.dynamic_energy_j(result.counts).values())


@pytest.mark.parametrize("machine", ["pim-llm-published", "pim-llm", "tpu-llm"])
@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
@pytest.mark.parametrize("more", [[], PREFILL, [*PREFILL, *(each for pair in ON.values() for each in pair)]])
def test_counted_items_add_up_to_the_run(machine: str, schedule: str, more: list[str]) -> None:
    result = simulate(config(f"schedule={schedule}", *more, machine=machine))
    counted = result.accounting.counted
    assert sum(each.energy_j for each in counted) == near(result.energy_j, rel=1e-9)
    assert all(each.latency_ps >= 0 and each.energy_j >= 0 for each in (*counted, *result.accounting.left_out))
    if schedule == "serial":
        assert sum(each.latency_ps for each in counted) == result.latency_ps
    assert not names(counted) & names(result.accounting.left_out)


def test_an_item_has_no_time_in_which_it_waits_for_others() -> None:
    """Under `contended`, weights of the LM head wait for the port while the array works on those before."""
    serial, contended = (simulate(config(f"schedule={each}")) for each in ("serial", "contended"))
    assert contended.latency_ps < serial.latency_ps
    for each in serial.accounting.counted:
        same = item(contended.accounting.counted, each.name)
        assert same.latency_ps == near(each.latency_ps, rel=0.01) or each.name == "projections"
    # Vectors that share links do not wait in the closed form either.
    assert (
        item(contended.accounting.counted, "projections").latency_ps
        <= 1.01 * item(serial.accounting.counted, "projections").latency_ps
    )


@pytest.mark.parametrize("machine", ["pim-llm", "tpu-llm"])
@pytest.mark.parametrize("phase", [[], PREFILL, ["workload.batch=6", "mapping.microbatches=3"]])
@pytest.mark.parametrize("name", ["LM head", "embedding", "steps of the KV cache"])
def test_what_is_left_out_is_what_counting_it_adds(machine: str, phase: list[str], name: str) -> None:
    """The closed form is held against the engine, which runs the same config with and without the item."""
    quantised = ["workload.quantisation=true"]
    # With quantisation counted, the LM head also has quantisation passes, which are an item of their own.
    without = simulate(config(*phase, *OFF, machine=machine))
    counted = simulate(config(*phase, *OFF, *ON[name], machine=machine))
    left_out = item(without.accounting.left_out, name)
    assert left_out.latency_ps == counted.latency_ps - without.latency_ps
    assert left_out.energy_j == near(dynamic_j(counted) - dynamic_j(without), rel=1e-6)
    assert name not in names(counted.accounting.left_out)
    assert name in names(simulate(config(*phase, *OFF, *quantised, machine=machine)).accounting.left_out)


@pytest.mark.parametrize("phase", [[], PREFILL])
def test_quantisation_passes_that_are_left_out(phase: list[str]) -> None:
    """Those of the layers and of the LM head: what counting everything adds, less what the other three items add."""
    without = simulate(config(*phase, *OFF))
    everything = simulate(config(*phase, *(each for pair in ON.values() for each in pair)))
    left_out = [item(without.accounting.left_out, name) for name in ON]
    assert sum(each.latency_ps for each in left_out) == everything.latency_ps - without.latency_ps
    total_j = dynamic_j(everything) - dynamic_j(without)
    assert math.fsum(each.energy_j for each in left_out) == near(total_j, rel=1e-9)
    assert not names(everything.accounting.left_out) & set(ON)
    if not phase:  # in a prefill, passes over scores that do not exist are part of another item
        counted = item(everything.accounting.counted, "quantisation passes")
        assert counted.latency_ps == item(without.accounting.left_out, "quantisation passes").latency_ps


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
@pytest.mark.parametrize("quantisation", ["false", "true"])
def test_masked_folds_are_what_skipping_them_saves(dataflow: str, quantisation: str) -> None:
    settings = [*PREFILL, f"machine.systolic.dataflow={dataflow}", f"workload.quantisation={quantisation}"]
    computed, skipped = (
        simulate(config(*settings, f"mapping.masked_folds={each}")) for each in ("computed", "skipped")
    )
    masked = item(computed.accounting.counted, "masked folds of attention")
    assert masked.latency_ps == computed.latency_ps - skipped.latency_ps > 0
    assert masked.energy_j == near(dynamic_j(computed) - dynamic_j(skipped), rel=1e-6)
    ours, theirs = (item(each.accounting.counted, "attention") for each in (computed, skipped))
    assert ours.latency_ps == theirs.latency_ps
    assert "masked folds of attention" not in names(skipped.accounting.counted)
    assert "masked folds of attention" not in names(simulate(config()).accounting.counted)


def test_leakage_is_counted_or_left_out_by_its_gating() -> None:
    gated, ungated, none = (
        simulate(config(f"leakage_gating={each}")) for each in ("idle_gated", "ungated", "not_charged")
    )
    charged_j = math.fsum(each.leakage_j for each in gated.components)
    whole_j = math.fsum(each.leakage_j for each in ungated.components)
    assert item(none.accounting.left_out, "leakage").energy_j == near(charged_j, rel=1e-12)
    assert item(gated.accounting.counted, "leakage").energy_j == near(charged_j, rel=1e-12)
    for run in (none, gated):
        idle_j = item(run.accounting.left_out, "leakage of idle components").energy_j
        assert idle_j == near(whole_j - charged_j, rel=1e-9)
    assert item(ungated.accounting.counted, "leakage").energy_j == near(whole_j, rel=1e-12)
    assert not {"leakage", "leakage of idle components"} & names(ungated.accounting.left_out)


def test_loading_the_weights_is_paid_once() -> None:
    result = simulate(config())
    loading = item(result.accounting.left_out, "loading the weights once")
    assert loading.once
    assert loading.latency_ps == result.weight_load_ps
    assert loading.energy_j == near(result.feasibility.weight_load_energy_j, rel=1e-12)
    streamed = simulate(config(machine="tpu-llm")).accounting.left_out
    assert "loading the weights once" not in names(streamed)


def test_a_trace_without_its_complete_one_says_nothing_of_the_model() -> None:
    base = config()
    left_out = simulate(base, make_trace(base)).accounting.left_out
    assert names(left_out) == {LINES, "leakage of idle components", "loading the weights once"}


def test_accounting_of_a_machine_that_leaves_nothing_out_has_no_such_list() -> None:
    everything = [each for pair in ON.values() for each in pair]
    result = simulate(config(*everything, "leakage_gating=ungated", machine="tpu-llm"))
    assert result.accounting.left_out == ()
    assert result.accounting != Accounting()


def test_activations_beyond_the_global_buffer_by_hand() -> None:
    """Each of 32 layers writes 31,457,280 - 8,388,608 bytes to memory and reads them back once.

    Per byte 1 / 51.2 GB/s each way; LPDDR5 takes 3.76 pJ to write a bit and 5.46 pJ to read one.
    """
    result = simulate(load_config("pim-llm", ["workload.phase=prefill", "workload.prompt_length=512"]))
    memory = result.config.machine.memory
    size_bytes = 32 * (31_457_280 - 8_388_608)
    spilled = item(result.accounting.left_out, "activations beyond the global buffer")
    assert spilled.latency_ps == near(2 * size_bytes / 51.2e9 * 1e12, rel=1e-4)
    assert spilled.energy_j == near(
        8 * size_bytes * (memory.write_energy_j_per_bit + memory.read_energy_j_per_bit), rel=1e-9
    )
    assert spilled.energy_j == near(8 * size_bytes * 9.22e-12, rel=1e-2)
    assert not spilled.once
