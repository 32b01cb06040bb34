"""What a run counts when the keys say so: quantisation, steps of the KV cache, folds that exist, embedding, LM head."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pimsim import RunResult, generate, load_config, serve, simulate
from pimsim.config.schema import Config
from pimsim.engine import run
from pimsim.hardware.machine import build_machine
from pimsim.mapping.operations import map_trace
from pimsim.results.accounting import IDLE_LEAKAGE
from pimsim.results.explanation import explain
from pimsim.simulation import make_trace
from pimsim.studies.serving.iteration_costs import Groups, StepCosts
from tests.support.closeness import near
from tests.support.command_line import pimsim as run_pimsim
from workloads import SequenceGroup, decode_step, mixed_step, prefill
from workloads.kv_cache import KvCacheSpec
from workloads.models import find_model
from workloads.ops import Projection
from workloads.requests import Request

EVERYTHING = [
    "workload.embedding=true",
    "workload.lm_head=true",
    "workload.quantisation=true",
    "workload.kv.scale_bits=32",
    "mapping.masked_folds=skipped",
]
SMALL = replace(
    find_model("llama-3-8b"), name="small", layers=2, d_model=512, d_head=64, heads=8, kv_heads=2, d_ff=1024
)


def small(*settings: str, machine: str = "pim-llm-published", model: str = "gpt2-small") -> Config:
    """Return a machine that counts none of it, unless the settings say so."""
    return load_config(machine, [f"workload.model={model}", *settings])


# The published accounting


def test_the_published_machine_counts_none_of_it() -> None:
    result = simulate(load_config("pim-llm-published"))
    assert result.latency_ps == 29_472_432_896
    assert result.energy_j == near(12.228913828686679e-3, rel=1e-12)


# Quantisation


def test_quantisation_of_opt_6_7b_by_hand() -> None:
    """32 lanes and 4 cycles of pipeline at 100 MHz: a pass over d elements takes d / 32 + 4 cycles of 10 ns.

    A layer quantises the inputs of q, k, v, of o and of the two FFN matrices (2 passes each), the queries, keys and
    values of 32 heads and 32 rows of 128 probabilities; it dequantises the outputs of the 6 matrices, the scores and
    the attended values. These are 16 ops, each with a command of one cycle.
    """
    one, ffn, head = 4096 // 32 + 4, 16384 // 32 + 4, 32 * (128 // 32 + 4)
    quantised = 2 * (3 * one + ffn) + 2 * 3 * head + 2 * head
    dequantised = 5 * one + ffn + head + head
    commands = 16
    by_hand_ps = 32 * (quantised + dequantised + commands) * 10_000
    without, counted = (
        simulate(load_config("pim-llm-published", [f"workload.quantisation={flag}"])) for flag in ("false", "true")
    )
    assert counted.latency_ps - without.latency_ps == by_hand_ps == 1_784_320_000
    elements = 32 * (2 * (3 * 4096 + 16384 + 3 * 4096 + 4096) + 5 * 4096 + 16384 + 2 * 4096)
    more = {action: count - without.counts[action] for action, count in counted.counts.items()}
    assert more["vector.operation"] == elements


# Steps of the KV cache


@pytest.mark.parametrize(("d_head", "share"), [(128, 4 / 128), (64, 4 / 64)])
def test_float32_steps_by_head_size(d_head: int, share: float) -> None:
    """4 bytes per head and token beside d_head bytes: 3.1 % at 128, 6.3 % at 64."""
    spec = replace(SMALL, d_head=d_head)
    assert spec.kv_bytes(100, step_bits=32) == near(spec.kv_bytes(100) * (1 + share), rel=1e-12)
    plain, stepped = (decode_step(spec, 100, kv=KvCacheSpec(scale_bits=bits)) for bits in (0, 32))
    config = load_config("tpu-llm")
    bits = [
        sum(
            op.repeat * (op.counts.get("memory.read_bit", 0) + op.counts.get("memory.write_bit", 0))
            for op in simulate(config, trace).ops
            if op.kind in ("kv_append", "attention_scores", "attention_values")
        )
        for trace in (plain, stepped)
    ]
    assert bits[0] == 8 * SMALL.layers * 2 * SMALL.kv_heads * d_head * (100 + 1)
    assert bits[1] == near(bits[0] * (1 + share), rel=1e-12)


def test_steps_are_part_of_the_memory_that_a_request_reserves() -> None:
    request = Request(id="a", arrival_s=0.0, prompt_tokens=6, output_tokens=2)
    spec, machine = find_model("gpt2-small"), "tpu-llm-published"
    [first, *_] = serve(small("workload.kv.scale_bits=32", machine=machine), [request]).iterations
    assert first.kv_bytes == 2 * spec.layers * spec.kv_heads * (spec.d_head + 4) * request.kv_entries
    weights = 12 * (4 * 768**2 + 2 * 768 * 3072)  # in the same memory
    capacity = f"machine.memory.capacity_bytes={weights + first.kv_bytes - 1}"
    with pytest.raises(Exception, match="can never be served"):
        serve(small("workload.kv.scale_bits=32", capacity, machine=machine), [request])
    assert serve(small(capacity, machine=machine), [request]).complete


# Folds


def test_near_a_quarter_of_a_long_prefill_does_not_exist() -> None:
    """OPT-6.7B on 32 x 32 units: 8,256 of 16,384 folds of the scores; a fold of values sums over 2,064 of 4,096."""
    prompt = ["workload.phase=prefill", "workload.prompt_length=4096"]
    whole, exists = (
        simulate(load_config("pim-llm-published", [*prompt, f"mapping.masked_folds={value}"]))
        for value in ("computed", "skipped")
    )
    scores, values = (16384 - 8256) * (128 + 62), 4 * 128 * (4096 - 2064)
    softmax = 4096 * 128 - sum(-(-length // 32) for length in range(1, 4097))
    assert whole.latency_ps - exists.latency_ps == 32 * 32 * (scores + values + softmax) * 10_000
    assert exists.latency_ps / whole.latency_ps == near(0.7419, rel=1e-3)
    assert exists.counts["vector.operation"] == whole.counts["vector.operation"] - 32 * 32 * 4096 * 4095 // 2
    assert exists.counts["memory.read_bit"] == whole.counts["memory.read_bit"]


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
@pytest.mark.parametrize("machine", ["pim-llm", "tpu-llm"])
def test_closed_form_is_the_engine_with_everything_counted(machine: str, dataflow: str) -> None:
    config = load_config(machine, [*EVERYTHING, f"machine.systolic.dataflow={dataflow}"])
    groups = [SequenceGroup(1, 1, 70), SequenceGroup(2, 9, 40), SequenceGroup(1, 20, 20)]
    options = {"embedding": True, "lm_head": True, "quantisation": True, "kv": KvCacheSpec()}
    for window in (None, (16, None)) if dataflow == "os" else ((16, None),):
        trace = mixed_step(replace(SMALL, window=window), groups, **options)
        program = map_trace(config, build_machine(config.machine), trace).program
        result = simulate(config, trace)
        assert result.latency_ps == program.serial_latency_ps()
        assert run(program, "serial", expand=True).latency_ps == result.latency_ps
        assert result.summary()["computed_macs"] >= result.counts["systolic.mac"]
        dataflow_free, contended_free = (
            run(program, schedule, unlimited=True).latency_ps for schedule in ("dataflow", "contended")
        )
        assert dataflow_free <= contended_free <= result.latency_ps


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
def test_action_counts_do_not_depend_on_the_schedule(schedule: str) -> None:
    """A small global buffer cuts the operands of a matmul into pieces, between the folds that exist."""
    trace = prefill(replace(SMALL, vocab=4096), 50, quantisation=True, kv=KvCacheSpec(), lm_head=True)
    settings = [*EVERYTHING, "machine.sram.capacity_bytes=4096"]
    serial = simulate(load_config("pim-llm", settings), trace)
    other = simulate(load_config("pim-llm", [*settings, f"schedule={schedule}"]), trace)
    for action in ("systolic.cycle", "systolic.mac", "vector.operation", "memory.read_bit", "memory.write_bit"):
        assert other.counts[action] == serial.counts[action]


WINDOWED: Groups = ((1, 4, 1), (1, 30, 1), (5, 20, 1), (9, 9, 2))


@pytest.mark.parametrize("window", [None, 8, (8, None)])
@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
def test_costs_of_iterations_with_everything_counted(
    schedule: str, window: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks of prompts, prompts and decode steps in one iteration: the sum of its slices is the whole trace."""
    spec = replace(SMALL, window=window)
    monkeypatch.setattr("pimsim.studies.serving.iteration_costs.model_spec", lambda _: spec)
    config = load_config("pim-llm", [f"schedule={schedule}", *EVERYTHING])
    groups = [SequenceGroup(sequences, queries, context) for queries, context, sequences in WINDOWED]
    options = {"embedding": True, "lm_head": True, "quantisation": True, "kv": KvCacheSpec()}
    whole = simulate(config, mixed_step(spec, groups, outputs=4, **options))
    cost = StepCosts(config).of(WINDOWED, 4)
    assert cost.latency_ps == whole.latency_ps
    assert cost.energy_j == near(whole.energy_j, rel=1e-9)
    attention = ("scores", "softmax", "values", "probabilities", "scores_dequantise", "values_dequantise")
    of_group = [op for op in whole.ops if op.name.endswith(":2") and op.name.startswith(attention)]
    energy_j = sum(op.repeat * sum(whole.dynamic_energy_j(op.counts).values()) for op in of_group)
    assert cost.attention_j[2] == near(energy_j, rel=1e-9)


# Embedding and LM head


def heads(result: RunResult) -> list[tuple[str, int]]:
    return [(op.name, op.macs) for op in result.ops if op.block in ("lm_head", "embedding")]


@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_the_lm_head_is_computed_once_per_sequence(phase: str) -> None:
    spec = find_model("gpt2-small")
    result = simulate(small(f"workload.phase={phase}", "workload.lm_head=true", "workload.batch=3"))
    assert heads(result) == [("final_norm", 0), ("lm_head", 3 * spec.d_model * spec.vocab)]
    assert not heads(simulate(small(f"workload.phase={phase}")))
    trace = make_trace(small(f"workload.phase={phase}", "workload.embedding=true", "workload.batch=3"))
    tokens = 3 if phase == "decode" else 3 * 128
    assert [op.vectors for block, op in trace.ops() if block.name == "embedding"] == [tokens] * 3


KEYS: list[Callable[[str], str]] = [lambda flag: f"workload.lm_head={flag}", lambda flag: f"workload.embedding={flag}"]


@pytest.mark.parametrize("key", KEYS)
def test_a_generation_and_served_requests_obey(key: Callable[[str], str]) -> None:
    """A request of 2 output tokens is a prefill and a decode step; so is a generation of 2 new tokens."""
    request = Request(id="a", arrival_s=0.0, prompt_tokens=20, output_tokens=2)
    lengths = ["workload.prompt_length=20", "workload.new_tokens=2"]
    difference = []
    for flag in ("false", "true"):
        generation = generate(small(key(flag), *lengths, "workload.phase=generate"))
        [served] = serve(small(key(flag)), [request]).requests
        assert served.latency_ps == generation.latency_ps
        difference.append(generation.latency_ps)
    runs = [
        simulate(small(key(flag), *lengths, f"workload.phase={phase}", "workload.context_length=21")).latency_ps
        for flag in ("false", "true")
        for phase in ("prefill", "decode")
    ]
    assert difference == [runs[0] + runs[1], runs[2] + runs[3]]
    assert difference[0] < difference[1]


def test_sweeps_obey(tmp_path: Path) -> None:
    (tmp_path / "heads.yaml").write_text(
        "name: heads\nbase: pim-llm-published\nset: {workload.model: gpt2-small}\n"
        "axes:\n  workload.lm_head: [false, true]\nmetrics: [latency_s]\n"
    )
    run_pimsim("sweep", str(tmp_path / "heads.yaml"), "--out", str(tmp_path / "heads.h5"), "--workers", "1").ok  # noqa: B018
    rows = json.loads(run_pimsim("results", "show", str(tmp_path / "heads.h5"), "--json").ok)
    points = [row["latency_s"] for row in rows]
    assert points == [simulate(small(f"workload.lm_head={flag}")).latency_s for flag in ("false", "true")]


def test_traces_that_the_command_writes_have_what_is_asked_for() -> None:
    options = ("--layers-only", "--lm-head", "--embedding", "--quantisation", "--kv-step-bits", "32")
    shown = json.loads(run_pimsim("trace", "make", "gpt2-small", "--context", "9", *options).ok)
    kinds = {op["kind"] for block in shown["blocks"] for op in block["ops"]}
    assert {"quantise", "dequantise", "embedding"} <= kinds
    assert {op["step_bits"] for block in shown["blocks"] for op in block["ops"] if "step_bits" in op} == {32}
    plain = run_pimsim("trace", "make", "gpt2-small", "--context", "9", "--layers-only").ok
    assert "step_bits" not in plain
    assert "quantise" not in plain
    assert [op for _, op in make_trace(small()).ops() if isinstance(op, Projection)]


@pytest.mark.parametrize(("capacity_bytes", "missing"), [(None, "23.1 MB"), (31_457_280, ""), (31_457_279, "1 B")])
def test_activations_beyond_the_global_buffer_are_left_out_and_said(capacity_bytes: int | None, missing: str) -> None:
    """512 tokens of 4096 + 16384 x (20 / 8 + 1) bytes: residual stream, and FFN as sums of 4096 rows and rescaled."""
    size = [] if capacity_bytes is None else [f"machine.sram.capacity_bytes={capacity_bytes}"]
    result = simulate(load_config("pim-llm", ["workload.phase=prefill", "workload.prompt_length=512", *size]))
    notes = [each for each in result.notes if "machine.sram.capacity_bytes" in each]
    assert len(notes) == bool(missing)
    assert all(f"too small by {missing} " in each for each in notes)
    assert not any("machine.sram.capacity_bytes" in each for each in simulate(load_config("pim-llm")).notes)
    one_token = ["workload.phase=generate", "workload.new_tokens=1", "workload.prompt_length=512"]
    generation = generate(load_config("pim-llm", [*one_token, *size]))
    assert [each for each in generation.notes if "machine.sram.capacity_bytes" in each] == notes


@pytest.mark.parametrize(
    ("schedule", "phase"),
    [("serial", "decode"), ("dataflow", "decode"), ("contended", "decode"), ("serial", "prefill")],
)
@pytest.mark.parametrize("machine", ["pim-llm", "tpu-llm"])
def test_leakage_of_the_buffer_that_feeds_units_is_charged(machine: str, schedule: str, phase: str) -> None:
    """Each access takes 10 ns of one port; bytes that are rounded up per stream make the time 1 % longer at most."""
    settings = ["workload.model=gpt2-small", f"schedule={schedule}", "machine.sram.leakage_w=2"]
    settings += [f"workload.phase={phase}", *(["workload.prompt_length=64"] if phase == "prefill" else [])]
    result = simulate(load_config(machine, settings))
    accesses = result.counts["sram.read"] + result.counts["sram.write"]
    buffer = result.component("sram")
    assert buffer.leakage_j == near(accesses * 10e-9 * 2, rel=0.01)
    left_out = {item.name: item.energy_j for item in result.accounting.left_out}
    ungated = simulate(load_config(machine, [*settings, "leakage_gating=ungated"]))
    assert left_out[IDLE_LEAKAGE] + result.leakage_j == near(ungated.leakage_j, rel=1e-9)
    # Without a port these accesses take no time, and only those that are activities of their own are charged.
    unlimited = simulate(load_config(machine, [*settings, "machine.sram.ports=null"]))
    own_ps = sum(
        unlimited.profiles[each.profile].busy_ps * unlimited.ops[each.op].repeat
        for each in unlimited.activities
        if each.component == "sram"
    )
    assert unlimited.component("sram").leakage_j == near(own_ps * 1e-12 * 2, rel=1e-12)
    assert own_ps < buffer.busy_ps


def test_a_port_that_is_asked_for_more_than_the_run_leaks_for_the_run() -> None:
    """Under dataflow, units of a fast array share the port without waiting: it is busy all the time, and not longer."""
    settings = ["workload.model=gpt2-small", "schedule=dataflow", "machine.sram.width_bits=8"]
    result = simulate(load_config("pim-llm", [*settings, "workload.batch=64", "machine.sram.leakage_w=2"]))
    assert any("of its port (machine.sram.ports), more than the latency" in note for note in result.notes)
    assert result.component("sram").leakage_j == near(result.latency_ps * 1e-12 * 2, rel=1e-12)
    assert [each.busy_ps for each in explain(result).occupations if each.component == "sram"] == [result.latency_ps]
