"""Run of the initial loading of the weights: for the record in other results, and as a result of its own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pimsim.base.errors import WorkloadInputError
from pimsim.config.schema import Config
from pimsim.engine import EngineRun, Memo, run
from pimsim.engine.run_records import component_records, op_records
from pimsim.hardware.machine import Machine, build_machine
from pimsim.hardware.tile_kinds import machine_notes
from pimsim.mapping.accounting_items import item_of_kind
from pimsim.mapping.tile_plan import TilePlan, plan_tiles
from pimsim.mapping.weight_loading import (
    CALIBRATION,
    FAULT_TEST,
    WEIGHT_LOAD,
    WeightLoading,
    check_program,
    load_program,
    weight_bytes,
)
from pimsim.results.accounting import LEAKAGE, Accounting, CostItem
from pimsim.results.feasibility import Provision
from pimsim.results.run_result import RunResult
from pimsim.results.upkeep_figures import CheckRecord
from pimsim.steps.records import TileUse
from pimsim.version import __version__
from workloads.trace import Trace

Checks = tuple[CheckRecord, ...]
PHASE = "load"
"""Value of `workload.phase`, and phase of the result."""

NOTES = {
    WEIGHT_LOAD: "loading leaves out the way of the weights over the mesh, from its port to the tiles, and the access "
    "latency of memory, which has passed before the first row is written",
    CALIBRATION: "calibration leaves out the data movement between the matrices",
}
"""What the program of a load leaves out, by kind of task."""


def weight_loading(
    config: Config, machine: Machine, trace: Trace, plan: TilePlan, memo: Memo | None = None
) -> WeightLoading:
    """Run the initial loading of the weights under the serial schedule, for the record in other results.

    Nothing waits in it, whatever the schedule of the config: `load_weights` runs it under that schedule.

    Args:
        config: Machine and mapping.
        machine: The machine built from it.
        trace: Its blocks with the projections.
        plan: Tiles of the matrices.
        memo: Memo of simulated components, which is extended.

    Returns:
        Size, latency and action counts.
    """
    size_bytes = weight_bytes(config, trace)
    serial = config if config.schedule == "serial" else config.model_copy(update={"schedule": "serial"})
    program = load_program(serial, machine, trace, plan)
    if not program.blocks:
        return WeightLoading(size_bytes, 0, {}, 0, 0)
    return read_off(run(program, "serial", memo=memo), size_bytes)


def checks(config: Config, machine: Machine, trace: Trace, plan: TilePlan, memo: Memo | None = None) -> Checks:
    """Run a check of aged cells under the serial schedule, for the record in a result.

    Args:
        config: Machine and mapping.
        machine: The machine built from it.
        trace: Its blocks with the projections.
        plan: Tiles of the matrices.
        memo: Memo of simulated components, which is extended.

    Returns:
        The cost of one check; nothing if none is made, or if checks multiply nothing.
    """
    crossbar = config.machine.crossbar_tile
    if crossbar is None or crossbar.pair.upkeep.interval_s is None:
        return ()
    program = check_program(config.model_copy(update={"schedule": "serial"}), machine, trace, plan)
    if not program.blocks:
        return ()
    outcome, energies_j = run(program, "serial", memo=memo), machine.action_energies_j()
    counts = read_off(outcome, 0).counts
    energy_j = math.fsum(count * energies_j[action] for action, count in counts.items())
    return (CheckRecord(outcome.latency_ps, energy_j),)


def read_off(outcome: EngineRun, size_bytes: int) -> WeightLoading:
    """Read the record of a load off the outcome of the engine.

    Args:
        outcome: Outcome of its program.
        size_bytes: Size in memory of all weights, bytes.

    Returns:
        The record. Where phases overlap, the time of the test is that until the last test has ended, and the time of
        the calibration is that after the last programming.
    """
    ends_ps: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for activity in outcome.activities:
        block, task = outcome.tasks[activity.op]
        ends_ps[task.kind] = max(ends_ps[task.kind], activity.end_ps)
        for action, count in outcome.profiles[activity.profile].counts.items():
            counts[action] += block.repeat * count
    before_ps = max(ends_ps[FAULT_TEST], ends_ps[WEIGHT_LOAD])
    present = {action: count for action, count in counts.items() if count}
    return WeightLoading(size_bytes, outcome.latency_ps, present, ends_ps[FAULT_TEST], outcome.latency_ps - before_ps)


def simulate_loading(config: Config, trace: Trace, *, expand: bool = False, memo: Memo | None = None) -> RunResult:
    """Simulate the initial loading of the weights as a run of its own.

    Args:
        config: Machine, mapping and schedule.
        trace: Its blocks with the projections.
        expand: True simulates every tile and row separately.
        memo: Memo of simulated components, which is extended.

    Returns:
        The result, of no tokens. Its energy contains the leakage that the config charges.

    Raises:
        WorkloadInputError: If no weights are loaded before a run.
        CapacityError: If the machine has too few tiles.
        ConfigError: If the encoding needs several cells per weight.
    """
    machine, plan = build_machine(config.machine, config.name), plan_tiles(config, trace)
    program = load_program(config, machine, trace, plan)
    if not program.blocks:
        raise WorkloadInputError(f"workload.phase: {PHASE}: {_nothing_to_load(config, trace)}")
    outcome = run(program, config.schedule, expand=expand, memo=memo)
    loading = read_off(outcome, weight_bytes(config, trace))
    # Under the serial schedule one block stands for all chips, each of which has its own port.
    by_chip = load_program(config.model_copy(update={"schedule": "dataflow"}), machine, trace, plan)
    layers, kinds = list(plan.layers), {task.kind for _, task in outcome.tasks}
    result = RunResult(
        config=config,
        version=__version__,
        model=trace.model,
        phase=PHASE,
        context_length=0,
        tokens=0,
        latency_ps=outcome.latency_ps,
        ops=tuple(op_records(outcome)),
        activities=outcome.activities,
        profiles=outcome.profiles,
        components=tuple(component_records(config, machine, plan.tiles_available, outcome, by_chip)),
        action_energies_j=machine.action_energies_j(),
        tiles=TileUse(plan.tiles_used, plan.tiles_available, plan.pairs_used, plan.pairs_available),
        weight_bytes=loading.size_bytes,
        weight_load_ps=loading.load_ps,
        provision=Provision(
            chips=config.machine.chips.count,
            chips_used=max(layer.chip + 1 for layer in layers),
            layers=sum(layer.repeat for layer in layers),
            layers_swapped=sum(layer.repeat for layer in layers if layer.swapped),
            test_ps=loading.test_ps,
            calibration_ps=loading.calibration_ps,
            load_counts=loading.counts,
            checks=checks(config, machine, trace, plan, memo),
        ),
        media=outcome.media,
        notes=(*(note for kind, note in NOTES.items() if kind in kinds), *machine_notes(config.machine)),
    )
    return _with_accounting(result)


def _nothing_to_load(config: Config, trace: Trace) -> str:
    if config.machine.crossbar is None or config.mapping.projections != "crossbar":
        return f"{config.name} keeps no weights on the chip; every pass reads them from memory (mapping.projections)"
    if config.mapping.provisioning == "swap":
        return f"{config.name} programs all layers before each use (mapping.provisioning=swap), so none is loaded once"
    return f"{trace.model} has no 1-bit weights, which crossbars hold"


def _with_accounting(result: RunResult) -> RunResult:
    return replace(result, accounting=Accounting(tuple(_counted(result, [op.kind for op in result.ops]))))


def _counted(result: RunResult, kinds: Sequence[str]) -> Iterator[CostItem]:
    """Return the phases of a load with their time on the critical path and their energy.

    Args:
        result: The load.
        kinds: Kind of each op.

    Yields:
        One item per phase, and one for leakage.
    """
    path_ps: Counter[str] = Counter()
    for activity in result.critical_path:
        repeat = result.ops[activity.op].repeat
        path_ps[kinds[activity.op]] += repeat * (activity.end_ps - activity.start_ps)
    for kind in dict.fromkeys(kinds):
        energies_j = (
            op.repeat * energy_j
            for op in result.ops
            if op.kind == kind
            for energy_j in result.dynamic_energy_j(op.counts).values()
        )
        yield CostItem(item_of_kind(kind), path_ps[kind], math.fsum(energies_j))
    if result.leakage_j:
        yield CostItem(LEAKAGE, 0, result.leakage_j)
