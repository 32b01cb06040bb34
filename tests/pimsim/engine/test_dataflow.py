"""The dataflow schedule: bounds, the longest path, resource occupancy by sweep line, and invariants."""

from __future__ import annotations

import copy
import math
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pimsim.base.errors import CapacityError, StalledError
from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.engine import EngineRun, Memo, dataflow, run
from pimsim.hardware.machine import build_machine
from pimsim.mapping.occupancy import STREAM
from pimsim.mapping.operations import map_trace
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Task
from pimsim.results.run_result import RunResult
from pimsim.simulation import make_trace, simulate
from pimsim.steps.records import ActivityRecord
from pimsim.steps.step_tree import Sequence, Step, event_count, expanded
from tests.oracles import naive_schedule
from tests.support import strategies, trees
from tests.support.counts import scaled
from workloads.ops import BLOCK_INPUT
from workloads.trace import Trace

Unit = tuple[str, str]
"""Owner of a resource (a chip, or a repetition of a block), and its name."""


def program_of(config: Config, trace: Trace) -> Program:
    return map_trace(config, build_machine(config.machine), trace).program


def alike(outcome: EngineRun) -> tuple[Any, ...]:
    """Return the result of a run without the numbering and grouping of its profiles."""
    activities = [
        (each._replace(profile=0), outcome.profiles[each.profile].busy_ps, outcome.profiles[each.profile].counts)
        for each in outcome.activities
    ]
    return outcome.latency_ps, activities, [outcome.profiles[each.profile].parts_ps for each in outcome.activities]


def held(program: Program, activities: tuple[ActivityRecord, ...]) -> dict[Unit, list[tuple[int, int]]]:
    """Return when each resource is certainly held: by activities that use it, and from opening to the last closing."""
    intervals: dict[Unit, list[tuple[int, int]]] = defaultdict(list)
    records = iter(activities)
    for repetition, block in enumerate(naive_schedule.repetitions(program)):
        opened: dict[str, tuple[str, int]] = {}
        closed: dict[str, int] = {}
        for task in block.tasks:
            for assignment in task.assignments:
                record = next(records)
                assert (record.name, record.component) == (assignment.name, assignment.component.name)
                if assignment.resource:
                    owner = f"repetition {repetition}" if assignment.private else f"chip {block.chip}"
                    intervals[owner, assignment.resource].append((record.start_ps, record.end_ps))
                if assignment.opens:
                    opened[assignment.name] = assignment.opens, record.start_ps
                for name in assignment.closes:
                    closed[name] = max(closed.get(name, 0), record.end_ps)
        assert opened.keys() == closed.keys()
        for name, (resource, start_ps) in opened.items():
            intervals[f"chip {block.chip}", resource].append((start_ps, closed[name]))
    assert next(records, None) is None
    return intervals


def capacity(program: Program, unit: Unit) -> int:
    return 1 if unit[0].startswith("repetition") else program.capacities.get(unit[1], 1)


def busiest_ps(program: Program) -> int:
    """Return the work of the busiest resource per unit, for any order; openers hold a unit at least while they run."""
    work: Counter[Unit] = Counter()
    for repetition, block in enumerate(naive_schedule.repetitions(program)):
        of = {each.name: each for task in block.tasks for each in task.assignments}
        closers: Counter[str] = Counter()
        for each in of.values():
            duration_ps = naive_schedule.replay(each.work())[0]
            owner = f"repetition {repetition}" if each.private else f"chip {block.chip}"
            work[owner, each.resource] += duration_ps if each.resource else 0
            if each.opens:
                work[f"chip {block.chip}", each.opens] += duration_ps
            for name in each.closes:
                closers[name] = max(closers[name], duration_ps)
        for name, duration_ps in closers.items():
            work[f"chip {block.chip}", of[name].opens] += duration_ps
    return max((math.ceil(total / capacity(program, unit)) for unit, total in work.items()), default=0)


def check_order(program: Program, activities: tuple[ActivityRecord, ...]) -> None:
    """No activity starts before its inputs have ended, and its cause ends exactly at its start."""
    records = iter(activities)
    before: list[ActivityRecord] = []
    for block in naive_schedule.repetitions(program):
        named = {BLOCK_INPUT: before}
        for task in block.tasks:
            named[task.name] = []
            for assignment in task.assignments:
                record = next(records)
                inputs = [need.end_ps for name in assignment.after for need in named[name]]
                assert record.ready_ps == max(inputs, default=0)
                assert record.ready_ps <= record.start_ps <= record.end_ps
                assert (record.start_ps > record.ready_ps) == bool(record.waited_for)
                assert record.waited_for in ("", assignment.resource, assignment.opens)
                assert record.start_ps == (activities[record.cause].end_ps if record.cause >= 0 else 0)
                named[assignment.name] = [record]
                named[task.name].append(record)
            before = named[task.name]


def check_resources(program: Program, activities: tuple[ActivityRecord, ...]) -> None:
    for unit, intervals in held(program, activities).items():
        assert naive_schedule.units_needed(intervals) <= capacity(program, unit), unit


def chain(outcome: EngineRun) -> list[ActivityRecord]:
    """Return the critical path: from the last end back along the causes."""
    index = max(range(len(outcome.activities)), key=lambda each: outcome.activities[each].end_ps)
    found = []
    while index >= 0:
        found.append(outcome.activities[index])
        index = outcome.activities[index].cause
    return found[::-1]


def check_chain(path: list[ActivityRecord] | tuple[ActivityRecord, ...], latency_ps: int) -> None:
    """The path fills the run from its start to its end without a gap."""
    now = 0
    for each in path:
        assert each.start_ps == now
        now = each.end_ps
    assert now == latency_ps


def totals(outcome: EngineRun) -> tuple[Counter[str], Counter[str]]:
    counts: Counter[str] = Counter()
    busy: Counter[str] = Counter()
    for activity in outcome.activities:
        profile, repeat = outcome.profiles[activity.profile], outcome.tasks[activity.op][0].repeat
        busy[activity.component] += repeat * profile.busy_ps
        for action, count in profile.counts.items():
            counts[action] += repeat * count
    return counts, busy


def check(program: Program) -> EngineRun:
    """Check the properties of any program."""
    flow, free, serial = run(program, "dataflow"), run(program, "dataflow", unlimited=True), run(program, "serial")
    assert free.latency_ps == naive_schedule.longest_path_ps(program)
    assert max(free.latency_ps, busiest_ps(program)) <= flow.latency_ps <= serial.latency_ps
    assert serial.latency_ps == program.serial_latency_ps()
    for outcome in (flow, free):
        assert totals(outcome) == totals(serial)
        check_order(program, outcome.activities)
        check_chain(chain(outcome), outcome.latency_ps)
    assert all(each.start_ps == each.ready_ps for each in free.activities)
    check_resources(program, flow.activities)
    assert run(program, "dataflow") == flow
    return flow


# --- random programs ------------------------------------------------------------------------------------------------


@settings(max_examples=scaled(50, 20_000))
@given(program=trees.flow_programs())
def test_any_program(program: Program) -> None:
    check(program)


@settings(max_examples=scaled(25, 5_000))
@given(program=trees.flow_programs())
def test_grouped_equals_written_out_and_remembered_equals_new(program: Program) -> None:
    flow = run(program, "dataflow")
    assert alike(run(program, "dataflow", expand=True)) == alike(flow)
    memo: Memo = {}
    assert run(program, "dataflow", memo=memo) == flow
    known = {name: {share: copy.copy(each) for share, each in shares.items()} for name, shares in memo.items()}
    assert known
    assert run(program, "dataflow", memo=memo) == flow
    assert memo == known
    # What the serial schedule has stepped through serves the dataflow schedule too.
    of_serial: Memo = {}
    run(program, "serial", memo=of_serial)
    assert run(program, "dataflow", memo=of_serial) == flow


def test_who_is_next_does_not_depend_on_what_has_been_stepped_through() -> None:
    """Two activities end together, one of them after twenty small steps; their successors need the only unit."""
    small = Step("a", "dac", "small", 1, repeat=20)
    first, second = takes(20), Sequence((small,))
    program = flow_of(
        trees.assignment("before", second),
        trees.assignment("one", second, after=("before",)),
        trees.assignment("two", first, after=("before",)),
        trees.assignment("left", takes(5), after=("one",), resource="x"),
        trees.assignment("right", takes(7), after=("two",), resource="x"),
    )
    for outcome in (run(program, "dataflow", expand=expand) for expand in (False, True)):
        assert times(outcome)[3:] == [("left", 40, 40, 45), ("right", 40, 45, 52)]
        assert [each.cause for each in outcome.activities] == [-1, 0, 0, 1, 3]


@settings(max_examples=scaled(25, 5_000))
@given(program=trees.flow_programs())
def test_with_units_for_all_nothing_waits(program: Program) -> None:
    """With enough units of each shared resource and no private resource, a run is as fast as without resources, except
    that units are opened in program order.
    """
    plenty = dict.fromkeys((*trees.SHARED, *trees.PRIVATE, trees.STREAM), 1000)
    flow = run(_shared(program, opening=False, capacities=plenty), "dataflow")
    assert flow.latency_ps == naive_schedule.longest_path_ps(program)
    assert not any(each.waited_for for each in flow.activities)
    for each in run(_shared(program, opening=True, capacities=plenty), "dataflow").activities:
        assert each.waited_for in ("", trees.STREAM)


def _shared(program: Program, *, opening: bool, capacities: dict[str, int]) -> Program:
    def shared(each: Assignment) -> Assignment:
        freed = replace(each, private=False)
        return freed if opening else replace(freed, opens="", closes=())

    blocks = tuple(
        replace(block, tasks=tuple(replace(t, assignments=tuple(map(shared, t.assignments))) for t in block.tasks))
        for block in program.blocks
    )
    return Program(blocks, capacities)


# --- by hand --------------------------------------------------------------------------------------------------------


def takes(duration_ps: int) -> Step:
    return Step("a", "dac", "one", duration_ps)


def flow_of(*assignments: Assignment, repeat: int = 1, **capacities: int) -> Program:
    task = Task("t", "scripted", (), 0, assignments)
    return Program((ProgramBlock("b", repeat, (task,)),), capacities)


def times(outcome: EngineRun) -> list[tuple[str, int, int, int]]:
    return [(each.name, each.ready_ps, each.start_ps, each.end_ps) for each in outcome.activities]


def test_two_lanes_meet() -> None:
    program = flow_of(
        trees.assignment("left", takes(7), resource="x"),
        trees.assignment("right", takes(5), resource="x"),
        trees.assignment("meet", takes(1), after=("left", "right"), resource="y"),
        x=2,
    )
    outcome = check(program)
    assert times(outcome) == [("left", 0, 0, 7), ("right", 0, 0, 5), ("meet", 7, 7, 8)]
    assert [each.cause for each in outcome.activities] == [-1, -1, 0]
    one = check(Program(program.blocks, {"x": 1}))
    assert times(one) == [("left", 0, 0, 7), ("right", 0, 7, 12), ("meet", 12, 12, 13)]
    assert [(each.cause, each.waited_for) for each in one.activities] == [(-1, ""), (0, "x"), (1, "")]


@pytest.mark.parametrize(("private", "ends"), [(True, [10, 10, 10]), (False, [10, 20, 30])])
def test_repetitions_have_private_hardware_each(private: bool, ends: list[int]) -> None:
    """Nothing depends on the block before, so only shared resources order the repetitions."""
    outcome = check(flow_of(trees.assignment("a", takes(10), resource="x", private=private), repeat=3))
    assert [each.end_ps for each in outcome.activities] == ends


def test_chips_share_nothing() -> None:
    task = Task("t", "scripted", (), 0, (trees.assignment("a", takes(10), resource="x"),))
    assert check(Program((ProgramBlock("b", 2, (task,), 0), ProgramBlock("b", 1, (task,), 1)))).latency_ps == 20
    assert check(Program((ProgramBlock("b", 3, (task,), 0),))).latency_ps == 30


def test_a_block_waits_for_the_last_op_of_the_block_before() -> None:
    first = Task("first", "scripted", (), 0, (trees.assignment("slow", takes(9)),))
    last = Task("last", "scripted", (), 0, (trees.assignment("quick", takes(2), after=(BLOCK_INPUT,)),))
    outcome = check(Program((ProgramBlock("b", 3, (first, last)),)))
    assert [each.end_ps for each in outcome.activities] == [9, 2, 9, 4, 9, 6]


def test_an_operand_keeps_its_buffer_until_its_last_use() -> None:
    def streamed(name: str) -> tuple[Assignment, ...]:
        return (
            trees.assignment(f"{name}.operand", takes(2), resource="memory", opens="s"),
            trees.assignment(f"{name}.one", takes(10), after=(f"{name}.operand",), closes=(f"{name}.operand",)),
            trees.assignment(f"{name}.two", takes(4), after=(f"{name}.operand",), closes=(f"{name}.operand",)),
        )

    assignments = (*streamed("a"), *streamed("b"))
    one, two = (check(flow_of(*assignments, s=count)) for count in (1, 2))
    assert times(one)[3] == ("b.operand", 0, 12, 14)
    assert (one.activities[3].waited_for, one.activities[3].cause) == ("s", 1)
    assert times(two)[3] == ("b.operand", 0, 2, 4)
    assert (two.activities[3].waited_for, two.activities[3].cause) == ("memory", 0)
    assert (one.latency_ps, two.latency_ps) == (24, 14)


# --- what could deadlock ---------------------------------------------------------------------------------------------


def out_of_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let buffers be opened first come, first served."""
    original = dataflow.Dataflow._process

    def process(self: dataflow.Dataflow, node: dataflow.Node) -> Any:
        node.turn = None
        return original(self, node)

    monkeypatch.setattr(dataflow.Dataflow, "_process", process)


CROSSED = flow_of(
    trees.assignment("append", takes(50)),
    trees.assignment("k", takes(1), after=("append",), opens="s"),
    trees.assignment("scores", takes(1), after=("k",), closes=("k",)),
    trees.assignment("v", takes(1), opens="s"),
    trees.assignment("values", takes(1), after=("v", "scores"), closes=("v",)),
)


def test_buffers_are_opened_in_program_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """V could be fetched at once; if it took the only buffer, K would never get one, and the use of V waits for K."""
    outcome = check(CROSSED)
    assert times(outcome)[3] == ("v", 0, 52, 53)
    assert outcome.activities[3].waited_for == "s"
    out_of_turn(monkeypatch)
    with pytest.raises(
        StalledError, match=r"stopped at 50 ps with unfinished work: k waits for s; scores waits for k; "
    ):
        run(CROSSED, "dataflow")


TPU_PREFILL = ["workload.model=gpt2-small", "workload.phase=prefill", "workload.prompt_length=32", "schedule=dataflow"]


def test_a_prefill_that_could_wait_for_ever_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config("tpu-llm", [*TPU_PREFILL, "mapping.stream_buffers=1"])
    trace = make_trace(config)
    program = program_of(config, trace)
    assert program.capacities[STREAM] == 1
    outcome = run(program, "dataflow")
    assert outcome.latency_ps <= program.serial_latency_ps()
    check_order(program, outcome.activities)
    check_resources(program, outcome.activities)
    out_of_turn(monkeypatch)
    with pytest.raises(StalledError, match=f"waits for {STREAM}"):
        run(program, "dataflow")


def test_a_machine_that_is_stuck_says_who_waits_for_what() -> None:
    """Two operands of one matmul, and one buffer: a program that the mapping never creates."""
    stuck = flow_of(
        trees.assignment("first", takes(3), opens="s"),
        trees.assignment("second", takes(3), opens="s"),
        trees.assignment("use", takes(1), after=("first", "second"), closes=("first",)),
        trees.assignment("other", takes(1), after=("use",), resource="x", closes=("second",)),
    )
    with pytest.raises(StalledError) as caught:
        run(stuck, "dataflow")
    assert str(caught.value) == (
        "the machine stopped at 3 ps with unfinished work: "
        "second waits for s; use waits for first, second; other waits for use"
    )
    assert run(stuck, "dataflow", unlimited=True).latency_ps == 5
    assert run(stuck, "serial").latency_ps == 8


def test_of_many_that_wait_the_first_are_named() -> None:
    chained = [trees.assignment(f"n{i}", takes(1), after=(f"n{i - 1}",) if i else ("second",)) for i in range(9)]
    stuck = flow_of(
        trees.assignment("first", takes(3), opens="s"),
        trees.assignment("second", takes(3), opens="s"),
        *chained,
        trees.assignment("use", takes(1), after=("n8",), closes=("first",)),
    )
    with pytest.raises(StalledError, match=r"second waits for s; n0 waits for second; .*n3 waits for n2, and 6 more$"):
        run(stuck, "dataflow")


# --- random machines and models -------------------------------------------------------------------------------------


@st.composite
def flow_runs(draw: st.DrawFn, most: int = 60_000, *, full: bool = False) -> tuple[Config, Trace]:
    """Short runs under the dataflow schedule."""
    trace = draw(strategies.model_traces | strategies.mixed_traces())
    config = draw(strategies.configs_for(trace, schedule="dataflow"))
    works = [assignment.work() for _, task in program_of(config, trace).tasks() for assignment in task.assignments]
    assume(sum(event_count(expanded(work) if full else work) for work in works) < most)
    return config, trace


def serially(config: Config, trace: Trace) -> RunResult:
    return simulate(config.model_copy(update={"schedule": "serial"}), trace)


@settings(max_examples=scaled(12, 3_000))
@given(case=flow_runs())
def test_any_machine_and_model(case: tuple[Config, Trace]) -> None:
    config, trace = case
    program = program_of(config, trace)
    flow = check(program)
    result, serial = simulate(config, trace), serially(config, trace)
    assert result.latency_ps == flow.latency_ps <= serial.latency_ps
    # Cutting ops into slices adds no time: the dataflow program, run serially, has the latency of the uncut one.
    assert program.serial_latency_ps() == serial.latency_ps
    assert result.counts == serial.counts
    assert result.macs == serial.macs
    assert [(c.name, c.busy_ps, c.area_m2) for c in result.components] == [
        (c.name, c.busy_ps, c.area_m2) for c in serial.components
    ]
    # Serially, one matrix at a time uses the mesh; overlapping, each has links of its own.
    assert all(
        a.units == b.units or a.name == "mesh" for a, b in zip(result.components, serial.components, strict=True)
    )
    energies, expected = dict(result.energies_j), dict(serial.energies_j)
    if config.leakage_gating == "ungated":
        # What leaks for the whole run leaks for less time.
        for component in result.components:
            if f"{component.name}.leakage" in expected:
                leaked = energies.pop(f"{component.name}.leakage", 0.0)
                assert leaked <= expected.pop(f"{component.name}.leakage") * (1 + 1e-12)
    assert energies == expected
    check_chain(result.critical_path, result.latency_ps)
    assert sum(result.parts_ps.values()) == result.latency_ps
    used = {component.name: component.utilisation(result.latency_ps) for component in result.components}
    assert all(0 <= share <= 1 for share in used.values()), used


@settings(max_examples=scaled(6, 2_000))
@given(case=flow_runs(), banks=st.integers(1, 3), chips=st.integers(1, 2))
def test_swapped_layers_and_several_chips(case: tuple[Config, Trace], banks: int, chips: int) -> None:
    """A region that is reprogrammed for each layer, and outputs of a layer on their way to the next chip."""
    config, trace = case
    tree = config.model_dump(mode="json")
    assume(tree["machine"]["crossbar"])
    tree["mapping"]["provisioning"] = "swap"
    tree["machine"]["crossbar"]["banks"] = banks
    tree["machine"]["chips"]["count"] = chips
    swapping = load_config(tree)
    try:
        program = program_of(swapping, trace)
    except CapacityError:
        assume(False)
    check(program)
    assert simulate(swapping, trace).counts == serially(swapping, trace).counts


def test_meshes_that_work_at_once_are_as_many_units() -> None:
    """Q, K and V leave their tiles together, over links so slow that everything else is negligible."""
    slow = ["workload.model=gpt2-small", "schedule=dataflow", "machine.mesh.link_bandwidth_bps=1e6"]
    result = simulate(load_config("pim-llm", slow))
    assert result.component("mesh").utilisation(result.latency_ps) <= 1


@settings(max_examples=scaled(12, 500))
@given(case=flow_runs(4_000, full=True))
def test_any_machine_and_model_written_out(case: tuple[Config, Trace]) -> None:
    config, trace = case
    memo: Memo = {}
    result, full = simulate(config, trace, memo=memo), simulate(config, trace, expand=True)
    assert (full.latency_ps, full.counts, full.components) == (result.latency_ps, result.counts, result.components)
    assert full.parts_ps == result.parts_ps
    assert [each._replace(profile=0) for each in full.activities] == [
        each._replace(profile=0) for each in result.activities
    ]
    assert simulate(config, trace, memo=memo) == simulate(config, trace) == result


@settings(max_examples=scaled(12, 500))
@given(case=flow_runs(20_000), more=st.integers(2, 4))
@example(case=(load_config("tpu-llm", TPU_PREFILL), make_trace(load_config("tpu-llm", TPU_PREFILL))), more=2)
def test_more_arrays_do_the_same_work(case: tuple[Config, Trace], more: int) -> None:
    """List scheduling has anomalies, so more arrays may be slower, but no bound is broken and no count changes."""
    config, trace = case
    systolic = config.machine.systolic.model_copy(update={"count": config.machine.systolic.count * more})
    machine = config.machine.model_copy(update={"systolic": systolic})
    wider = config.model_copy(update={"machine": machine})
    program = program_of(wider, trace)
    outcome = run(program, "dataflow")
    assert naive_schedule.longest_path_ps(program) <= outcome.latency_ps <= program.serial_latency_ps()
    check_resources(program, outcome.activities)
    assert simulate(wider, trace).counts == simulate(config, trace).counts


# --- the shipped machines -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["gpt2-medium", "opt-6.7b"])
def test_pim_llm_is_faster_under_dataflow(model: str) -> None:
    """Heads overlap with softmax and KV traffic, and Q, K and V with one another: 5 % at least."""
    serial, flow = (
        simulate(load_config("pim-llm", [f"workload.model={model}", f"schedule={schedule}"]))
        for schedule in ("serial", "dataflow")
    )
    assert flow.latency_ps < 0.95 * serial.latency_ps
    assert flow.energies_j == serial.energies_j
    check_chain(flow.critical_path, flow.latency_ps)
    assert sum(flow.parts_ps.values()) == flow.latency_ps


def test_a_hand_written_sequence_is_as_long_under_either_schedule() -> None:
    """If each activity needs the one before it, nothing overlaps."""
    names = [f"n{i}" for i in range(5)]
    made = [
        trees.assignment(name, Sequence((takes(3), takes(i))), after=(names[i - 1],) if i else ())
        for i, name in enumerate(names)
    ]
    assert check(flow_of(*made)).latency_ps == 5 * 3 + 10
