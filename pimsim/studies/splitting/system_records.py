"""Records of a pass on the machines of a system: its components, its uses of the link, and what its figures contain."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from pimsim.engine.execute import EngineRun
from pimsim.hardware.leakage import leakage_energy_j
from pimsim.hardware.machine_link import MachineLink
from pimsim.hardware.placed_component import LockstepShare
from pimsim.mapping.accounting_items import EMBEDDING, LM_HEAD, LOADING, item_of_kind
from pimsim.mapping.circuit_costs import lines_item
from pimsim.mapping.memory_footprint import MemoryFootprint
from pimsim.mapping.program import Program
from pimsim.mapping.run_accounting import spill_item
from pimsim.mapping.split_mapping import ALL_REDUCE, TRANSFER, Part
from pimsim.mapping.weight_loading import WeightLoading
from pimsim.results.accounting import IDLE_LEAKAGE, LEAKAGE, Accounting, CostItem
from pimsim.steps.records import ActivityRecord, ComponentRecord, OpRecord
from pimsim.studies.splitting.break_even import Message


def component_records(parts: Iterable[Part], outcome: EngineRun, program: Program) -> Iterator[ComponentRecord]:
    """Sum the busy times of each component of all machines, with leakage and area, and those of the link.

    Args:
        parts: The machines.
        outcome: Outcome of the run.
        program: Program with the accesses of the ports of the global buffers.

    Yields:
        One record per component. The write drivers have none, because no weight is written.
    """
    busy_ps: Counter[str] = Counter()
    on_mesh: dict[str, set[int]] = {}
    for activity in outcome.activities:
        block, _ = outcome.tasks[activity.op]
        busy_ps[activity.component] += outcome.profiles[activity.profile].busy_ps * block.repeat
        on_mesh.setdefault(activity.component, set()).add(activity.op)
    links: dict[str, int] = {}
    for link, message in messages(program):
        own_ps = replace(message, stored_ps=0).latency_ps(link.config, link.config.bandwidth_bps)
        links[link.name] = links.get(link.name, 0) + own_ps
        if link.receiver is not None:
            busy_ps[link.receiver.name] += message.repeat * message.stored_ps
    port_ps = port_times_ps(program)
    for part in parts:
        machine, config = part.machine, part.config
        sram = f"{part.role}.{machine.sram.name}"
        busy_ps[sram] = max(busy_ps[sram], part.chips * min(port_ps[part.role], outcome.latency_ps))
        if machine.near_memory is not None:  # the banks that its units read are powered, too
            busy_ps[f"{part.role}.{machine.memory.name}"] += busy_ps[f"{part.role}.{machine.near_memory.name}"]
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
    yield from (ComponentRecord(name, 1, own_ps, 0.0, {}) for name, own_ps in links.items())


def messages(program: Program) -> Iterator[tuple[MachineLink, Message]]:
    """Collect the uses of the link in a program.

    Args:
        program: The program.

    Yields:
        Direction and message of each task of the link, with the number of its repetitions.
    """
    for block, task in program.tasks():
        for each in task.assignments:
            if isinstance(each.component, MachineLink):
                yield each.component, Message(each.share, each.component.stored_ps(each.share), block.repeat)


def port_times_ps(program: Program) -> Counter[str]:
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


def working_ps(role: str, result_ops: tuple[int, ...], activities: Iterable[ActivityRecord], *, serial: bool) -> int:
    """Return the time in which a machine has work.

    Args:
        role: Role of the machine.
        result_ops: Repetitions of each op.
        activities: Activities of the run.
        serial: Whether one repetition of a block was simulated for all.

    Returns:
        Picoseconds: the union of its activities.
    """
    own = sorted(
        (each.start_ps, each.end_ps, result_ops[each.op])
        for each in activities
        if each.component.startswith(f"{role}.")
    )
    total = end_ps = 0
    for start, end, repeat in own:
        if end > end_ps:
            total += (repeat if serial else 1) * (end - max(start, end_ps))
            end_ps = end
    return total


def accounting(
    held: Iterable[tuple[Part, MemoryFootprint]],
    ops: tuple[OpRecord, ...],
    components: tuple[ComponentRecord, ...],
    outcome: EngineRun,
    loads: dict[str, WeightLoading],
    energies_j: dict[str, float],
) -> Accounting:
    """Return what the figures of a pass contain and what they leave out.

    Args:
        held: The machines, with what their memories hold.
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
    for part, footprint in held:
        config = part.config
        charged_j = math.fsum(each.leakage_j for each in components if each.name.startswith(f"{part.role}."))
        repeats, serial = tuple(op.repeat for op in ops), config.schedule == "serial"
        working = working_ps(part.role, repeats, outcome.activities, serial=serial)
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
        lines = lines_item(config.machine, own_ops(part.role, ops))
        spilled = spill_item(part.machine, footprint.spilled_bytes)
        spilled = replace(spilled, energy_j=part.chips * spilled.energy_j)
        left_out += [replace(each, name=f"{each.name} of {part.role}") for each in (lines, spilled)]
        load = loads[part.role]
        of_load = math.fsum(count * part.machine.action_energies_j()[action] for action, count in load.counts.items())
        left_out.append(CostItem(f"{LOADING} ({part.role})", load.load_ps, part.chips * of_load, once=True))
    return Accounting(_of_some_size(counted), _of_some_size(left_out))


def own_ops(role: str, ops: Iterable[OpRecord]) -> tuple[OpRecord, ...]:
    """Return the ops with the actions of one machine only, under their names in the machine.

    Args:
        role: Role of the machine.
        ops: Records of the ops.

    Returns:
        The records with other counts.
    """
    first = f"{role}."
    return tuple(
        replace(op, counts={name.removeprefix(first): n for name, n in op.counts.items() if name.startswith(first)})
        for op in ops
    )


def _item_name(op: OpRecord) -> str:
    if op.block == "lm_head" and op.kind not in ("quantise", "dequantise"):
        return LM_HEAD
    return EMBEDDING if op.block == "embedding" else item_of_kind(op.kind)


def _of_some_size(items: Iterable[CostItem]) -> tuple[CostItem, ...]:
    return tuple(item for item in items if item.latency_ps or item.energy_j)
