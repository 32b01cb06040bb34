"""The port of the global buffer on random machines: no run is faster than it, and it changes nothing but time."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim import simulate
from pimsim.config.schema import Config
from pimsim.engine import run
from pimsim.results.run_result import RunResult
from tests.pimsim.results import tight_machines
from tests.support import strategies
from tests.support.counts import scaled
from tests.support.programs import program_of
from workloads.trace import Trace


def with_ports(config: Config, ports: int | None, **how: object) -> Config:
    sram = config.machine.sram.model_copy(update={"ports": ports, "banks": None})
    machine = config.machine.model_copy(update={"sram": sram})
    return config.model_copy(update={"machine": machine, **how})


def port_ps_by_counts(result: RunResult) -> Fraction:
    """Return the time of all accesses that the run counts for its energy; what enters a KV write buffer is not in the
    global buffer.
    """
    sram = result.config.machine.sram
    assert sram.ports is not None
    accesses = sum(result.counts.get(action, 0) for action in ("sram.read", "sram.write"))
    if result.config.schedule == "contended" and result.config.mapping.kv_write_entries is not None:
        accesses -= sum(op.repeat * op.counts["sram.read"] for op in result.ops if op.kind == "kv_append")
    return Fraction(accesses, sram.ports) * round(1e12 / sram.clock_hz)


@settings(max_examples=scaled(15, 2_000))
@given(case=strategies.runs(), schedule=st.sampled_from(["serial", "contended"]), ports=st.integers(1, 3))
def test_no_run_is_faster_than_its_accesses(case: tuple[Config, Trace], schedule: str, ports: int) -> None:
    """All counted accesses, one after another on all ports, take at most the latency."""
    config, trace = with_ports(case[0], ports, schedule=schedule), case[1]
    result, program = simulate(config, trace), program_of(config, trace)
    assert port_ps_by_counts(result) <= program.port_ps() <= result.latency_ps
    assert not any("machine.sram.ports" in note for note in result.notes)


@settings(max_examples=scaled(15, 2_000))
@given(case=strategies.runs(), schedule=st.sampled_from(["dataflow", "contended"]), ports=st.integers(1, 3))
def test_no_activity_is_faster_than_its_accesses(case: tuple[Config, Trace], schedule: str, ports: int) -> None:
    config, trace = with_ports(case[0], ports, schedule=schedule), case[1]
    program = program_of(config, trace).ungrouped()
    outcome = run(program, "dataflow" if schedule == "dataflow" else "contended")
    assignments = [each for _, task in program.tasks() for each in task.assignments]
    for activity, assignment in zip(outcome.activities, assignments, strict=True):
        duration_ps = activity.end_ps - activity.start_ps
        assert assignment.stream is None or duration_ps >= assignment.stream.port_ps
        assert duration_ps >= assignment.latency_ps() or assignment.constraints.medium
    result = simulate(config, trace)
    warned = any("machine.sram.ports" in note for note in result.notes)
    assert warned == (program.port_ps() > result.latency_ps)


@settings(max_examples=scaled(15, 2_000))
@given(case=strategies.runs(), ports=st.integers(1, 3))
def test_a_port_changes_the_time_and_nothing_else(case: tuple[Config, Trace], ports: int) -> None:
    """Serial: parts add up, all but `sram` are those of an unlimited port, and so are counts and energies."""
    config, trace = case
    free, narrow, wide = (
        simulate(with_ports(config, each, schedule="serial", leakage_gating="not_charged"), trace)
        for each in (None, ports, ports + 1)
    )
    assert sum(narrow.parts_ps.values()) == narrow.latency_ps
    assert wide.latency_ps <= narrow.latency_ps
    if ports == 1:
        assert free.latency_ps <= narrow.latency_ps
    assert {part: ps for part, ps in free.parts_ps.items() if ps and part != "sram"} == {
        part: ps for part, ps in narrow.parts_ps.items() if ps and part != "sram"
    }
    assert narrow.counts == free.counts
    assert narrow.energies_j == free.energies_j


@settings(max_examples=scaled(12, 1_000))
@given(case=tight_machines.model_runs(), ports=st.integers(1, 2), spread=st.booleans())
def test_chips_and_swapped_weights_keep_the_bound(case: tuple[Config, Trace], ports: int, spread: bool) -> None:
    """Chips of one bank each, whose messages pass two ports, or one chip whose swapped weights pass its port."""
    config, trace = case
    assert config.machine.crossbar
    if spread:
        config = tight_machines.changed(
            config, crossbar={"banks": 1}, chips={"count": config.machine.crossbar.banks}, schedule="contended"
        )
    else:
        config = tight_machines.changed(tight_machines.smallest_swapping(config, trace), schedule="contended")
    config = with_ports(config, ports)
    program = program_of(config, trace)
    outcome = run(program, "contended")
    assert outcome.latency_ps >= program.port_ps()
    used = [medium for medium in outcome.media if medium.component == "sram"]
    assert max(medium.uses[0].busy_ps for medium in used) == program.port_ps()
    assert all(medium.uses[0].in_bytes == medium.uses[0].out_bytes for medium in used)
    assert run(program, "serial").latency_ps == program.serial_latency_ps() >= program.port_ps()
