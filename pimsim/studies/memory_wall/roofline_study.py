"""Roofline from a run: operations and bytes are those that the run counts, and times those of its activities."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from pimsim.base.errors import AnalysisError
from pimsim.base.units import ps_to_s
from pimsim.hardware.machine import build_machine
from pimsim.results.run_result import RunResult
from pimsim.steps.records import ActivityRecord, Profile
from pimsim.steps.step_tree import PORT_EXCESS, WAITING
from pimsim.studies.memory_wall.machine_roofs import Roof, machine_roofs
from pimsim.studies.memory_wall.op_classes import op_class
from pimsim.studies.memory_wall.roofline_result import PORT, ClassPoint, Demand, Roofline

Interval = tuple[int, int]

WHOLE = "whole run"
"""Name of the class of all ops."""


@dataclass(slots=True)
class _Group:
    """What the activities of a class add up to.

    Attributes:
        ops: Indices of its ops.
        times: Number of activities, repetitions included, by component, resource of the memory and profile.
        intervals: Start and end of its activities in picoseconds, by component; only under overlapping schedules.
        serial_ps: Picoseconds by component, and of the class under ""; only under the serial schedule.
        tile_macs: MACs of the ops that tiles compute.
        private: Components of which each matrix has its own, so that their number of units limits nothing.
    """

    ops: list[int] = field(default_factory=list)
    times: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    intervals: defaultdict[str, list[Interval]] = field(default_factory=lambda: defaultdict(list))
    serial_ps: Counter[str] = field(default_factory=Counter)
    tile_macs: int = 0
    private: set[str] = field(default_factory=set)


def roofline(result: RunResult, *, by: str = "class") -> Roofline:
    """Place each class of ops of a run under the roofs of its machine.

    Args:
        result: The run.
        by: "class" for one point per class of ops, "op" for one per name of an op.

    Returns:
        The roofs, and for each class its operations, bytes, time, the lowest roof and what bounds it.

    Raises:
        AnalysisError: If the run is a loading of weights, which has no operations, or has no activities.
        ConfigError: If a registered component of the machine is not known here.

    Reference:
        docs/roofline.md, eq. (1) to (8); Williams, Waterman and Patterson, CACM 52(4), 2009.

    Example:
        >>> from pimsim import load_config, simulate
        >>> found = roofline(simulate(load_config("pim-llm", ["workload.model=gpt2-small"])))
        >>> [each.name for each in found.classes][:2], found.ridge("systolic", "memory")
        (['LM head', 'attention values'], 2.0)
    """
    if result.phase == "load":
        raise AnalysisError("a roofline needs operations, and the loading of weights has none; run decode or prefill")
    if not result.activities:
        raise AnalysisError("a roofline needs the activities of a run, which this result does not have")
    machine = build_machine(result.config.machine, result.config.name)
    roofs = machine_roofs(result.config, machine, result.tiles.tiles_available)
    units = {each.name: max(each.units, 1) for each in result.components}
    width = result.config.machine.sram.width_bits
    serial, tile = result.config.schedule == "serial", machine.tile.name if machine.tile else ""
    points = [
        _point(result, name, group, roofs, units, width, tile, serial=serial)
        for groups in (_groups(result, by, tile, serial=serial), _groups(result, WHOLE, tile, serial=serial))
        for name, group in groups.items()
    ]
    whole = points.pop()
    return Roofline(
        name=result.config.name,
        model=result.model,
        phase=result.phase,
        context_length=result.context_length,
        batch=None if result.config.workload.trace is not None else result.config.workload.batch,
        schedule=result.config.schedule,
        operations_per_mac=result.config.operations_per_mac,
        latency_s=result.latency_s,
        roofs=tuple(roofs.values()),
        whole=whole,
        classes=tuple(sorted(points, key=lambda point: -point.time_s)),
    )


def _groups(result: RunResult, by: str, tile: str, *, serial: bool) -> dict[str, _Group]:
    of_op: list[list[ActivityRecord]] = [[] for _ in result.ops]
    for activity in result.activities:
        of_op[activity.op].append(activity)
    groups: dict[str, _Group] = defaultdict(_Group)
    for index, (op, activities) in enumerate(zip(result.ops, of_op, strict=True)):
        components = {each.component for each in activities}
        group = groups[WHOLE if by == WHOLE else op.name if by == "op" else op_class(op, components, tile)]
        group.ops.append(index)
        group.tile_macs += op.repeat * op.macs if tile in components else 0
        intervals: defaultdict[str, list[Interval]] = defaultdict(list)
        for each in activities:
            resource = _resource(each)
            group.times[each.component, resource, each.profile] += op.repeat
            intervals[resource].append((each.start_ps, each.end_ps))
            if each.resource not in ("", each.component, resource):
                group.private.add(resource)
        for resource, spans in intervals.items():
            if serial:
                group.serial_ps[resource] += op.repeat * _union_ps(spans)
            else:
                group.intervals[resource] += spans
        if serial:
            group.serial_ps[""] += op.repeat * _union_ps(span for spans in intervals.values() for span in spans)
    return groups


def _resource(activity: ActivityRecord) -> str:
    """Return the resource of an activity: its component, or one of several interfaces of the memory."""
    return activity.resource if " interface of " in activity.resource else activity.component


def _union_ps(intervals: Iterable[Interval]) -> int:
    """Return the time that is in at least one interval, picoseconds."""
    total_ps = end_ps = 0
    for start, end in sorted(intervals):
        total_ps += max(0, end - max(start, end_ps))
        end_ps = max(end_ps, end)
    return total_ps


def _point(
    result: RunResult,
    name: str,
    group: _Group,
    roofs: dict[str, Roof],
    units: dict[str, int],
    port_bits: int,
    tile: str,
    *,
    serial: bool,
) -> ClassPoint:
    """Add up a class of ops.

    Args:
        result: The run.
        name: Name of the class.
        group: Its activities.
        roofs: Roofs of the machine, by resource.
        units: Units of each component, which work in parallel under overlapping schedules.
        port_bits: Bits per access of the global buffer.
        tile: Name of the tiles; empty without any.
        serial: Whether the run has the serial schedule.

    Returns:
        The class with its demands, those of the longest busy time first.
    """
    macs = sum(result.ops[index].repeat * result.ops[index].macs for index in group.ops)
    per_mac, processor = result.config.operations_per_mac, result.config.machine.processor
    amounts: Counter[str] = Counter()
    busy_ps: Counter[str] = Counter()
    for (component, resource, profile), times in group.times.items():
        each = result.profiles[profile]
        amounts[resource] += times * _amount(component, each, per_mac, port_bits)
        busy_ps[resource] += times * _busy_ps(component, each)
        if component == processor:  # it waits for its own transfers: steps in which these take longer are the memory's
            amounts["memory"] += times * _amount("memory", each, per_mac, port_bits)
            moved_ps = times * each.parts_ps.get("memory", 0)
            busy_ps["memory"] += moved_ps
            busy_ps[resource] -= moved_ps
    if processor is not None:
        amounts[processor] = per_mac * macs
    amounts[tile] = per_mac * group.tile_macs  # tiles count conversions; an op that uses them computes all MACs there
    if serial:
        time_ps = group.serial_ps[""]
    else:
        time_ps = _union_ps(span for spans in group.intervals.values() for span in spans)
        for resource, spans in group.intervals.items():
            parallel = 1 if resource in group.private else units.get(resource, 1)
            busy_ps[resource] = min(busy_ps[resource] // parallel, _union_ps(spans))
    demands = (
        _demand(resource, amounts[resource], busy_ps[resource], roofs.get(resource))
        for resource in amounts.keys() | busy_ps.keys()
        if amounts[resource] or busy_ps[resource]
    )
    return ClassPoint(
        name=name,
        count=sum(result.ops[index].repeat for index in group.ops),
        operations=macs * per_mac + amounts["vector"],
        time_s=ps_to_s(time_ps),
        demands=tuple(sorted(demands, key=lambda each: (-each.busy_s, each.resource))),
    )


def _amount(component: str, profile: Profile, per_mac: int, port_bits: int) -> int:
    """Return the operations or bytes of an activity, from the actions that the run counts.

    Args:
        component: Name of the component.
        profile: Counts of the activity.
        per_mac: Operations that a MAC counts as.
        port_bits: Bits per access of the global buffer, whether all of them are used or not.

    Returns:
        Operations of a unit that computes; bytes of a memory, port or link; bytes times hops of a mesh.
    """
    counts = profile.counts
    match component:
        case "systolic":
            return per_mac * counts.get("systolic.mac", 0)
        case "vector":
            return counts.get("vector.operation", 0)
        case "memory":
            return (counts.get("memory.read_bit", 0) + counts.get("memory.write_bit", 0)) // 8
        case "sram":
            return (counts.get("sram.read", 0) + counts.get("sram.write", 0)) * port_bits // 8
        case "mesh":
            return counts.get("mesh.bit_hop", 0) // 8
        case "chip_link":
            return counts.get("chip_link.bit", 0) // 8
    return 0


def _busy_ps(component: str, profile: Profile) -> int:
    """Return the time in which a component works, without its waits for the port and for others, picoseconds."""
    waits = {WAITING} if component == PORT else {WAITING, PORT_EXCESS}
    return sum(duration_ps for part, duration_ps in profile.parts_ps.items() if part not in waits)


def _demand(resource: str, amount: int, busy_ps: int, roof: Roof | None) -> Demand:
    least_s = amount / roof.peak_per_s if roof else 0.0
    busy_s = ps_to_s(busy_ps)
    # Accesses that feed a unit while it computes have no time of their own: the port is busy for as long as they take.
    return Demand(resource, amount, least_s, max(busy_s, least_s) if resource == PORT else busy_s)
