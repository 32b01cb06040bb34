"""Whole random runs: closed forms, grouped against ungrouped, and sums that must agree."""

from __future__ import annotations

import doctest
import importlib
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pimsim.base.errors import WorkloadInputError
from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.hardware.machine import build_machine
from pimsim.simulation import load_trace, make_trace, model_spec, simulate
from pimsim.steps.step_tree import event_count, expanded
from tests.oracles import naive_causal, naive_schedule, naive_tiles
from tests.support import strategies, trace_strategies, trees
from tests.support.closeness import near
from tests.support.counts import MACHINES, scaled
from tests.support.programs import program_of
from workloads.decoder_ops import decode_step
from workloads.kv_cache import CODES_WITHOUT_SCALES, KvCacheSpec
from workloads.kv_ops import KVAccumulate
from workloads.models import find_model
from workloads.ops import AttentionMatmul, KVAppend, Op, Projection
from workloads.trace import Trace, write_trace

# --- random machines, models and traces -----------------------------------------------------------------------------


@st.composite
def short_runs(draw: st.DrawFn) -> tuple[Config, Trace]:
    """Runs that take few enough events to be written out in full."""
    config, trace = draw(strategies.runs())
    program = program_of(config, trace).ungrouped()
    assume(sum(event_count(expanded(task.work())) for _, task in program.tasks()) < 30_000)
    return config, trace


def _rectangle(op: Op) -> int:
    """Products of all folds of an op: in attention, all entries that the queries read, at most `context` for each."""
    return op.macs // op.context * op.entries if isinstance(op, AttentionMatmul) else op.macs


@settings(max_examples=MACHINES)
@given(run=strategies.runs())
def test_engine_equals_closed_form_to_the_picosecond(run: tuple[Config, Trace]) -> None:
    config, trace = run
    program = program_of(config, trace)
    result = simulate(config, trace)
    assert result.latency_ps == program.serial_latency_ps()
    assert result.latency_ps == sum(op.repeat * op.latency_ps for op in result.ops)
    tasks = [task for _, task in program.grouped().tasks()]
    for op, task in zip(result.ops, tasks, strict=True):
        assert op.latency_ps == task.latency_ps() == sum(assignment.latency_ps() for assignment in task.assignments)
        assert sum(op.parts_ps.values()) == op.latency_ps
    assert sum(result.parts_ps.values()) == result.latency_ps
    if config.mapping.masked_folds == "computed":
        assert result.macs == trace.macs
    else:
        assert result.macs <= sum(block.repeat * _rectangle(op) for block, op in trace.ops())
    assert result.tokens == trace.tokens


@settings(max_examples=MACHINES)
@given(run=short_runs())
def test_grouped_equals_ungrouped(run: tuple[Config, Trace]) -> None:
    """Latency, counts, parts, busy time, energy: exactly, not nearly."""
    config, trace = run
    grouped, full = simulate(config, trace), simulate(config, trace, expand=True)
    assert all(op.repeat == 1 for op in full.ops)
    assert all(span.copies == span.rounds == 1 for profile in full.profiles for span in profile.spans)
    assert grouped.latency_ps == full.latency_ps
    assert grouped.counts == full.counts
    assert grouped.parts_ps == full.parts_ps
    assert grouped.macs == full.macs
    assert grouped.components == full.components  # busy time, leakage, area
    assert grouped.energies_j == full.energies_j
    assert grouped.energy_j == full.energy_j
    assert grouped.tiles == full.tiles
    assert sum(op.repeat for op in grouped.ops) == len(full.ops)


@settings(max_examples=MACHINES)
@given(run=short_runs())
def test_ungrouped_run_is_the_replay(run: tuple[Config, Trace]) -> None:
    """The whole timeline, step by step, against plain recursion over the mapped program."""
    config, trace = run
    full = simulate(config, trace, expand=True)
    end_ps, events = trees.replay_program(program_of(config, trace))
    assert full.latency_ps == end_ps
    assert Counter(
        (each.component, span.part, span.label, each.start_ps + span.start_ps, each.start_ps + span.end_ps)
        for each in full.activities
        for span in full.profiles[each.profile].spans
    ) == Counter((e.step.component, e.step.part, e.step.label, e.start_ps, e.end_ps) for e in events)
    expected = naive_schedule.action_counts(events)
    assert Counter(full.counts) == expected
    busy_ps = Counter(naive_schedule.busy_ps(events))
    program = program_of(config, trace).ungrouped()
    streams = [each.stream for _, task in program.tasks() for each in task.assignments if each.stream]
    # The buffer works while its port has accesses of other units, and what leaves for the next chip passes two ports.
    of_ports_ps = program.lanes * sum(each.port_ps * (2 if each.next_chip else 1) for each in streams)
    busy_ps["sram"] = max(busy_ps["sram"], of_ports_ps)
    assert {c.name: c.busy_ps for c in full.components if c.busy_ps} == {
        name: busy for name, busy in busy_ps.items() if busy
    }


@settings(max_examples=scaled(9, 600))
@given(run=strategies.runs())
def test_energies_add_up(run: tuple[Config, Trace]) -> None:
    config, trace = run
    result = simulate(config, trace)
    by_component = math.fsum(result.component_energy_j(component.name) for component in result.components)
    by_action = math.fsum(result.energies_j.values())
    leakage_j = math.fsum(component.leakage_j for component in result.components)
    by_op = math.fsum(row["repeat"] * row["energy_j"] for row in result.op_rows())
    assert result.energy_j == near(by_action, rel=1e-12)
    assert result.energy_j == near(by_component, rel=1e-12)
    assert result.energy_j == near(by_op + leakage_j, rel=1e-12)
    # By hand: every action of a replay, times its energy.
    energies = build_machine(config.machine).action_energies_j()
    counts = naive_schedule.action_counts(trees.replay_program(program_of(config, trace))[1])
    assert Counter(result.counts) == counts
    dynamic_j = math.fsum(count * energies[action] for action, count in counts.items())
    assert result.energy_j == near(dynamic_j + leakage_j, rel=1e-12)


def _stored_bytes(config: Config, op: Projection) -> int:
    """Bytes of outputs that a projection on the systolic array stores: once, or for each fold over K."""
    where, systolic = config.mapping.projection_activations, config.machine.systolic
    folds = range(0, op.in_features, systolic.rows) if systolic.dataflow != "os" else range(1)
    times = {"global_buffer": 0, "memory": 1, "memory_each_fold": len(folds)}[where]
    return op.vectors * op.out_features * times


@settings(max_examples=MACHINES)
@given(run=strategies.runs())
def test_actions_of_a_run_by_their_meaning(run: tuple[Config, Trace]) -> None:
    """Not by walking the mapped program: by what every op of the trace must do."""
    config, trace = run
    result = simulate(config, trace)
    cells = macs = bits = 0
    crossbar = config.machine.crossbar
    for block, op in trace.ops():
        if isinstance(op, Projection) and op.weight_bits == 1 and crossbar:
            encoding = crossbar.pair.encoding
            signed, arrays = encoding.activations == "twos_complement", 2 if encoding.cells == "differential" else 1
            integration = crossbar.pair.sensing.integration
            planes = naive_tiles.plane_count(op.activation_bits, crossbar.pair.dac.bits, signed, integration)
            cells += block.repeat * arrays * op.in_features * op.out_features * planes * op.vectors
        elif isinstance(op, AttentionMatmul) and config.mapping.masked_folds == "skipped":
            macs += block.repeat * naive_causal.computed_macs(config.machine.systolic, op)
        else:
            macs += block.repeat * op.macs
        if isinstance(op, KVAppend):
            bits += block.repeat * 8 * op.bytes
        elif isinstance(op, KVAccumulate):  # a float32 number per kept token
            bits += block.repeat * 32 * op.kept_sums
        elif isinstance(op, Projection) and (op.weight_bits > 1 or not crossbar):
            bits += block.repeat * 8 * _stored_bytes(config, op)
    counts = Counter(result.counts)
    assert counts["tile.cell_read"] == cells
    assert counts["systolic.mac"] == macs
    assert counts["memory.write_bit"] == bits


@settings(max_examples=MACHINES)
@given(run=strategies.runs())
def test_utilisation_and_area(run: tuple[Config, Trace]) -> None:
    config, trace = run
    result = simulate(config, trace)
    machine = build_machine(config.machine)
    for part in machine.components():
        if part.name == "programming":
            continue  # in the result of a run that swaps weights only
        record = result.component(part.name)
        assert 0 <= record.utilisation(result.latency_ps) <= 1
        pieces = result.tiles.tiles_available if part.name in ("tile", "mesh") else 1
        assert record.area_m2 == {area.item: near(pieces * area.each_m2 * area.count) for area in part.areas()}
    total = math.fsum(area for component in result.components for area in component.area_m2.values())
    assert result.area_m2 == near(total)


@settings(max_examples=MACHINES)
@given(run=strategies.runs())
def test_two_runs_are_equal(run: tuple[Config, Trace]) -> None:
    config, trace = run
    first, second = simulate(config, trace), simulate(config, trace)
    assert first == second
    assert first.to_dict() == second.to_dict()


# --- which way things move ------------------------------------------------------------------------------------------


@settings(max_examples=MACHINES)
@given(config=st.data(), model=trace_strategies.models(), context=st.integers(1, 60), more=st.integers(1, 40))
def test_more_context_is_never_faster(config: st.DataObject, model: Any, context: int, more: int) -> None:
    short, long = decode_step(model, context), decode_step(model, context + more)
    machine = config.draw(strategies.configs_for(short))
    assert simulate(machine, long).latency_ps >= simulate(machine, short).latency_ps


FASTER = {
    "memory": ("channel_bandwidth_bytes_per_s", "channels"),
    "systolic": ("clock_hz",),
    "vector": ("clock_hz", "lanes"),
    "sram": ("clock_hz", "width_bits"),
    "controller": ("clock_hz",),
    "mesh": ("link_bandwidth_bps", "clock_hz"),
    "crossbar": ("intra_tile_bandwidth_bps",),
}


@settings(max_examples=MACHINES)
@given(run=strategies.runs(), section=st.sampled_from(sorted(FASTER)), factor=st.integers(1, 3), data=st.data())
def test_a_faster_part_never_makes_a_slower_machine(
    run: tuple[Config, Trace], section: str, factor: int, data: st.DataObject
) -> None:
    config, trace = run
    part = getattr(config.machine, section)
    assume(part is not None)
    key = data.draw(st.sampled_from(FASTER[section]))
    faster = part.model_copy(update={key: factor * getattr(part, key)})
    changed = config.model_copy(update={"machine": config.machine.model_copy(update={section: faster})})
    assert simulate(changed, trace).latency_ps <= simulate(config, trace).latency_ps


@settings(max_examples=MACHINES)
@given(run=strategies.runs())
def test_how_memory_is_stepped_through_hardly_matters(run: tuple[Config, Trace]) -> None:
    """`block_bytes` is a matter of detail: only the rounding of each block to a picosecond depends on it."""
    config, trace = run
    memory = config.machine.memory.model_copy(update={"block_bytes": 1 << 20})
    changed = config.model_copy(update={"machine": config.machine.model_copy(update={"memory": memory})})
    fine, coarse = simulate(config, trace), simulate(changed, trace)
    bits = fine.counts.get("memory.read_bit", 0) + fine.counts.get("memory.write_bit", 0)
    requests = sum(op.repeat for op in fine.ops)
    assert abs(fine.latency_ps - coarse.latency_ps) <= bits / 8 / config.machine.memory.block_bytes + 2 * requests
    assert fine.counts == coarse.counts


# --- where the trace comes from -------------------------------------------------------------------------------------


def test_shape_changes_of_the_workload() -> None:
    assert model_spec(load_config({}, ["workload.model=gpt2-350m"])) == find_model("gpt2-medium")
    narrow = model_spec(load_config({}, ["workload.model=gpt2-350m", "workload.d_ff=1024", "workload.gated=true"]))
    assert narrow == replace(find_model("gpt2-medium"), d_ff=1024, gated=True)
    assert model_spec(load_config({}, ["workload.model=llama-7b", "workload.gated=false"])).gated is False


def test_trace_of_a_model() -> None:
    """Every key has its ops, alone and with the others."""
    spec, model = find_model("opt-1.3b"), ["workload.model=opt-1.3b", "workload.context_length=77"]
    keys = {"embedding": True, "lm_head": True, "quantisation": True, "kv": KvCacheSpec()}
    assert make_trace(load_config({}, model)) == decode_step(spec, 77, **keys)
    without = {"embedding": False, "lm_head": False, "quantisation": False, "kv": CODES_WITHOUT_SCALES}
    for key, value in keys.items():
        options = {**without, key: value}
        settings = [f"workload.{name}={str(each).lower()}" for name, each in options.items() if name != "kv"]
        settings.append(f"workload.kv.scale_bits={32 if key == 'kv' else 0}")
        assert make_trace(load_config({}, [*model, *settings])) == decode_step(spec, 77, **options)


def test_unknown_model_is_named() -> None:
    with pytest.raises(WorkloadInputError, match=r"workload\.model: .*opt-6\.8b.*did you mean"):
        simulate(load_config({}, ["workload.model=opt-6.8b"]))


def test_trace_file_in_place_of_a_model(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    trace = decode_step(find_model("gpt2-small"), 19)
    write_trace(trace, path)
    config = load_config({}, [f"workload.trace={path}"])
    assert load_trace(str(path)) == make_trace(config) == trace
    assert simulate(config) == simulate(config, trace)
    assert simulate(config).context_length == 19


def test_damaged_trace_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text("{")
    with pytest.raises(WorkloadInputError, match=r"trace\.json"):
        simulate(load_config({}, [f"workload.trace={path}"]))
    with pytest.raises(WorkloadInputError, match="missing"):
        load_trace(str(tmp_path / "missing.json"))


# --- bringing the weights onto the chip -----------------------------------------------------------------------------


def test_weights_of_crossbars_are_programmed_while_they_stream() -> None:
    """OPT-1.3B: 24 layers of 12 x 2048^2 weights of 2 bits at 51.2 GB/s, or 2048 rows of 20 ns, whichever is longer."""
    overrides = [
        "workload.model=opt-1.3b",
        "mapping.provisioning=per_layer",
        "machine.memory.channels=4",
        "machine.memory.channel_bandwidth_bytes_per_s=12.8 GB/s",
        "machine.sram.ports=null",  # one is slower than both
    ]
    result = simulate(load_config({}, overrides))
    on_crossbars = 24 * 12 * 2048**2 // 4
    assert result.weight_bytes == on_crossbars + 50_272 * 2048  # and the LM head, which every step streams
    assert result.weight_load_ps == pytest.approx(on_crossbars / 51.2e9 * 1e12, abs=1)
    slow = simulate(load_config({}, [*overrides, "machine.crossbar.pair.cell.write_pulse_s=1 ms"]))
    assert slow.weight_load_ps == round(2 * 256 * 4 * 2 * 1e-3 * 1e12)


@pytest.mark.parametrize(("bits", "lm_head"), [(1, False), (2, True), (8, True)])
def test_a_machine_without_crossbars_streams_its_weights(bits: int, lm_head: bool) -> None:
    """As many bytes as the run reads, less the KV cache; an LM head keeps its 8 bits."""
    overrides = ["workload.model=gpt2-small", "mapping.projections=systolic", f"mapping.weight_storage_bits={bits}"]
    overrides += ["mapping.ternary_storage_bits=1", "workload.embedding=false"]
    result = simulate(load_config({}, [*overrides, f"workload.lm_head={str(lm_head).lower()}"]))
    layers = 12 * (4 * 768**2 + 2 * 768 * 3072) * bits // 8
    assert result.weight_bytes == layers + (50257 * 768 if lm_head else 0)
    cached = 12 * 2 * (768 + 12 * 4) * 128
    assert result.counts["memory.read_bit"] == 8 * (result.weight_bytes + cached)
    assert result.weight_load_ps == 0


@pytest.mark.parametrize("module", ["pimsim.simulation", "pimsim.generation"])
def test_examples_in_docstrings_print_what_they_show(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted
    assert not result.failed
