"""The dataflow schedule on random machines and models, and on the shipped machines."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pimsim.base.errors import CapacityError
from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.engine import Memo, run
from pimsim.results.run_result import RunResult
from pimsim.simulation import make_trace, simulate
from pimsim.steps.step_tree import Sequence, event_count, expanded
from tests.oracles import naive_schedule
from tests.pimsim.engine.schedule_checks import (
    TPU_PREFILL,
    check,
    check_chain,
    check_resources,
    flow_of,
    takes,
)
from tests.support import strategies, trace_strategies, trees
from tests.support.counts import scaled
from tests.support.programs import program_of
from workloads.trace import Trace


@st.composite
def flow_runs(draw: st.DrawFn, most: int = 60_000, *, full: bool = False) -> tuple[Config, Trace]:
    """Short runs under the dataflow schedule."""
    trace = draw(trace_strategies.model_traces | trace_strategies.mixed_traces())
    config = draw(strategies.configs_for(trace, schedule="dataflow"))
    works = [assignment.work() for _, task in program_of(config, trace).tasks() for assignment in task.assignments]
    assume(sum(event_count(expanded(work) if full else work) for work in works) < most)
    return config, trace


def serially(config: Config, trace: Trace) -> RunResult:
    return simulate(config.model_copy(update={"schedule": "serial"}), trace)


@settings(max_examples=scaled(12, 1_000))
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
    of_flow, of_serial = ({c.name: (c.busy_ps, c.area_m2) for c in each.components} for each in (result, serial))
    # The port of the global buffer is busy for what the units read and write, but for the whole run at most.
    assert of_flow.pop("sram") <= of_serial.pop("sram")
    assert of_flow == of_serial
    # Serially, one matrix at a time uses the mesh; overlapping, each has links of its own.
    assert all(
        a.units == b.units or a.name == "mesh" for a, b in zip(result.components, serial.components, strict=True)
    )
    energies, expected = dict(result.energies_j), dict(serial.energies_j)
    if config.leakage_gating != "not_charged":
        # What leaks for the whole run, or while a port is busy for the whole run, leaks for less time.
        for component in result.components:
            if f"{component.name}.leakage" in expected and (
                config.leakage_gating == "ungated" or component.name == "sram"
            ):
                leaked = energies.pop(f"{component.name}.leakage", 0.0)
                assert leaked <= expected.pop(f"{component.name}.leakage") * (1 + 1e-12)
    assert energies == expected
    check_chain(result.critical_path, result.latency_ps)
    assert sum(result.parts_ps.values()) == result.latency_ps
    used = {component.name: component.utilisation(result.latency_ps) for component in result.components}
    assert all(0 <= share <= 1 for share in used.values()), used


@settings(max_examples=scaled(6, 600))
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
