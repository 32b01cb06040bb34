"""Simulation of one run: build the machine, map the trace, run the engine, and collect the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pimsim.base.debug_log import DebugLog
from pimsim.base.errors import MAX_LINE_CHARS, WorkloadInputError, printable
from pimsim.base.shipped_files import find_trace
from pimsim.config.file_paths import with_absolute_paths
from pimsim.config.file_recognition import other_kind
from pimsim.config.model_folders import folder_elsewhere, named_spec
from pimsim.config.schema import Config
from pimsim.engine import Memo, run
from pimsim.engine.collecting import few_collections
from pimsim.engine.run_records import component_records, op_records
from pimsim.engine.watching import Progress
from pimsim.hardware.machine import build_machine
from pimsim.hardware.measured_energies import activity_difference
from pimsim.hardware.tile_kinds import machine_notes
from pimsim.mapping.ageing_notes import ageing_notes
from pimsim.mapping.buffer_capacity import check_buffers
from pimsim.mapping.circuit_notes import circuit_notes, input_bits
from pimsim.mapping.kv_placement import memory_use, tier_uses, with_tiers
from pimsim.mapping.macro_residency import attention_notes, macro_residencies
from pimsim.mapping.matrix_precision import precision_notes
from pimsim.mapping.memory_footprint import check_memory_capacity, total_footprint
from pimsim.mapping.model_traces import model_trace
from pimsim.mapping.model_variants import with_experts_and_latents
from pimsim.mapping.operations import Mapped, map_trace
from pimsim.mapping.pass_options import complete_options, counted_options, trace_file_notes, weight_notes
from pimsim.mapping.port_notes import port_notes, spill_notes
from pimsim.mapping.replicas import replica_notes, role_notes
from pimsim.mapping.run_accounting import run_accounting, static_costs
from pimsim.mapping.tile_plan import TilePlan, plan_tiles
from pimsim.mapping.weight_loading import WeightLoading
from pimsim.results.accounting import Accounting
from pimsim.results.feasibility import Provision
from pimsim.results.run_result import RunResult
from pimsim.steps.records import TileUse
from pimsim.version import __version__
from pimsim.weight_load_run import checks, simulate_loading, weight_loading
from workloads.decoder_ops import PassOptions
from workloads.models import ModelSpec
from workloads.trace import Trace, read_trace
from workloads.workload_errors import WorkloadError

LOG = DebugLog(__name__)


def model_spec(config: Config) -> ModelSpec:
    """Return the model of a config's workload, with the changes of its shape that the workload specifies.

    Args:
        config: Its `workload.model` is the name of a model, the name of a network that ships with its weights, or the
            path of a Hugging Face config.json or of its folder; also the bare name of a folder in the working directory
            if no shipped model has this name. `workload.d_ff` and `workload.gated` change the shape. The other keys of
            `workload` say how latent attention is computed, and how tokens are divided over experts.

    Returns:
        The shape of the model.

    Raises:
        WorkloadInputError: If the model is unknown, or its file cannot be read or is not supported.
    """
    workload = config.workload
    name = workload.model or ""
    try:
        spec = named_spec(name)
        if workload.d_ff is not None:
            spec = replace(spec, d_ff=workload.d_ff)
        if workload.gated is not None:
            spec = replace(spec, gated=workload.gated)
    except WorkloadError as error:
        raise WorkloadInputError(f"workload.model: {error}{folder_elsewhere(name)}") from error
    return with_experts_and_latents(spec, config)


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
    trace = _model_trace(config, counted_options(config))
    LOG("model %s: %s with %d blocks", trace.model, trace.phase, sum(block.repeat for block in trace.blocks))
    return trace


def _model_trace(config: Config, options: PassOptions) -> Trace:
    return model_trace(config.workload, model_spec(config), microbatch(config), options)


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
    LOG("trace file %s", path)
    try:
        return read_trace(path)
    except WorkloadError as error:
        if wrong := other_kind(path, ("trace",)):
            raise WorkloadInputError(f"{printable(str(path), MAX_LINE_CHARS)} {wrong}") from error
        raise WorkloadInputError(str(error)) from error


@few_collections()
def simulate(
    config: Config,
    trace: Trace | None = None,
    *,
    expand: bool = False,
    memo: Memo | None = None,
    complete: Trace | None = None,
    progress: Progress | None = None,
) -> RunResult:
    """Simulate one run: a decode step, a prefill, or a trace, on the machine of a config.

    Args:
        config: Machine, mapping, schedule and workload.
        trace: The ops to run; None means the trace of `config.workload`. With `mapping.microbatches` above 1 it is the
            trace of one micro-batch, and as many are run.
        expand: True simulates every layer, head and tile separately, and False one of several equal ones for all.
        memo: Shares that earlier runs simulated, which is extended. Components of equal name must be equal in all runs.
            None means the shares that earlier runs of the same section `machine` simulated.
        complete: Trace with everything that the pass takes, to price what is left out; None: known without `trace`.
        progress: Called twice a second, from a thread, with the numbers of finished and of all activities; or None.

    Returns:
        Latency, energy, area and feasibility, with a record of every op and activity: ps, joules, m^2.

    Raises:
        WorkloadInputError: If the model is unknown, the trace cannot be read, the batch cannot be divided into
            micro-batches, no component computes an op, or the run has more events than the engine allows.
        CapacityError: If the machine has too few tiles, or memory or the global buffer is too small.
        ConfigError: If the encoding needs several cells per weight, or a buffer or registered component is not valid.
        StalledError: If the engine stops with unfinished work.

    Reference:
        docs/model.md.

    Example:
        >>> from pimsim import load_config, simulate
        >>> result = simulate(load_config("pim-llm", ["workload.model=gpt2-small"]))
        >>> result.phase, result.tokens, result.tiles.tiles_used
        ('decode', 1, 360)
    """
    if config.workload.phase == "load":
        return load_weights(config, trace, expand=expand, memo=memo)
    if trace is None:
        trace, complete = make_trace(config), complete or complete_trace(config)
    result, accounting_of = simulate_figures(config, trace, expand=expand, memo=memo, progress=progress)
    return replace(result, accounting=accounting_of(complete))


def simulate_figures(
    config: Config,
    trace: Trace,
    *,
    expand: bool = False,
    memo: Memo | None = None,
    progress: Progress | None = None,
) -> tuple[RunResult, Callable[[Trace | None], Accounting]]:
    """Simulate a trace as `simulate` does, and leave its accounting for later, which takes up to half of the time.

    Args:
        config: Machine, mapping, schedule and workload; the phase is not "load".
        trace: The ops to run.
        expand: As in `simulate`.
        memo: As in `simulate`.
        progress: As in `simulate`.

    Returns:
        The result without accounting, and a function of the complete trace that returns it.

    Raises:
        WorkloadInputError: As in `simulate`.
        CapacityError: As in `simulate`.
        ConfigError: As in `simulate`.
        StalledError: As in `simulate`.
    """
    config = with_absolute_paths(config)
    mapped = map_trace(config, machine := build_machine(config.machine, config.name), trace)
    tiles = mapped.tiles
    check_buffers(config, trace, tiles)
    check_memory_capacity(config.machine, trace.model, mapped.footprints)
    held = total_footprint(mapped.footprints)
    shared: Memo = machine.known_steps if memo is None else memo
    outcome = run(mapped.program, config.schedule, expand=expand, memo=shared, progress=progress)
    loading = weight_loading(config, machine, trace, tiles, shared)
    checked = checks(config, machine, trace, tiles, shared)
    if memo is None:
        _forget_if_many(shared)
    ops = tuple(op_records(outcome))
    components = tuple(component_records(config, machine, tiles.tiles_available, outcome, mapped.program))

    def accounting_of(complete: Trace | None) -> Accounting:
        static = static_costs(machine, components, outcome.latency_ps, loading)
        macros = next(iter(macro_residencies(config, trace, tiles)), None)
        return run_accounting(config, machine, trace, complete, ops, static, held.spilled_bytes, macros)

    change = activity_difference(config.machine, machine.action_energies_j(), ops)
    changed = (change,) if change else ()
    result = RunResult(
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
        provision=replace(_provision(config, tiles, loading), checks=checked),
        media=outcome.media,
        notes=(*_notes(config, trace, mapped, outcome.latency_ps), *changed),
        memory_use=memory_use(config, mapped.footprints, mapped.residency),
        kv_tiers=tier_uses(config, mapped.residency),
    )
    return result, accounting_of


MAX_STEPS, MAX_SPANS = 1024, 100_000
"""Shares whose steps a machine keeps for further runs, and spans on their timelines: about 20 MB."""


def _forget_if_many(memo: Memo) -> None:
    """Empty the memo of a machine that has become large; it lives as long as the machine, which `build_machine` keeps.

    Args:
        memo: Memo by component name.
    """
    entries = [entry for of_component in memo.values() for entry in of_component.values()]
    spans = sum(len(entry.profile.spans) for entry in entries if entry.profile is not None)
    if len(entries) > MAX_STEPS or spans > MAX_SPANS:
        memo.clear()


def _notes(config: Config, trace: Trace, mapped: Mapped, latency_ps: int) -> tuple[str, ...]:
    # Of the trace, what a trace file leaves out, where weights and attention are, of the machine, of a port that is
    # too slow, and of activations that the buffer does not hold.
    tiles = mapped.tiles
    of_file = () if config.workload.trace is None else (*trace_file_notes(trace), *weight_notes(config, trace))
    of_roles = (
        *precision_notes(config, trace),
        *role_notes(config, trace),
        *replica_notes(config, trace, tiles.replicas),
    )
    circuits = circuit_notes(config, input_bits(config, trace))
    of_machine = *machine_notes(config.machine), *circuits, *ageing_notes(config)
    of_mapping = *trace.notes, *of_file, *of_roles, *attention_notes(config, trace, tiles)
    slow_port = port_notes(config.schedule, mapped.program.port_ps(), latency_ps)
    held = total_footprint(mapped.footprints)
    return *of_mapping, *of_machine, *slow_port, *spill_notes(config, held.activation_bytes)


def load_weights(
    config: Config, trace: Trace | None = None, *, expand: bool = False, memo: Memo | None = None
) -> RunResult:
    """Simulate the initial loading of the weights as a run of its own: fault test, programming and calibration.

    It is also the result of `simulate` for the phase "load". Under the serial schedule its latency is the
    `weight_load_ps` of a run that uses the weights. Under the other schedules each chip begins its next phase as soon
    as it can, and under the contended one it waits for banks of memory and for the port of the global buffer.

    Args:
        config: Machine, mapping and schedule.
        trace: The ops whose weights are loaded; None means the trace of `config.workload`.
        expand: True simulates every tile, row and memory block separately.
        memo: Memo of simulated components, which is extended; as for `simulate`.

    Returns:
        Latency, energy and area, with a record of every activity. It has no tokens; its energy contains leakage.

    Raises:
        WorkloadInputError: If nothing is loaded before a run: the machine has no crossbars, the model has no 1-bit
            weights, or all layers are swapped. Also as `simulate`.
        CapacityError: If the machine has too few tiles.
        ConfigError: If the encoding needs several cells per weight.
        StalledError: If the engine stops with unfinished work.

    Reference:
        docs/model.md, eq. (40).

    Example:
        >>> from pimsim import load_config, load_weights
        >>> result = load_weights(load_config("pim-llm", ["workload.model=gpt2-small"]))
        >>> [op.name for op in result.ops], result.latency_ps
        (['load weights'], 6635520000)
    """
    config = config.model_copy(update={"workload": config.workload.model_copy(update={"phase": "load"})})
    return simulate_loading(
        with_absolute_paths(config), make_trace(config) if trace is None else trace, expand=expand, memo=memo
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
    if config.machine.memory.capacity_bytes is not None or config.machine.kv_tiers:
        check_memory_capacity(config.machine, trace.model, with_tiers(config, trace, plan)[0])


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
