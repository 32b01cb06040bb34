"""Simulation of one run: build the machine, map the trace, run the engine, and collect the result."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pimsim.base.errors import MAX_LINE_CHARS, WorkloadInputError, printable
from pimsim.base.shipped_files import find_trace
from pimsim.config.file_recognition import other_kind
from pimsim.config.schema import Config
from pimsim.engine import EngineRun, Memo, run
from pimsim.engine.memory_busy import memory_busy_ps
from pimsim.hardware.component import Component
from pimsim.hardware.leakage import leakage_energy_j
from pimsim.hardware.machine import Machine, build_machine
from pimsim.hardware.tile_kinds import machine_notes
from pimsim.mapping.buffer_capacity import check_buffers
from pimsim.mapping.memory_footprint import check_memory_capacity, memory_footprints, total_footprint
from pimsim.mapping.operations import Mapped, map_trace
from pimsim.mapping.pass_options import complete_options, counted_options, trace_file_notes, weight_notes
from pimsim.mapping.port_notes import port_notes, spill_notes
from pimsim.mapping.run_accounting import run_accounting, static_costs
from pimsim.mapping.tile_plan import TilePlan, plan_tiles
from pimsim.mapping.weight_loading import WeightLoading, weight_loading
from pimsim.results.feasibility import Provision
from pimsim.results.run_result import RunResult
from pimsim.steps.records import ActivityRecord, ComponentRecord, MediumRecord, MemoryUse, OpRecord, TileUse
from pimsim.version import __version__
from workloads.decoder_ops import PassOptions, decode_step, prefill
from workloads.huggingface import read_model_config
from workloads.models import ModelSpec, find_model
from workloads.shipped import network_folder, shipped_networks
from workloads.trace import Trace, read_trace
from workloads.workload_errors import WorkloadError


def model_spec(config: Config) -> ModelSpec:
    """Return the model of a config's workload, with the changes of its shape that the workload specifies.

    Args:
        config: Its `workload.model` is the name of a model, the name of a network that ships with its weights, or the
            path of a Hugging Face config.json or of its folder. `workload.d_ff` and `workload.gated` change the shape.

    Returns:
        The shape of the model.

    Raises:
        WorkloadInputError: If the model is unknown, or its file cannot be read or is not supported.
    """
    workload = config.workload
    name = workload.model or ""
    try:
        is_path = "/" in name or os.sep in name or name.endswith(".json")
        shipped = name in shipped_networks()
        spec = read_model_config(network_folder(name)) if is_path or shipped else find_model(name)
        if workload.d_ff is not None:
            spec = replace(spec, d_ff=workload.d_ff)
        return spec if workload.gated is None else replace(spec, gated=workload.gated)
    except WorkloadError as error:
        raise WorkloadInputError(f"workload.model: {error}") from error


def make_trace(config: Config) -> Trace:
    """Return the trace of a config's workload: its trace file, or the ops of its model in its phase.

    Args:
        config: Its workload and mapping.

    Returns:
        The trace; with `mapping.microbatches` above 1, the trace of one micro-batch.

    Raises:
        WorkloadInputError: If the model or the trace file is not valid, the batch cannot be divided into
            micro-batches, or the phase is "generate", which has many traces.
    """
    workload = config.workload
    if workload.trace is not None:
        if config.mapping.microbatches > 1:
            raise WorkloadInputError("mapping.microbatches: a trace file cannot be cut into micro-batches; set it to 1")
        return load_trace(workload.trace)
    return _model_trace(config, counted_options(config))


def _model_trace(config: Config, options: PassOptions) -> Trace:
    spec, batch, workload = model_spec(config), microbatch(config), config.workload
    try:
        match workload.phase:
            case "decode":
                return decode_step(spec, workload.context_length, batch=batch, **options)
            case "prefill":
                return prefill(spec, workload.prompt_length, batch=batch, **options)
            case "generate":
                raise WorkloadInputError("workload.phase: a generation has many traces; run it with pimsim.generate")
    except WorkloadError as error:
        raise WorkloadInputError(str(error)) from error


def complete_trace(config: Config) -> Trace | None:
    """Return the trace of a config's workload with everything that its pass takes, to price what a run leaves out.

    Args:
        config: Its workload and mapping.

    Returns:
        The trace with embedding, LM head, quantisation passes and steps of the KV cache; None for a trace file.

    Raises:
        WorkloadInputError: As `make_trace`.
    """
    if config.workload.trace is not None:
        return None
    return _model_trace(config, complete_options(config))


def microbatch(config: Config) -> int:
    """Return the number of sequences per micro-batch.

    Args:
        config: Its `workload.batch` and `mapping.microbatches`.

    Returns:
        Number of sequences.

    Raises:
        WorkloadInputError: If the batch is not a multiple of the number of micro-batches.
    """
    batch, microbatches = config.workload.batch, config.mapping.microbatches
    if batch % microbatches:
        raise WorkloadInputError(f"workload.batch: {batch} is not a multiple of mapping.microbatches, {microbatches}")
    return batch // microbatches


def load_trace(name_or_path: str) -> Trace:
    """Read a trace.

    Args:
        name_or_path: Path of a trace file, or name of a trace that ships with pimsim.

    Returns:
        The trace.

    Raises:
        WorkloadInputError: If the trace is not found or not valid.
    """
    path = find_trace(name_or_path)
    try:
        return read_trace(path)
    except WorkloadError as error:
        if wrong := other_kind(path, ("trace",)):
            raise WorkloadInputError(f"{printable(str(path), MAX_LINE_CHARS)} {wrong}") from error
        raise WorkloadInputError(str(error)) from error


def simulate(
    config: Config,
    trace: Trace | None = None,
    *,
    expand: bool = False,
    memo: Memo | None = None,
    complete: Trace | None = None,
) -> RunResult:
    """Simulate one run: a decode step, a prefill, or a trace, on the machine of a config.

    Args:
        config: Machine, mapping, schedule and workload.
        trace: The ops to run; None means the trace of `config.workload`. With `mapping.microbatches` above 1 it is the
            trace of one micro-batch, and as many are run.
        expand: True simulates every layer, head and tile separately. False simulates one of several identical ones
            and multiplies, with the same result in less time.
        memo: Memo of simulated components, which is extended, so that later runs do not simulate equal shares again.
            Runs with the same memo must have machines whose components of equal name are equal. None means no memo.
        complete: Trace with everything that the pass takes, to price what is left out; None: known without `trace`.

    Returns:
        Latency, energy, area and feasibility, with a record of every op and activity: ps, joules, m^2.

    Raises:
        WorkloadInputError: If the model is unknown, the trace cannot be read, the batch cannot be divided into
            micro-batches, no component computes an op, or the run has more events than the engine allows.
        CapacityError: If the machine has too few tiles, or memory or the global buffer is too small.
        ConfigError: If the encoding needs several cells per weight, a buffer is smaller than one access, or a
            registered component is not valid or contradicts itself.
        StalledError: If the engine stops with unfinished work.

    Reference:
        docs/model.md.

    Example:
        >>> from pimsim import load_config, simulate
        >>> result = simulate(load_config("pim-llm", ["workload.model=gpt2-small"]))
        >>> result.phase, result.tokens, result.tiles.tiles_used
        ('decode', 1, 360)
    """
    if trace is None:
        trace, complete = make_trace(config), complete or complete_trace(config)
    config = _with_absolute_trace(config)
    machine = build_machine(config.machine)
    mapped = map_trace(config, machine, trace)
    check_buffers(config, trace, mapped.tiles)
    footprints = memory_footprints(config, trace, mapped.tiles)
    check_memory_capacity(config, trace.model, footprints)
    held = total_footprint(footprints)
    outcome = run(mapped.program, config.schedule, expand=expand, memo=memo)
    loading = weight_loading(config, machine, trace, mapped.tiles)
    ops = tuple(_op_records(outcome))
    components = tuple(_component_records(config, machine, mapped, outcome))
    static = static_costs(machine, components, outcome.latency_ps, loading)
    slow_port = port_notes(config, mapped.program, outcome.latency_ps)
    spilled = spill_notes(config, held.activation_bytes)
    gaps = () if config.workload.trace is None else (*trace_file_notes(trace), *weight_notes(config, trace))
    tiles = mapped.tiles
    return RunResult(
        config=config,
        version=__version__,
        model=trace.model,
        phase=trace.phase,
        context_length=trace.context_length,
        tokens=trace.tokens * config.mapping.microbatches,
        latency_ps=outcome.latency_ps,
        ops=ops,
        activities=outcome.activities,
        profiles=outcome.profiles,
        components=components,
        action_energies_j=machine.action_energies_j(),
        tiles=TileUse(tiles.tiles_used, tiles.tiles_available, tiles.pairs_used, tiles.pairs_available),
        weight_bytes=loading.size_bytes,
        weight_load_ps=loading.load_ps,
        provision=_provision(config, mapped.tiles, loading),
        media=outcome.media,
        notes=(*trace.notes, *gaps, *machine_notes(config.machine), *slow_port, *spilled),
        memory_use=MemoryUse(held.kv_bytes, held.weight_bytes, held.activation_bytes),
        accounting=run_accounting(config, machine, trace, complete, ops, static, held.spilled_bytes),
    )


def check_memory(config: Config) -> None:
    """Check that the memory of each chip holds weights, KV caches and activations, and the global buffer any vector.

    Args:
        config: Config of a decode step, a prefill or a trace.

    Raises:
        WorkloadInputError: If the config has no valid trace.
        CapacityError: If memory or the global buffer is too small, or the machine has too few tiles.
        ConfigError: If the encoding needs several cells per weight, or a buffer is smaller than one access.
    """
    trace = make_trace(config)
    plan = plan_tiles(config, trace)
    check_buffers(config, trace, plan)
    if config.machine.memory.capacity_bytes is not None:
        check_memory_capacity(config, trace.model, memory_footprints(config, trace, plan))


def _with_absolute_trace(config: Config) -> Config:
    """Make the path of the trace file absolute, so that a stored result can be run again from any folder.

    Args:
        config: Configuration of the run.

    Returns:
        The config with the absolute path, or unchanged if it has no trace file.
    """
    name = config.workload.trace
    if name is None or not os.path.lexists(name):
        return config
    return config.model_copy(
        update={"workload": config.workload.model_copy(update={"trace": str(Path(name).absolute())})}
    )


def _op_records(outcome: EngineRun) -> Iterator[OpRecord]:
    of_task: list[list[ActivityRecord]] = [[] for _ in outcome.tasks]
    for activity in outcome.activities:
        of_task[activity.op].append(activity)
    for (block, task), activities in zip(outcome.tasks, of_task, strict=True):
        parts_ps: dict[str, int] = {}
        counts: dict[str, int] = {}
        for activity in activities:
            _add(parts_ps, outcome.profiles[activity.profile].parts_ps)
            _add(counts, outcome.profiles[activity.profile].counts)
        start_ps = min(activity.start_ps for activity in activities)
        yield OpRecord(
            block=block.name,
            repeat=block.repeat,
            name=task.name,
            kind=task.kind,
            inputs=task.inputs,
            start_ps=start_ps,
            latency_ps=max(activity.end_ps for activity in activities) - start_ps,
            macs=task.macs,
            parts_ps=parts_ps,
            counts=counts,
        )


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    """Add counts in place; Counter.update is three times slower for the few items of an op."""
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _component_records(
    config: Config, machine: Machine, mapped: Mapped, outcome: EngineRun
) -> Iterator[ComponentRecord]:
    busy_ps: Counter[str] = Counter()
    for activity in outcome.activities:
        block, _ = outcome.tasks[activity.op]
        busy_ps[activity.component] += outcome.profiles[activity.profile].busy_ps * block.repeat
    sram = machine.sram.name
    busy_ps[sram] = max(busy_ps[sram], mapped.program.port_busy_ps(outcome.latency_ps))
    in_media: dict[str, list[MediumRecord]] = {}
    for medium in outcome.media:
        in_media.setdefault(medium.component, []).append(medium)
    chips, tile = config.machine.chips.count, machine.tile
    for component in machine.components():
        if component is machine.programming and not busy_ps[component.name]:
            continue  # weights are not swapped: the write drivers are active before the run only
        units = (
            mapped.tiles.tiles_available
            if component is tile or component is machine.programming
            else chips * component.units
        )
        if component.name in in_media and component is not machine.sram:
            # Jobs overlap in a medium, which is busy while it has at least one.
            own = component is machine.memory
            media = in_media[component.name]
            busy_ps[component.name] = memory_busy_ps(outcome, media) if own else sum(each.busy_ps for each in media)
            units = max(units if component.name == "memory" else 1, len(in_media[component.name]))
        elif component.name == "mesh" and config.schedule != "serial":
            # Each matrix uses its own links, and several matrices do so in parallel.
            units = max(1, len({activity.op for activity in outcome.activities if activity.component == "mesh"}))
        yield ComponentRecord(
            name=component.name,
            units=units,
            busy_ps=busy_ps[component.name],
            leakage_j=leakage_energy_j(
                component.leakage_w(), units, busy_ps[component.name], outcome.latency_ps, config.leakage_gating
            ),
            area_m2=_areas_m2(
                component, mapped.tiles.tiles_available if component is tile or component is machine.mesh else chips
            ),
        )


def _areas_m2(component: Component[Any], instances: int) -> dict[str, float]:
    return {area.item: area.total_m2 * instances for area in component.areas()}


def _provision(config: Config, tiles: TilePlan, loading: WeightLoading) -> Provision:
    layers = list(tiles.layers)
    return Provision(
        chips=config.machine.chips.count,
        chips_used=max((layer.chip + 1 for layer in layers), default=1),
        layers=sum(layer.repeat for layer in layers),
        layers_swapped=sum(layer.repeat for layer in layers if layer.swapped),
        writes_per_run=tiles.writes_per_run,
        test_ps=loading.test_ps,
        calibration_ps=loading.calibration_ps,
        load_counts=loading.counts,
    )
