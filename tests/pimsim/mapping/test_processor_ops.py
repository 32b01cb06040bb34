"""Ops on a processor that computes all of them: the counts of other machines, bytes by hand, phases and refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pimsim import load_config, serve, simulate
from pimsim.base.errors import CapacityError, ConfigError, WorkloadInputError
from pimsim.config.system_file import load_system
from pimsim.engine import run
from pimsim.hardware.machine import build_machine
from pimsim.hardware.op_share import OpShare
from pimsim.mapping.op_mappings import register_op
from pimsim.mapping.operations import map_trace
from tests.support.closeness import near
from tests.support.outside_kinds import restored_kinds
from tests.support.outside_ops import TopK, route
from workloads import Trace, decode_step, prefill
from workloads.kv_cache import KvCacheSpec
from workloads.models import find_model
from workloads.requests import Request
from workloads.trace import Block

SMALL = replace(
    find_model("llama-3-8b"), name="small", layers=2, d_model=512, d_head=64, heads=8, kv_heads=2, d_ff=1024
)
KV = KvCacheSpec()
GPU = load_config("a100-80gb")
WHOLE = {"machine.memory.capacity_bytes": None}


def shares(trace: Trace, **keys: object) -> dict[str, OpShare]:
    """Shares by name of the op in the first block that has it."""
    config = load_config("a100-80gb", {key.replace("__", "."): value for key, value in keys.items()})
    program = map_trace(config, build_machine(config.machine), trace).program
    found: dict[str, OpShare] = {}
    for _, task in program.tasks():
        assert len(task.assignments) == 1
        found.setdefault(task.name, task.assignments[0].share)
    return found


@pytest.mark.parametrize("model", ["small", "mixtral-8x7b", "deepseek-v2"])
def test_every_machine_counts_the_same_macs(model: str) -> None:
    spec = SMALL if model == "small" else find_model(model)
    trace = decode_step(spec, 100, batch=3, kv=KV, quantisation=True)
    here = simulate(load_config("a100-80gb", WHOLE), trace)
    there = simulate(load_config("tpu-llm", WHOLE), trace)
    assert [(op.name, op.macs) for op in here.ops] == [(op.name, op.macs) for op in there.ops]
    assert here.macs == trace.macs > 0
    if model == "small":  # the others need more tiles than the machine has
        assert [op.macs for op in simulate(load_config("pim-llm"), trace).ops] == [op.macs for op in here.ops]
    assert here.counts["roofline.mac"] == here.macs
    # The same bytes of weights and cache, where both store 8 bits per weight.
    same = simulate(load_config("a100-80gb", WHOLE | {"mapping.weight_storage_bits": 8}), trace)
    assert same.memory_traffic == there.memory_traffic


def test_bytes_and_shapes_of_a_decode_step_by_hand() -> None:
    """3 sequences with 1,000 entries, 2 KV heads of 64 elements of 8 bits with a step of 32 bits; 2-bit weights."""
    found = shares(decode_step(SMALL, 1000, batch=3, kv=KV, quantisation=True))
    up, scores, values = found["ffn_up"], found["scores"], found["values"]
    assert (up.outputs, up.inputs, up.loads, up.weight_bits) == (1024, 512, ((3, 1),), 1)
    assert (up.weight_bytes, up.macs) == (1024 * 512 // 4, 3 * 1024 * 512)
    assert (up.input_bytes, up.output_bytes) == (3 * 512, 3 * 1024 * 4)  # sums of 32 bits, which are dequantised
    assert (scores.outputs, scores.inputs, scores.loads, scores.heads) == (1000, 64, ((4, 6),), 4)
    assert scores.cache_read_bytes == values.cache_read_bytes == 6 * 1000 * (64 + 4)
    assert (scores.macs, scores.input_bytes, values.output_bytes) == (24 * 1000 * 64, 24 * 64, 24 * 64 * 4)
    assert found["kv_append"].cache_write_bytes == 3 * 2 * 2 * (64 + 4)
    softmax, norm = found["softmax"], found["attn_norm"]
    assert (softmax.vectors, softmax.elements, softmax.size, softmax.on_scores) == (24, 1000, 24_000, True)
    assert (norm.kind, norm.label, norm.size, norm.on_scores) == ("norm", "rmsnorm", 3 * 512, False)


def test_precisions_of_the_software_change_bytes_and_nothing_else() -> None:
    """FP16, and 4.5 bits per weight beside a head of 6.5 bits: the LM head has 128,256 x 512 weights."""
    trace = decode_step(SMALL, 1000, kv=KvCacheSpec(key_bits=16, value_bits=16), lm_head=True)
    half = shares(trace, mapping__processor_weight_bits=16, mapping__processor_activation_bits=16)
    mixed = shares(trace, mapping__processor_weight_bits=4.5, mapping__processor_head_bits=6.5)
    assert half["ffn_up"].weight_bytes == 2 * 1024 * 512
    assert half["lm_head"].weight_bytes == 2 * 128_256 * 512
    assert (half["ffn_up"].input_bits, half["ffn_up"].input_bytes) == (16, 2 * 512)
    assert half["scores"].cache_read_bytes == 2 * 2 * 1000 * 64
    assert mixed["ffn_up"].weight_bytes == 1024 * 512 * 9 // 16
    assert mixed["lm_head"].weight_bytes == 128_256 * 512 * 13 // 16
    assert {name: each.macs for name, each in half.items()} == {name: each.macs for name, each in mixed.items()}


def test_only_scores_that_exist_are_computed() -> None:
    """Of 100 x 100 scores of a prompt, 5,050 exist; 8 heads of 64 elements."""
    trace = prefill(SMALL, 100, kv=KV)
    skipped = shares(trace)
    computed = shares(trace, mapping__masked_folds="computed")
    assert skipped["scores"].macs == skipped["values"].macs == 8 * 5050 * 64
    assert computed["scores"].macs == 8 * 100 * 100 * 64
    assert skipped["softmax"].size == 8 * 5050
    assert computed["softmax"].size == 8 * 100 * 100


def test_only_experts_with_vectors_are_read() -> None:
    """Each of 3 tokens chooses 2 of 8 experts of 4,096 x 14,336 weights of 2 bits."""
    found = shares(decode_step(find_model("mixtral-8x7b"), 100, batch=3, kv=KV))
    (up,) = (each for name, each in found.items() if name == "experts_up")
    assert sum(vectors * count for vectors, count in up.loads) == 6
    assert up.weight_bytes == up.matmuls * 4096 * 14_336 // 4 < 8 * 4096 * 14_336 // 4


@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_schedules_and_expansion_agree_with_the_closed_form(schedule: str, phase: str) -> None:
    """One processor computes one op at a time, so that nothing overlaps under any schedule."""
    trace = decode_step(SMALL, 50, kv=KV) if phase == "decode" else prefill(SMALL, 50, kv=KV)
    config = load_config("a100-80gb", {"schedule": schedule})
    program = map_trace(config, build_machine(config.machine), trace).program
    result = simulate(config, trace)
    assert result.latency_ps == program.serial_latency_ps()
    assert run(program, config.schedule, expand=True).latency_ps == result.latency_ps
    assert [each.name for each in result.components] == ["roofline", "memory"]
    assert all(each.busy_ps == result.latency_ps for each in result.components)
    assert result.energy_j == near(0.5 * 400 * result.latency_s)


def test_memory_holds_weights_cache_and_activations() -> None:
    """FP16 Llama 2 70B has 137 GB of weights in its layers, more than 80 GB."""
    large = {"workload.model": "llama-2-70b", "mapping.processor_weight_bits": 16}
    with pytest.raises(CapacityError, match="weights 138 GB"):
        simulate(load_config("a100-80gb", large))


def test_a_registered_kind_of_op_is_refused() -> None:
    """Nobody knows how a processor would compute it, and a mapping to components does not say so."""
    with restored_kinds():
        register_op(TopK, route)
        block = Block(name="router", repeat=1, ops=(TopK("route", ("input",), 1, 64, 8),))
        trace = Trace(model="router", phase="decode", context_length=1, tokens=1, blocks=(block,))
        with pytest.raises(WorkloadInputError, match=r"machine\.roofline computes the ops of decoders.*'top_k'"):
            simulate(GPU, trace)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"mapping.attention": "systolic"}, "machine.roofline computes every op; set mapping.attention to processor"),
        ({"machine.roofline": None}, "mapping.projections and mapping.attention are 'processor', but the machine has"),
        ({"schedule": "contended"}, "computes one op at a time"),
        ({"machine.kv_tiers": [{"preset": "ssd"}]}, "so kv_tiers must be \\[\\]"),
        ({"machine.technology_nm": 28}, "so technology_nm must be null"),
        ({"machine.chips.count": 2}, "chips.count must be 1"),
        ({"machine.sram_cim": load_config("sram-cim-22nm").machine.model_dump()["sram_cim"]}, "sram_cim must be null"),
    ],
)
def test_refusals(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("a100-80gb", setting)


def test_a_system_that_divides_ops_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"machines\.chip\.machine\.roofline: computes every op of one machine"):
        load_system({"split": "tensor", "chips": 2, "link": {"preset": "nvlink"}, "machines": {"chip": "a100-80gb"}})


def test_a_request_is_served_in_the_time_of_its_runs() -> None:
    """A prompt of 20 tokens and 4 tokens more, on a machine that computes one op at a time."""
    keys = {"workload.model": "gpt2-small", "serving.max_batch": 1}
    served = serve(
        load_config("a100-80gb", keys), [Request(id="one", arrival_s=0.0, prompt_tokens=20, output_tokens=5)]
    )
    prompt = simulate(load_config("a100-80gb", keys | {"workload.phase": "prefill", "workload.prompt_length": 20}))
    steps = [simulate(load_config("a100-80gb", keys | {"workload.context_length": 20 + n})) for n in range(1, 5)]
    runs = [prompt, *steps]
    assert served.busy_ps == sum(run.latency_ps for run in runs)
    assert served.energy_j == near(sum(run.energy_j for run in runs))
