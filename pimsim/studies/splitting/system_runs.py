"""Simulation of one pass of a model on the machines of a system, with the engine of every other run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from pimsim.config.schema import Config
from pimsim.config.system_file import System
from pimsim.engine import Memo, run
from pimsim.engine.execute import EngineRun
from pimsim.engine.run_records import op_records
from pimsim.hardware.leakage import leakage_energy_j
from pimsim.hardware.machine import Machine, build_machine
from pimsim.hardware.machine_link import LINK, MachineLink
from pimsim.hardware.placed_component import LockstepShare, PlacedComponent
from pimsim.hardware.tile_kinds import machine_notes
from pimsim.mapping.buffer_capacity import check_buffers
from pimsim.mapping.memory_footprint import MemoryFootprint, check_memory_capacity, memory_footprints, total_footprint
from pimsim.mapping.pass_options import counted_options
from pimsim.mapping.program import Program
from pimsim.mapping.run_accounting import EMBEDDING, LM_HEAD, LOADING, item_of_kind
from pimsim.mapping.split_mapping import ALL_REDUCE, TRANSFER, Part, Traffic, make_part, split_program
from pimsim.mapping.weight_loading import WeightLoading
from pimsim.results.accounting import IDLE_LEAKAGE, LEAKAGE, Accounting, CostItem
from pimsim.results.feasibility import Provision
from pimsim.results.run_result import RunResult
from pimsim.simulation import make_trace, model_spec
from pimsim.steps.records import ComponentRecord, MemoryUse, OpRecord, TileUse
from pimsim.studies.splitting.break_even import Message
from pimsim.studies.splitting.sharded_model import shard_notes, sharded_spec, summed_ops
from pimsim.version import __version__
from pimsim.weight_load_run import weight_loading
from workloads.decoder_ops import decode_step, prefill
from workloads.decoder_pass import ATTENTION_OPS
from workloads.ops import AttentionMatmul, KVAppend, Op
from workloads.trace import Trace


class SystemRuns:
    """The machines of a system, and what its passes have in common.

    Attributes:
        system: The system.
        passes: Results so far, by phase and context length.
        messages: Uses of the link in these passes, likewise.
    """

    def __init__(self, system: System) -> None:
        """Build the machines.

        Args:
            system: The system.
        """
        self.system = system
        self.machines: dict[str, Machine] = {
            role: build_machine(config.machine, config.name) for role, config in system.machines.items()
        }
        self.memo: Memo = {}
        self.load_memos: dict[str, Memo] = {role: {} for role in system.machines}
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
        parts, trace, traffic = self._parts(config, phase)
        held = []
        for part in parts:
            check_buffers(part.config, part.trace, part.tiles)
            footprints = memory_footprints(part.config, part.trace, part.tiles)
            check_memory_capacity(part.config.machine, trace.model, footprints)
            held.append((part, total_footprint(footprints)))
        program = split_program(parts, trace, traffic)
        outcome = run(program, self.system.first.schedule, memo=self.memo)
        result = self._result(config, trace, parts, program, traffic, outcome, held)
        self.passes[phase, trace.context_length] = result
        self.messages[phase, trace.context_length] = tuple(_messages(program, traffic.link))
        return result

    def _parts(self, config: Config, phase: str) -> tuple[list[Part], Trace, Traffic]:
        """Divide a pass over the machines.

        Args:
            config: Its workload.
            phase: "prefill" or "decode".

        Returns:
            The parts, the trace, and what travels.
        """
        system = self.system
        match system.split:
            case "phases":
                own = system.machines[phase].model_copy(update={"workload": config.workload})
                trace = make_trace(own)
                # Both machines hold the weights; the other one is idle.
                parts = [self._part(role, trace, lambda op: True) for role in system.machines]
                link = MachineLink(system.link, self._placed("decode").get("memory"))
                sent = "decode" if phase == "prefill" else ""
                return parts, trace, Traffic(lambda _: phase, link, cache_to=sent)
            case "attention":
                own = system.machines["projections"].model_copy(update={"workload": config.workload})
                trace = make_trace(own)
                parts = [self._part(role, trace, _kept_by(role)) for role in system.machines]
                return parts, trace, Traffic(_attention_or_not, MachineLink(system.link))
            case "tensor":
                own = system.machines["chip"].model_copy(update={"workload": config.workload})
                trace = _shard_trace(own, system.chips)
                summed = {name for block in trace.blocks for name in summed_ops(block.ops)}
                traffic = Traffic(
                    lambda _: "chip", MachineLink(system.link), lambda op: op.name in summed, system.sum_bits
                )
                return [self._part("chip", trace, lambda op: True, system.chips)], trace, traffic

    def _part(self, role: str, trace: Trace, keeps: Callable[[Op], bool], chips: int = 1) -> Part:
        return make_part(role, self.system.machines[role], self.machines[role], trace, keeps, chips)

    def _placed(self, role: str) -> dict[str, PlacedComponent]:
        return {each.name: PlacedComponent(role, each) for each in self.machines[role].components()}

    def _result(
        self,
        config: Config,
        trace: Trace,
        parts: list[Part],
        program: Program,
        traffic: Traffic,
        outcome: EngineRun,
        held: Iterable[tuple[Part, MemoryFootprint]],
    ) -> RunResult:
        """Read the result off the outcome of the engine.

        Args:
            config: Its workload.
            trace: The trace.
            parts: The machines.
            program: The program.
            traffic: What travels over the link.
            outcome: Outcome of the run.
            held: What the memories hold.

        Returns:
            The result.
        """
        system, energies_j = self.system, {f"{LINK}.bit": self.system.link.energy_j_per_bit}
        for part in parts:
            energies_j |= {f"{part.role}.{name}": each for name, each in part.machine.action_energies_j().items()}
        loads = {
            part.role: weight_loading(part.config, part.machine, part.trace, part.tiles, self.load_memos[part.role])
            for part in parts
        }
        components = tuple(_component_records(parts, outcome, program, traffic))
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
            accounting=_accounting(parts, ops, components, outcome, loads, energies_j),
        )


def _kept_by(role: str) -> Callable[[Op], bool]:
    return lambda op: _attention_or_not(op) == role


def _attention_or_not(op: Op) -> str:
    """Return the role of the machine that executes an op of an attention split."""
    ours = isinstance(op, AttentionMatmul | KVAppend) or op.name.partition(":")[0] in ATTENTION_OPS
    return "attention" if ours else "projections"


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


def _memory_use(held: Iterable[tuple[Part, MemoryFootprint]]) -> MemoryUse:
    """Add up what the memories hold; a KV cache counts once, where it is used.

    Args:
        held: The machines with their footprints.

    Returns:
        The sums.
    """
    pairs = list(held)
    return MemoryUse(
        max(part.chips * each.kv_bytes for part, each in pairs),
        sum(part.chips * each.weight_bytes for part, each in pairs),
        sum(part.chips * each.activation_bytes for part, each in pairs),
    )


def _component_records(
    parts: Iterable[Part], outcome: EngineRun, program: Program, traffic: Traffic
) -> Iterator[ComponentRecord]:
    """Sum the busy times of each component of all machines, with leakage and area, and those of the link.

    Args:
        parts: The machines.
        outcome: Outcome of the run.
        program: Program with the accesses of the ports of the global buffers.
        traffic: What travels over the link.

    Yields:
        One record per component. The write drivers have none, because no weight is written.
    """
    busy_ps: Counter[str] = Counter()
    on_mesh: dict[str, set[int]] = {}
    for activity in outcome.activities:
        block, _ = outcome.tasks[activity.op]
        busy_ps[activity.component] += outcome.profiles[activity.profile].busy_ps * block.repeat
        on_mesh.setdefault(activity.component, set()).add(activity.op)
    messages = tuple(_messages(program, traffic.link))
    section = traffic.link.config
    busy_ps[LINK] = sum(replace(each, stored_ps=0).latency_ps(section, section.bandwidth_bps) for each in messages)
    if traffic.link.receiver is not None:
        busy_ps[traffic.link.receiver.name] += sum(each.repeat * each.stored_ps for each in messages)
    port_ps = _port_ps(program)
    for part in parts:
        machine, config = part.machine, part.config
        sram = f"{part.role}.{machine.sram.name}"
        busy_ps[sram] = max(busy_ps[sram], part.chips * min(port_ps[part.role], outcome.latency_ps))
        for name, placed in part.placed().items():
            component = placed.component
            if component is machine.programming:
                continue
            per_tile = component is machine.tile
            units = part.chips * (part.tiles.tiles_available if per_tile else component.units)
            if component is machine.mesh and config.schedule != "serial":
                units = part.chips * max(1, len(on_mesh.get(placed.name, ())))
            times = part.tiles.tiles_available if component in (machine.tile, machine.mesh) else 1
            yield ComponentRecord(
                name=f"{part.role}.{name}",
                units=units,
                busy_ps=busy_ps[placed.name],
                leakage_j=leakage_energy_j(
                    component.leakage_w(), units, busy_ps[placed.name], outcome.latency_ps, config.leakage_gating
                ),
                area_m2={area.item: area.total_m2 * times for area in placed.areas()},
            )
    yield ComponentRecord(LINK, 1, busy_ps[LINK], 0.0, {})


def _messages(program: Program, link: MachineLink) -> Iterator[Message]:
    """Collect the uses of the link in a program.

    Args:
        program: The program.
        link: The link.

    Yields:
        One message per task of the link, with the number of its repetitions.
    """
    for block, task in program.tasks():
        for each in task.assignments:
            if each.component is link:
                stored_ps = link.stored_ps(each.share)
                yield Message(each.share, stored_ps, block.repeat)


def _port_ps(program: Program) -> Counter[str]:
    """Return the time that all accesses need of the port of one global buffer of each machine, one after another.

    Args:
        program: The program.

    Returns:
        Picoseconds by role.
    """
    found: Counter[str] = Counter()
    for block, task in program.tasks():
        for each in task.assignments:
            role = each.component.name.partition(".")[0]
            if each.stream is not None:
                found[role] += block.repeat * each.stream.port_ps
            elif isinstance(each.share, LockstepShare):
                found[role] += block.repeat * each.share.port_ps
    return found


def working_ps(role: str, result_ops: tuple[int, ...], outcome: EngineRun, *, serial: bool) -> int:
    """Return the time in which a machine has work.

    Args:
        role: Role of the machine.
        result_ops: Repetitions of each op.
        outcome: Outcome of the run.
        serial: Whether one repetition of a block was simulated for all.

    Returns:
        Picoseconds: the union of its activities.
    """
    own = sorted(
        (each.start_ps, each.end_ps, result_ops[each.op])
        for each in outcome.activities
        if each.component.startswith(f"{role}.")
    )
    total = end_ps = 0
    for start, end, repeat in own:
        if end > end_ps:
            total += (repeat if serial else 1) * (end - max(start, end_ps))
            end_ps = end
    return total


def _accounting(
    parts: Iterable[Part],
    ops: tuple[OpRecord, ...],
    components: tuple[ComponentRecord, ...],
    outcome: EngineRun,
    loads: dict[str, WeightLoading],
    energies_j: dict[str, float],
) -> Accounting:
    """Return what the figures of a pass contain and what they leave out.

    Args:
        parts: The machines.
        ops: Records of the ops.
        components: Records of the components.
        outcome: Outcome of the run.
        loads: Loading of the weights of one machine of each role.
        energies_j: Energy of each action.

    Returns:
        The accounting; the energies of the counted items add up to that of the pass.
    """
    sums: dict[str, tuple[int, float]] = {}
    for op in ops:
        name = "link" if op.kind in (TRANSFER, ALL_REDUCE) else _item_name(op)
        latency_ps, energy_j = sums.get(name, (0, 0.0))
        own_j = math.fsum(count * energies_j[action] for action, count in op.counts.items())
        sums[name] = latency_ps + op.repeat * sum(op.parts_ps.values()), energy_j + op.repeat * own_j
    counted = sorted((CostItem(name, *each) for name, each in sums.items()), key=lambda item: -item.latency_ps)
    left_out = []
    for part in parts:
        config = part.config
        charged_j = math.fsum(each.leakage_j for each in components if each.name.startswith(f"{part.role}."))
        working = working_ps(part.role, tuple(op.repeat for op in ops), outcome, serial=config.schedule == "serial")
        idle_j = charged_j * (1 - working / outcome.latency_ps) if config.leakage_gating == "ungated" else 0.0
        counted += [
            CostItem(f"{LEAKAGE} of {part.role}", 0, charged_j - idle_j),
            CostItem(f"{LEAKAGE} of {part.role} while it has no work", 0, idle_j),
        ]
        if config.leakage_gating != "ungated":
            power_w = {each.name: each.leakage_w() for each in part.placed().values()}
            whole_j = math.fsum(
                leakage_energy_j(power_w[each.name], each.units, each.busy_ps, outcome.latency_ps, "ungated")
                for each in components
                if each.name in power_w
            )
            left_out.append(CostItem(f"{IDLE_LEAKAGE} of {part.role}", 0, max(0.0, whole_j - charged_j)))
        load = loads[part.role]
        of_load = math.fsum(count * part.machine.action_energies_j()[action] for action, count in load.counts.items())
        left_out.append(CostItem(f"{LOADING} ({part.role})", load.load_ps, part.chips * of_load, once=True))
    return Accounting(_of_some_size(counted), _of_some_size(left_out))


def _item_name(op: OpRecord) -> str:
    if op.block == "lm_head" and op.kind not in ("quantise", "dequantise"):
        return LM_HEAD
    return EMBEDDING if op.block == "embedding" else item_of_kind(op.kind)


def _of_some_size(items: Iterable[CostItem]) -> tuple[CostItem, ...]:
    return tuple(item for item in items if item.latency_ps or item.energy_j)
