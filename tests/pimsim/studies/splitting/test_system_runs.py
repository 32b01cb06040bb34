"""Which machine of an attention split executes which op, and passes of machines that share memories."""

from __future__ import annotations

import pytest

from pimsim import load_config, simulate
from pimsim.config.system_file import load_system
from pimsim.studies.splitting.split_result import link_figures
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
        ("hardsea", ("machine.prediction.code_memory_bytes=1000",)),
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


LATENT = {
    "extends": "pim-llm",
    "mapping": {"projections": "systolic"},
    "machine": {"memory": {"capacity_bytes": None}},
}
"""A machine for DeepSeek-V2: 60 layers, a latent of 512 elements and a rotated key of 64, 128 heads."""


@pytest.mark.parametrize(
    ("mla", "elements"),
    [
        # Queries, the latent of the new token, and the sums of latents.
        ("absorbed", 128 * 576 + 576 + 128 * 512),
        # Queries and the new latent; all 24 latents, and the keys and values made of them; the sums of values.
        ("expanded", 128 * 192 + 576 + 24 * 576 + 24 * 128 * (192 + 128) + 128 * 128),
    ],
)
def test_latents_are_where_attention_is(mla: str, elements: int) -> None:
    workload = {"model": "deepseek-v2", "context_length": 24, "mla": mla}
    file = {"split": "attention", "machines": {"attention": LATENT, "projections": LATENT}, "link": "ucie"}
    each = load_system(file | {"workload": workload})
    split = SystemRuns(each).simulate(each.first)
    assert link_figures(split).size_bytes == 60 * elements
    written = {action: count for action, count in split.counts.items() if action.endswith("memory.write_bit")}
    assert written.keys() == {"attention.memory.write_bit"}


def test_the_latents_of_a_prompt_travel_once() -> None:
    workload = {"model": "deepseek-v2", "prompt_length": 2, "new_tokens": 2}
    file = {"split": "phases", "machines": {"prefill": LATENT, "decode": LATENT}, "link": "ucie", "workload": workload}
    each = load_system(file)
    prefill = each.first.workload.model_copy(update={"phase": "prefill"})
    split = SystemRuns(each).simulate(each.first.model_copy(update={"workload": prefill}))
    assert link_figures(split).size_bytes == 60 * 2 * (576 * 8 + 32) // 8  # 8 bits an element, a step of 32 bits
