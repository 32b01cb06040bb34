"""Simulation of one pass of a model on the machines of a system, with the engine of every other run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from pimsim.base.errors import CapacityError, ConfigError, Problem, WorkloadInputError
from pimsim.config.schema import Config
from pimsim.config.system_file import System
from pimsim.engine import Memo, run
from pimsim.engine.execute import EngineRun
from pimsim.engine.run_records import op_records
from pimsim.hardware.machine import Machine, build_machine
from pimsim.hardware.machine_link import LINK
from pimsim.hardware.placed_component import PlacedComponent
from pimsim.hardware.tile_kinds import machine_notes
from pimsim.mapping.buffer_capacity import check_buffers
from pimsim.mapping.macro_residency import attention_notes
from pimsim.mapping.memory_footprint import MemoryFootprint, check_memory_capacity, memory_footprints, total_footprint
from pimsim.mapping.pass_options import counted_options
from pimsim.mapping.port_notes import port_notes, spill_notes
from pimsim.mapping.program import Program
from pimsim.mapping.split_mapping import Part, Placement, Traffic, make_part, split_program
from pimsim.results.feasibility import Provision
from pimsim.results.run_result import RunResult
from pimsim.simulation import make_trace, model_spec
from pimsim.steps.records import MemoryUse, TileUse
from pimsim.studies.splitting.break_even import Message
from pimsim.studies.splitting.sharded_model import shard_notes, sharded_spec, summed_ops
from pimsim.studies.splitting.system_records import accounting, component_records, messages, port_times_ps
from pimsim.version import __version__
from pimsim.weight_load_run import weight_loading
from workloads.decoder_ops import decode_step, mixed_step, prefill
from workloads.decoder_pass import SequenceGroup
from workloads.latent_ops import CachedLatents, ScratchWrite
from workloads.models import ModelSpec
from workloads.ops import AttentionMatmul, KVAppend
from workloads.trace import Block, Trace
from workloads.workload_errors import WorkloadError

FOLLOWING = ("softmax", "quantise", "dequantise", "activation", "residual")
"""Kinds of the ops that the machine of attention executes on what it has produced."""


class SystemRuns:
    """The machines of a system, and what its passes have in common.

    Attributes:
        system: The system.
        passes: Results so far, by phase and context length.
        messages: Uses of the link in these passes, likewise.
    """

    def __init__(self, system: System, like: SystemRuns | None = None) -> None:
        """Build the machines.

        Args:
            system: The system.
            like: Runs of the same machines with another link, whose simulated components are used; None for none.
        """
        self.system = system
        self.machines: dict[str, Machine] = like.machines if like else _machines(system)
        self.memo: Memo = {}
        if like is not None:
            self.memo |= {name: each for name, each in like.memo.items() if not name.startswith(f"{LINK}.")}
        self.load_memos: dict[str, Memo] = like.load_memos if like else {role: {} for role in system.machines}
        self.passes: dict[tuple[str, int], RunResult] = {}
        self.messages: dict[tuple[str, int], tuple[Message, ...]] = {}

    def simulate(self, config: Config, trace: Trace | None = None, *, memo: Memo | None = None) -> RunResult:
        """Simulate a decode step or a prefill.

        Args:
            config: Its `workload` states the phase and its lengths; the machines are those of the system.
            trace: Not used: each split makes its own trace.
            memo: Not used: the system has its own.

        Returns:
            The result, whose components, resources and actions have the roles of the machines before their names. Its
            energy and area are those of all machines and of the link.

        Raises:
            WorkloadInputError: If the model is unknown, or no component computes an op.
            CapacityError: If a machine has too few tiles, or its memory or global buffer is too small.
            ConfigError: If a machine is not valid, or a tensor split does not divide the model.
        """
        phase = "prefill" if config.workload.phase == "prefill" else "decode"
        pass_trace = self._trace(config, phase)
        result, program = self._run(config, pass_trace, *self._parts(pass_trace, phase))
        self.passes[phase, pass_trace.context_length] = result
        self.messages[phase, pass_trace.context_length] = tuple(message for _, message in messages(program))
        return result

    def simulate_step(self, groups: Sequence[SequenceGroup], outputs: int) -> RunResult:
        """Simulate an iteration over sequences with different contexts, which the machines share layer by layer.

        Args:
            groups: The sequences.
            outputs: Number of sequences that produce an output token.

        Returns:
            The result, as that of `simulate`.

        Raises:
            WorkloadInputError: If no trace has these shapes, or no component computes an op.
            CapacityError: If a machine has too few tiles, or its memory or global buffer is too small.
        """
        config = self.system.first
        try:
            trace = mixed_step(self.computed_spec(), groups, outputs=outputs, **counted_options(config))
        except WorkloadError as error:
            raise WorkloadInputError(str(error)) from error
        return self._run(config, trace, *self._parts(trace, ""))[0]

    def computed_spec(self) -> ModelSpec:
        """Return the shape of the model that the trace of a pass has.

        Returns:
            That of one chip for a tensor split.

        Raises:
            ConfigError: If the chips of a tensor split do not divide the model.
        """
        spec = model_spec(self.system.first)
        return sharded_spec(spec, self.system.chips) if self.system.split == "tensor" else spec

    def parts_of(self, context: int) -> list[Part]:
        """Return the machines with their fractions of a decode step of one sequence.

        Args:
            context: Its context.

        Returns:
            One part per role.

        Raises:
            WorkloadInputError: If the model has no trace of this context.
            CapacityError: If a machine has too few tiles.
        """
        try:
            trace = decode_step(self.computed_spec(), context, **counted_options(self.system.first))
        except WorkloadError as error:
            raise WorkloadInputError(str(error)) from error
        return self._parts(trace, "decode")[0]

    def _run(self, config: Config, trace: Trace, parts: list[Part], traffic: Traffic) -> tuple[RunResult, Program]:
        """Simulate a trace on its machines.

        Args:
            config: Its workload.
            trace: The trace.
            parts: The machines.
            traffic: What travels.

        Returns:
            The result and the program.
        """
        working = {role for block in trace.blocks for role in traffic.place(block).values()}
        held = []
        for part in parts:
            footprints = memory_footprints(part.config, part.trace, part.tiles)
            if part.role not in working:
                footprints = tuple(replace(each, activation_bytes=0, spilled_bytes=0) for each in footprints)
            with _naming(part.role):
                check_buffers(part.config, part.trace, part.tiles)
                check_memory_capacity(part.config.machine, trace.model, footprints)
            held.append((part, total_footprint(footprints)))
        program = split_program(parts, trace, traffic)
        outcome = run(program, self.system.first.schedule, memo=self.memo)
        return self._result(config, trace, parts, program, outcome, held, working), program

    def _trace(self, config: Config, phase: str) -> Trace:
        """Return the trace of a pass.

        Args:
            config: Its workload.
            phase: "prefill" or "decode".

        Returns:
            The trace; that of one chip for a tensor split.
        """
        role = {"phases": phase, "attention": "projections", "tensor": "chip"}.get(self.system.split)
        own = self.system.first if role is None else self.system.machines[role]
        own = own.model_copy(update={"workload": config.workload})
        return _shard_trace(own, self.system.chips) if self.system.split == "tensor" else make_trace(own)

    def _parts(self, trace: Trace, phase: str) -> tuple[list[Part], Traffic]:
        """Divide a pass over the machines.

        Args:
            trace: Its trace.
            phase: "prefill" or "decode"; the other splits than phases do not depend on it.

        Returns:
            The parts, and what travels.

        Raises:
            ConfigError: If the machines are replicas, which share no pass.
        """
        system = self.system
        match system.split:
            case "phases":
                # Both machines hold the weights; the other one is idle.
                parts = [self._part(role, trace) for role in system.machines]
                sent = "decode" if phase == "prefill" else ""
                store = PlacedComponent("decode", self.machines["decode"].memory)
                return parts, Traffic(_all_on(phase), system.link, cache_to=sent, store=store)
            case "attention":
                parts = [self._part(role, trace, attention_placement) for role in system.machines]
                return parts, Traffic(attention_placement, system.link)
            case "tensor":
                summed = {name for block in trace.blocks for name in summed_ops(block.ops)}
                traffic = Traffic(_all_on("chip"), system.link, lambda op: op.name in summed, system.sum_bits)
                return [self._part("chip", trace, None, system.chips)], traffic
            case "replicas":
                message = "does not divide a model: each machine serves requests of its own; use pimsim serve"
                raise ConfigError([Problem("split", "replicas", message)], system.name)

    def _part(self, role: str, trace: Trace, place: Placement | None = None, chips: int = 1) -> Part:
        with _naming(role):
            return make_part(role, self.system.machines[role], self.machines[role], trace, place, chips)

    def _result(
        self,
        config: Config,
        trace: Trace,
        parts: list[Part],
        program: Program,
        outcome: EngineRun,
        held: Sequence[tuple[Part, MemoryFootprint]],
        working: set[str],
    ) -> RunResult:
        """Read the result off the outcome of the engine.

        Args:
            config: Its workload.
            trace: The trace.
            parts: The machines.
            program: The program.
            outcome: Outcome of the run.
            held: What the memories hold.
            working: Roles of the machines that execute ops.

        Returns:
            The result.
        """
        components = tuple(component_records(parts, outcome, program))
        system, energies_j = self.system, dict[str, float]()
        for name in {each.name for each in components if each.name.startswith(f"{LINK}.")}:
            energies_j[f"{name}.bit"] = system.link.energy_j_per_bit
        for part in parts:
            energies_j |= {f"{part.role}.{name}": each for name, each in part.machine.action_energies_j().items()}
        loads = {
            part.role: weight_loading(part.config, part.machine, part.trace, part.tiles, self.load_memos[part.role])
            for part in parts
        }
        ops = tuple(op_records(outcome))
        named = system.first.model_copy(
            update={"name": system.name, "description": system.description, "workload": config.workload}
        )
        chips = {part.role: part.chips for part in parts}
        notes = [
            *trace.notes,
            *(f"{part.role}: {note}" for part in parts for note in machine_notes(part.config.machine)),
        ]
        if system.split == "tensor":
            notes += shard_notes(model_spec(config), system.chips)
        ports_ps, schedule, latency_ps = port_times_ps(program), system.first.schedule, outcome.latency_ps
        for part, each in held:
            notes += (f"{part.role}: {note}" for note in spill_notes(part.config, each.activation_bytes))
            if part.role not in working:
                continue
            of_attention = attention_notes(part.config, part.trace, part.tiles)
            of_port = port_notes(schedule, ports_ps[part.role], latency_ps)
            notes += (f"{part.role}: {note}" for note in (*of_attention, *of_port))
        return RunResult(
            config=named,
            version=__version__,
            model=trace.model,
            phase=trace.phase,
            context_length=trace.context_length,
            tokens=trace.tokens,
            latency_ps=outcome.latency_ps,
            ops=ops,
            activities=outcome.activities,
            profiles=outcome.profiles,
            components=components,
            action_energies_j=energies_j,
            tiles=TileUse(
                sum(part.chips * part.tiles.tiles_used for part in parts),
                sum(part.chips * part.tiles.tiles_available for part in parts),
                sum(part.chips * part.tiles.pairs_used for part in parts),
                sum(part.chips * part.tiles.pairs_available for part in parts),
            ),
            weight_bytes=sum(chips[role] * each.size_bytes for role, each in loads.items()),
            weight_load_ps=max(each.load_ps for each in loads.values()),
            provision=Provision(chips=sum(chips.values()), chips_used=sum(chips.values())),
            notes=tuple(notes),
            memory_use=_memory_use(held),
            accounting=accounting(held, ops, components, outcome, loads, energies_j),
        )


def _machines(system: System) -> dict[str, Machine]:
    return {role: build_machine(config.machine, config.name) for role, config in system.machines.items()}


@contextmanager
def _naming(role: str) -> Iterator[None]:
    """Name the machine in the message of a capacity that does not suffice.

    Args:
        role: Role of the machine.

    Yields:
        Nothing.

    Raises:
        CapacityError: The error of the block, with the role.
    """
    try:
        yield
    except CapacityError as error:
        raise CapacityError(f"machines.{role}: {error}") from None


def _all_on(role: str) -> Placement:
    return lambda block: dict.fromkeys((op.name for op in block.ops), role)


def attention_placement(block: Block) -> dict[str, str]:
    """Return the machine of each op of an attention split.

    Args:
        block: Ops of a layer, of the embedding or of the LM head.

    Returns:
        Roles by name of the op. The machine of attention has the KV cache with its appends, both matmuls of attention,
        and the softmax, rescaling and quantisation of what they produce; the other machine has all other ops, also the
        matrix that expands latents, which travel there and come back as keys and values.
    """
    roles: dict[str, str] = {}
    sizes = {op.name: op.output_elements for op in block.ops}
    appended = {name for op in block.ops if isinstance(op, KVAppend) for name in op.inputs}
    for op in block.ops:
        # What quantises more elements than it is given takes the others from the cache: a group of tokens is complete.
        given = sum(sizes.get(name, 0) for name in op.inputs)
        grouped = op.name in appended and op.kind == "quantise" and 0 < given < op.output_elements
        own = isinstance(op, AttentionMatmul | CachedLatents | ScratchWrite) or op.kind.startswith("kv_") or grouped
        from_there = all(roles.get(name) == "attention" for name in op.inputs)
        roles[op.name] = "attention" if own or (op.kind in FOLLOWING and from_there) else "projections"
    return roles


def _shard_trace(config: Config, chips: int) -> Trace:
    """Return the trace of one chip of a tensor split.

    Args:
        config: Machine and workload.
        chips: Number of chips.

    Returns:
        The trace.
    """
    spec, workload = sharded_spec(model_spec(config), chips), config.workload
    if workload.phase == "prefill":
        return prefill(spec, workload.prompt_length, batch=workload.batch, **counted_options(config))
    return decode_step(spec, workload.context_length, batch=workload.batch, **counted_options(config))


def _memory_use(held: Sequence[tuple[Part, MemoryFootprint]]) -> MemoryUse:
    """Add up what the memories hold; a KV cache counts once, where it is used.

    Args:
        held: The machines with their footprints.

    Returns:
        The sums.
    """
    return MemoryUse(
        max(part.chips * each.kv_bytes for part, each in held),
        sum(part.chips * each.weight_bytes for part, each in held),
        sum(part.chips * each.activation_bytes for part, each in held),
    )
