"""Attention at the banks of the memory: conserved bytes, energies, three engines, and what it changes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from pimsim import RunResult, load_config, simulate
from pimsim.base.errors import WorkloadInputError
from pimsim.engine import run
from pimsim.hardware.machine import build_machine
from pimsim.mapping.operations import map_trace
from tests.support.closeness import near
from workloads import decode_step, mixed_step
from workloads.decoder_pass import SequenceGroup
from workloads.kv_cache import KvCacheSpec
from workloads.models import find_model

SMALL = replace(
    find_model("llama-3-8b"), name="small", layers=2, d_model=512, d_head=64, heads=8, kv_heads=2, d_ff=1024
)
KV = KvCacheSpec()
TRACE = decode_step(SMALL, 1000, batch=3, kv=KV, quantisation=True)
ATTENTION = ("attention_scores", "attention_values")
CONFIGS = {
    "near": load_config("pim-llm-near-memory"),
    "bank_group": load_config("pim-llm-near-memory", ["machine.near_memory.level=bank_group"]),
    "sram": load_config("pim-llm-sram-attention"),
    "swap": load_config("pim-llm-sram-attention", ["machine.sram_cim.macros=70"]),
    "direct": load_config(
        "pim-llm-sram-attention", ["machine.sram_cim.macros=70", "machine.sram_cim.swap_path=direct"]
    ),
}


def counts(result: RunResult, *kinds: str) -> Counter[str]:
    """Action counts of the ops of some kinds in all layers."""
    sums: Counter[str] = Counter()
    for op in result.ops:
        if op.kind in kinds:
            sums.update({action: op.repeat * count for action, count in op.counts.items()})
    return sums


def test_the_cache_does_not_cross_the_memory_port() -> None:
    """2 layers x 3 sequences x 2 KV heads x 1,000 tokens: of keys and values only steps of 32 bits are read.

    6 matmuls on 32 pseudo-channels: 5 channels each, of 200 entries, which lie in 13 rows of 1 KiB, one per bank.
    """
    systolic = simulate(load_config("pim-llm"), TRACE)
    there = simulate(CONFIGS["near"], TRACE)
    entries = 2 * 3 * 2 * 1000
    assert counts(systolic, *ATTENTION)["memory.read_bit"] == entries * 2 * (64 * 8 + 32)
    moved = counts(there, *ATTENTION)
    assert moved["memory.read_bit"] == entries * 2 * 32
    assert there.memory_traffic.kv_read_bytes == entries * 2 * 4
    assert moved["near_memory.read_bit"] == entries * 2 * 64 * 8
    assert moved["near_memory.activate"] == 2 * 2 * 6 * 5 * 13
    assert moved["near_memory.mac"] == counts(systolic, *ATTENTION)["systolic.mac"] == entries * 2 * 4 * 64
    queries, sums = 2 * 3 * 8, 32
    scores = 8 * 64 * 5 + 1000 * sums
    values = 1000 * 8 + 64 * sums * 5 * 13
    assert moved["near_memory.transfer_bit"] == queries * (scores + values)
    # The vector unit adds the sums of 65 units to each of 64 elements.
    assert moved["vector.operation"] == queries * 65 * 64
    # The banks are powered while units read them.
    memory, units = there.component("memory"), there.component("near_memory")
    assert units.busy_ps >= there.parts_ps["near_memory"]
    assert memory.busy_ps >= units.busy_ps + there.parts_ps["memory"]
    # New keys and values are written as before, and nothing else changes.
    assert counts(there, "kv_append")["memory.write_bit"] == counts(systolic, "kv_append")["memory.write_bit"]
    others = {op.kind for op in there.ops} - {*ATTENTION, "kv_append"}
    for name in ("systolic.mac", "vector.operation", "sram.read", "tile.cell_read"):
        assert counts(there, *others)[name] == counts(systolic, *others)[name]


@pytest.mark.parametrize("name", CONFIGS)
def test_three_engines_agree_and_energies_add_up(name: str) -> None:
    config = CONFIGS[name]
    machine = build_machine(config.machine)
    program = map_trace(config, machine, TRACE).program
    result = simulate(config, TRACE)
    assert program.serial_latency_ps() == run(program, "serial", expand=True).latency_ps == result.latency_ps
    assert run(program, "dataflow").latency_ps <= result.latency_ps
    assert sum(each.latency_ps for each in result.accounting.counted) == result.latency_ps
    assert sum(each.energy_j for each in result.accounting.counted) == near(result.energy_j, rel=1e-9)
    energies, kinds = machine.action_energies_j(), counts(result, *{op.kind for op in result.ops})
    assert sum(energies[action] * count for action, count in kinds.items()) + result.leakage_j == near(
        result.energy_j, rel=1e-9
    )


@pytest.mark.parametrize("name", ["near", "swap"])
def test_what_a_run_leaves_out_is_what_counting_it_adds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pimsim.simulation.model_spec", lambda _: SMALL)

    def run_with(flag: str) -> RunResult:
        config = CONFIGS[name]
        workload = config.workload.model_copy(update={"quantisation": flag == "true", "context_length": 3000})
        return simulate(config.model_copy(update={"workload": workload}))

    without, counted = run_with("false"), run_with("true")
    (item,) = (each for each in without.accounting.left_out if each.name == "quantisation passes")
    assert without.latency_ps + item.latency_ps == counted.latency_ps


def test_prompts_stay_on_the_systolic_array() -> None:
    trace = mixed_step(SMALL, [SequenceGroup(1, 1, 70), SequenceGroup(2, 9, 40)], kv=KV, quantisation=True)
    plain = simulate(load_config("pim-llm-near-memory", ["mapping.attention=systolic"]), trace)
    result = simulate(CONFIGS["near"], trace)
    by_name = {op.name: op.counts for op in result.ops}
    assert "near_memory.mac" in by_name["scores"]
    assert by_name["scores:1"] == next(op.counts for op in plain.ops if op.name == "scores:1")
    assert any("for decode steps" in note for note in result.notes)


def test_units_occupy_the_banks_that_serve_other_requests() -> None:
    machine = build_machine(CONFIGS["near"].machine)
    program = map_trace(CONFIGS["near"], machine, TRACE).program
    held = {
        each.name: each.constraints.resource
        for _, task in program.tasks()
        for each in task.assignments
        if each.component in (machine.memory, machine.near_memory)
    }
    assert {"scores[0]", "values.partial", "scores.scales", "kv_append[0]"} <= held.keys()
    assert {each.name for each in held.values() if each is not None} == {"memory"}


def test_entries_that_must_be_converted_are_refused() -> None:
    kv = KvCacheSpec(value_bits=4, value_scales="per_group", group_size=32)
    for name in ("near", "sram"):
        with pytest.raises(WorkloadInputError, match=r"op 'values': .* its 4-bit values are converted .*per_token"):
            simulate(CONFIGS[name], decode_step(SMALL, 100, kv=kv, quantisation=True))
    narrow = simulate(CONFIGS["near"], decode_step(SMALL, 1000, kv=KvCacheSpec(key_bits=4), quantisation=True))
    assert counts(narrow, "attention_scores")["near_memory.read_bit"] == 2 * 2 * 1000 * 64 * 4


def test_latents_are_multiplied_where_they_lie() -> None:
    """DeepSeek-V2: 60 layers, a latent of 512 elements and a key of 64; 128 heads share them. Steps of 32 bits.

    Rows have whole columns, so all bits are read, and values need no rotated keys.
    """
    settings = ["workload.model=deepseek-v2", "workload.context_length=1024", "mapping.projections=systolic"]
    settings += ["machine.memory.capacity_bytes=null"]
    absorbed = simulate(load_config("pim-llm-near-memory", settings))
    found = {kind: counts(absorbed, kind) for kind in ("latent_scores", "latent_values")}
    for kind, elements in (("latent_scores", 576), ("latent_values", 512)):
        assert found[kind]["near_memory.read_bit"] == 60 * 1024 * elements * 8
        assert found[kind]["near_memory.mac"] == 60 * 1024 * elements * 128
        assert found[kind]["memory.read_bit"] == 60 * 1024 * 32
        assert not found[kind]["systolic.mac"]
    expanded = simulate(load_config("pim-llm-near-memory", [*settings, "workload.mla=expanded"]))
    assert not counts(expanded, *found)["near_memory.mac"]
    notes = [note for note in expanded.notes if "workload.mla=expanded" in note]
    assert len(notes) == 1
    assert not any("workload.mla" in note for note in absorbed.notes)
