"""Which machine of an attention split executes which op, and passes of machines that share memories."""

from __future__ import annotations

import pytest

from pimsim import load_config, simulate
from pimsim.config.system_file import load_system
from pimsim.studies.splitting.system_runs import SystemRuns, attention_placement
from tests.support.closeness import near
from workloads.decoder_ops import decode_step
from workloads.models import find_model
from workloads.ops import BLOCK_INPUT, KVAppend, Norm, Quantise
from workloads.trace import Block

CACHE = {
    *("kv_append", "scores", "scores_dequantise", "softmax", "probabilities_quantise", "values", "values_dequantise"),
    "attended_quantise",
}


def test_the_cache_and_what_follows_from_it_are_on_one_machine() -> None:
    layer = decode_step(find_model("llama-3-8b"), 64, quantisation=True).blocks[0]
    roles = attention_placement(layer)
    assert {name for name, role in roles.items() if role == "attention"} == CACHE
    assert roles["attn_residual"] == roles["ffn_down"] == "projections"


def test_a_group_of_cached_tokens_is_quantised_where_the_cache_is() -> None:
    key = Norm("key", (BLOCK_INPUT,), norm="rmsnorm", vectors=1, elements=64)
    whole = Quantise("whole", ("key",), vectors=1, elements=64)
    group = Quantise("group", ("key",), vectors=64, elements=16)
    append = KVAppend("append", ("group",), tokens=1, kv_heads=1, d_head=64, bits=8)
    roles = attention_placement(Block(name="layer", repeat=1, ops=(key, whole, group, append)))
    assert roles == {"key": "projections", "whole": "projections", "group": "attention", "append": "attention"}


@pytest.mark.parametrize(
    ("machine", "settings"),
    [
        ("pim-llm-near-memory", ("leakage_gating=idle_gated",)),  # powers the banks that its units read
        ("pim-llm-sram-attention", ("machine.sram_cim.macros=8", "machine.sram_cim.swap_macros=2")),
    ],
)
def test_attention_where_the_cache_lies_costs_as_much_as_on_one_machine(
    machine: str, settings: tuple[str, ...]
) -> None:
    workload = {"model": "gpt2-small", "context_length": 96}
    machines = dict.fromkeys(("attention", "projections"), machine)
    file = {"split": "attention", "machines": machines, "link": "shared", "workload": workload}
    system = load_system(file, settings)
    split = SystemRuns(system).simulate(system.first)
    one = simulate(load_config(machine, [*(f"workload.{key}={value}" for key, value in workload.items()), *settings]))
    assert (split.latency_ps, split.energy_j) == (one.latency_ps, near(one.energy_j))
    macros = [note for note in split.notes if "macros hold" in note]
    assert macros == [f"attention: {note}" for note in one.notes if "macros hold" in note]


def test_each_machine_says_that_its_port_would_need_longer() -> None:
    # A port of 1 byte a cycle needs longer than the systolic array, which reads 32 bytes at the same time.
    machines = {"attention": "pim-llm", "projections": "tpu-llm"}
    workload = {"model": "gpt2-small", "context_length": 96}
    file = {"split": "attention", "machines": machines, "link": "shared", "workload": workload}
    system = load_system(file, ["schedule=dataflow", "machines.projections.machine.sram.width_bits=64"])
    split = SystemRuns(system).simulate(system.first)
    short = [note.partition(" need ")[0] for note in split.notes if "of its port" in note]
    assert short == ["projections: all accesses of the global buffer"]
