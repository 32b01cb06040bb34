"""Whole machines under the contended schedule: bounds, conservation of bytes, and invariants."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pimsim import load_config, simulate
from pimsim.config.schema import Config
from pimsim.engine import EngineRun, run
from pimsim.engine.flow_events import FlowMedium
from pimsim.engine.media import MediumProcess
from pimsim.engine.simpy_events import Clock
from pimsim.hardware.machine import build_machine
from pimsim.hardware.mesh import _busy_period_memo
from pimsim.mapping.operations import map_trace
from pimsim.mapping.program import Program, ProgramBlock, Task
from pimsim.results.explanation import explain
from pimsim.results.run_result import RunResult
from pimsim.steps.step_tree import Step, event_count
from tests.oracles import naive_schedule
from tests.support import strategies, trace_strategies, trees
from tests.support.counts import DEEP, scaled
from tests.support.programs import program_of
from workloads.trace import Trace


@st.composite
def contended_runs(draw: st.DrawFn, most: int = 20_000) -> tuple[Config, Trace]:
    trace = draw(trace_strategies.model_traces | trace_strategies.mixed_traces())
    config = draw(strategies.configs_for(trace, schedule="contended"))
    works = [assignment.work() for _, task in program_of(config, trace).tasks() for assignment in task.assignments]
    assume(sum(map(event_count, works)) < most)
    return config, trace


def with_links(config: Config, links: str) -> Config:
    mesh = config.machine.mesh
    machine = config.machine.model_copy(update={"mesh": mesh and mesh.model_copy(update={"links": links})})
    return config.model_copy(update={"machine": machine})


def class_work_ps(program: Program, outcome: EngineRun) -> int:
    """Return the work per unit, summed over classes of resources: the time of all activities that use or hold them,
    and the busy and waiting times of all links, banks and buses of the media.
    """
    work: Counter[tuple[str, str]] = Counter()
    for repetition, block in enumerate(naive_schedule.repetitions(program)):
        of = {each.name: each for task in block.tasks for each in task.assignments}
        for each in of.values():
            duration_ps = each.latency_ps()
            how = each.constraints
            if used := how.resource or how.medium:
                work[f"repetition {repetition}" if used.private else "", used.name] += duration_ps
            for held in {of[name].constraints.opens for name in how.closes} | {how.opens}:
                if held:
                    work["", held.name] += duration_ps
    waiting = sum(use.waited_ps + use.busy_ps for medium in outcome.media for use in medium.uses)
    return sum(math.ceil(total / program.capacities.get(name, 1)) for (_, name), total in work.items()) + waiting


def without_numbers(outcome: EngineRun) -> tuple[object, ...]:
    """Return all of a run, each activity with its profile in place of the number of the profile.

    Profiles are numbered as activities end. Of two that end in the same picosecond, one behind a medium, one without,
    either loop may be told of either first. Nothing else may depend on that.
    """
    activities = [(each._replace(profile=0), outcome.profiles[each.profile]) for each in outcome.activities]
    profiles = len(outcome.profiles)
    return replace(outcome, activities=(), profiles=()), activities, profiles


@settings(max_examples=scaled(15, 2_000))
@given(case=contended_runs())
def test_any_machine_finishes_within_its_bounds(case: tuple[Config, Trace]) -> None:
    """There is no deadlock, nothing is lost, and the latency is between the longest path and that plus all work.

    The loop of its own and SimPy's give the same result: activities with their profiles, and statistics of the media.
    """
    config, trace = case
    program = program_of(config, trace)
    outcome, free = run(program, "contended"), run(program, "contended", unlimited=True)
    assert without_numbers(run(program, "contended", stepped=True)) == without_numbers(outcome)
    assert free.latency_ps == naive_schedule.longest_path_ps(program)
    assert outcome.latency_ps >= free.latency_ps
    assert outcome.latency_ps <= free.latency_ps + class_work_ps(program.ungrouped(), outcome)
    for medium in outcome.media:
        assert all(use.busy_ps <= outcome.latency_ps and use.in_bytes == use.out_bytes for use in medium.uses)
        assert 0 <= medium.busy_ps <= outcome.latency_ps
    result = simulate(config, trace)
    assert result.latency_ps == outcome.latency_ps
    serial = simulate(config.model_copy(update={"schedule": "serial"}), trace)
    assert {name: n for name, n in result.counts.items() if n} == _with_buffered_kv(serial, result)
    assert sum(result.parts_ps.values()) == result.latency_ps
    explain(result).to_dict()


def _with_buffered_kv(serial: RunResult, result: RunResult) -> dict[str, int]:
    """Return the serial counts; what appends read from the global buffer is first written into their write buffer."""
    expected = Counter({name: n for name, n in serial.counts.items() if n})
    if result.config.mapping.kv_write_entries is not None:
        for op in result.ops:
            if op.kind == "kv_append":
                expected["sram.write"] += op.repeat * op.counts["sram.read"]
    return dict(expected)


def test_an_append_that_settles_a_group_writes_its_entries_once_more_into_the_write_buffer() -> None:
    """The 64th token ends a group of channels: entries of higher width come back from memory to be quantised."""
    cache = ["workload.kv.key_bits=4", "workload.kv.key_scales=per_channel", "workload.context_length=64"]
    base = ["workload.model=gpt2-small", "mapping.kv_write_entries=2", *cache]
    serial, result = (simulate(load_config("pim-llm", [*base, f"schedule={each}"])) for each in ("serial", "contended"))
    assert any(op.kind == "kv_append" and op.counts.get("memory.read_bit") for op in result.ops)
    assert {name: n for name, n in result.counts.items() if n} == _with_buffered_kv(serial, result)


@settings(max_examples=scaled(8, 1_000))
@given(case=contended_runs(), stepped=st.booleans())
def test_what_a_memo_knows_of_earlier_runs_changes_nothing(case: tuple[Config, Trace], stepped: bool) -> None:
    """Networks wake up less often if their memo knows what comes; with a limit of now, media wake up more often."""
    program = program_of(*case)
    _busy_period_memo.cache_clear()
    cold, warm = (run(program, "contended", stepped=stepped) for _ in range(2))
    assert warm == cold
    with pytest.MonkeyPatch.context() as patch:
        for kind in (MediumProcess, FlowMedium):
            patch.setattr(kind, "_limit_ps", lambda _, now_ps: now_ps)
        _busy_period_memo.cache_clear()
        assert run(program, "contended", stepped=stepped) == cold


@settings(max_examples=scaled(12, 2_000))
@given(case=contended_runs())
def test_what_is_unlimited_is_dataflow_to_the_picosecond(case: tuple[Config, Trace]) -> None:
    config, trace = case
    sram = config.machine.sram.model_copy(update={"capacity_bytes": 1 << 40, "ports": None})
    machine = config.machine.model_copy(update={"sram": sram})
    buffers = dict.fromkeys(("input_buffer_vectors", "output_buffer_vectors", "kv_write_entries"))
    mapping = config.mapping.model_copy(update=buffers)
    config = with_links(config.model_copy(update={"machine": machine, "mapping": mapping}), "unlimited")
    flow = simulate(config.model_copy(update={"schedule": "dataflow"}), trace)
    contended = simulate(config, trace)
    assert contended.latency_ps == flow.latency_ps
    assert [each.end_ps for each in contended.activities] == [each.end_ps for each in flow.activities]
    assert contended.counts == flow.counts


@settings(max_examples=scaled(8, 400))
@given(case=contended_runs(), expand=st.booleans())
def test_events_that_are_skipped_change_nothing(case: tuple[Config, Trace], expand: bool) -> None:
    program = program_of(*case)
    skipping = run(program, "contended", expand=expand, stepped=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clock, "skip", lambda *_: False)
        assert run(program, "contended", expand=expand, stepped=True) == skipping


@given(durations=st.lists(st.integers(1, 50), min_size=1, max_size=6), factor=st.integers(2, 5))
def test_a_chain_is_monotone(durations: list[int], factor: int) -> None:
    """If each activity needs the one before it, faster activities make the whole run faster."""

    def chain(scale: int) -> int:
        made = tuple(
            trees.assignment(
                f"n{i}", Step("a", "dac", "one", scale * d), after=(f"n{i - 1}",) if i else (), resource="x"
            )
            for i, d in enumerate(durations)
        )
        return run(Program((ProgramBlock("b", 1, (Task("t", "scripted", (), 0, made),)),)), "contended").latency_ps

    assert chain(factor) == factor * chain(1) > chain(1)


@pytest.mark.parametrize("model", ["gpt2-small", "opt-1.3b"] if DEEP else ["gpt2-small"])
def test_slower_links_make_a_contended_step_slower(model: str) -> None:
    times = [
        simulate(
            load_config(
                "pim-llm",
                ["schedule=contended", f"workload.model={model}", f"machine.mesh.link_bandwidth_bps={gbps} Gb/s"],
            )
        ).latency_ps
        for gbps in (10, 20, 40)
    ]
    assert times == sorted(times, reverse=True)


def anomaly(units: int) -> int:
    """The example of docs/contention.md: with one more unit of x two start at once, and one takes y too early."""
    durations, after = (2, 4, 8, 6, 1, 6), ((), (0,), (1,), (), (), (4,))
    made = tuple(
        trees.assignment(
            f"n{i}", Step("a", "dac", "one", d), after=tuple(f"n{j}" for j in after[i]), resource="yyxxxy"[i]
        )
        for i, d in enumerate(durations)
    )
    program = Program((ProgramBlock("b", 1, (Task("t", "scripted", (), 0, made),)),), {"x": units})
    return run(program, "dataflow").latency_ps


def test_a_unit_more_can_be_slower() -> None:
    """Scheduling anomalies are real (Graham, 1969)."""
    assert (anomaly(1), anomaly(2)) == (15, 20)


def test_micro_batches_pipeline_over_the_banks() -> None:
    """Layers have their own tiles, so slices of a batch are in several layers at the same time.

    Without an LM head, whose matrix is streamed again for each slice.
    """
    base = ["schedule=dataflow", "workload.model=gpt2-small", "workload.batch=8", "workload.lm_head=false"]
    whole, parts = (simulate(load_config("pim-llm", [*base, f"mapping.microbatches={n}"])) for n in (1, 4))
    assert parts.tokens == whole.tokens == 8
    assert parts.latency_ps < whole.latency_ps
    assert parts.macs == whole.macs
    unlimited = simulate(load_config("pim-llm", [*base, "mapping.microbatches=4", "schedule=serial"]))
    assert parts.latency_ps < unlimited.latency_ps
    assert parts.counts == unlimited.counts


def test_a_host_holds_back_what_it_has_not_asked_for() -> None:
    """100 us per request are longer than any work of the chip, the projection to the vocabulary included."""
    slow, fast = (
        simulate(
            load_config(
                "pim-llm",
                [
                    "workload.model=gpt2-small",
                    "schedule=contended",
                    f"machine.host={{request_interval_s: {interval}, queue_depth: 4, request_energy_j: 1 nJ}}",
                ],
            )
        )
        for interval in ("100 us", "1 ns")
    )
    requests = slow.counts["host.request"]
    assert slow.latency_ps >= requests * 100_000_000 > fast.latency_ps
    assert slow.counts == fast.counts


def test_a_write_buffer_takes_the_memory_off_the_path() -> None:
    """Attention reads K and V from the buffer; the memory may be slow."""
    slow_memory = ["machine.memory.access_latency_s=50 us", "schedule=contended", "workload.model=gpt2-small"]
    without, buffered = (
        simulate(load_config("pim-llm", [*slow_memory, *more])) for more in ([], ["mapping.kv_write_entries=2"])
    )
    assert buffered.latency_ps < without.latency_ps


def test_grouped_meshes_equal_written_out_ones() -> None:
    """Identical layers use the busy periods of the first one; ungrouped, each layer has its own."""
    config = load_config("pim-llm", ["schedule=contended", "workload.model=gpt2-small"])
    program = map_trace(config, build_machine(config.machine), simulate_trace(config)).program
    one, all_of_them = run(program, "contended"), run(program.ungrouped(), "contended")
    assert one.latency_ps == all_of_them.latency_ps
    layers = [medium for medium in one.media if medium.component == "mesh"]
    assert len(layers) == 12
    assert len({(medium.busy_ps, medium.waited_ps, medium.moved_bytes) for medium in layers}) == 1


def simulate_trace(config: Config) -> Trace:
    from pimsim.simulation import make_trace

    return make_trace(config)


def test_operands_longer_than_their_buffer_are_cut_between_folds() -> None:
    """The pieces need the same time on the array as the whole, and only one piece waits for its transfer."""
    base = ["schedule=contended", "workload.model=gpt2-small", "workload.context_length=4096"]
    whole, cut = (
        simulate(load_config("pim-llm", [*base, f"machine.sram.capacity_bytes={size}"])) for size in ("8 MiB", "64 KiB")
    )
    assert len(cut.activities) > len(whole.activities)
    for name in ("systolic.cycle", "systolic.mac", "memory.read_bit"):
        assert cut.counts[name] == whole.counts[name]
    assert cut.component("systolic").busy_ps == whole.component("systolic").busy_ps


def test_explanations_name_what_is_contended() -> None:
    """Without limits at the port of the global buffer, for which more would wait than for the links."""
    result = simulate(
        load_config("pim-llm", ["schedule=contended", "machine.sram.ports=null", "workload.model=opt-1.3b"])
    )
    explanation = explain(result)
    assert explanation.contended[0].component == "mesh"
    assert explanation.contended[0].piece.startswith("link (")
    assert any("contention inside shared hardware" in sentence for sentence in explanation.sentences())
    assert sum(each.critical_ps for each in explanation.contended) == result.parts_ps["contention"]
    assert replace(result, media=()).energy_j == result.energy_j
