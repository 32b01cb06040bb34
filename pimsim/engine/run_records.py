"""Records of a result, read off the outcome of the engine: one per op and one per component."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pimsim.config.schema import Config
from pimsim.engine.execute import EngineRun
from pimsim.engine.memory_busy import memory_busy_ps
from pimsim.hardware.component import Component
from pimsim.hardware.leakage import gating_of, leakage_energy_j
from pimsim.hardware.machine import Machine
from pimsim.mapping.program import Program
from pimsim.steps.records import ActivityRecord, ComponentRecord, MediumRecord, OpRecord


def op_records(outcome: EngineRun) -> Iterator[OpRecord]:
    """Sum the activities of each op.

    Args:
        outcome: Outcome of a run.

    Yields:
        One record per op, in program order.
    """
    of_task: list[list[ActivityRecord]] = [[] for _ in outcome.tasks]
    for activity in outcome.activities:
        of_task[activity.op].append(activity)
    sums: dict[tuple[int, ...], tuple[dict[str, int], dict[str, int]]] = {}  # equal layers have the same profiles
    for (block, task), activities in zip(outcome.tasks, of_task, strict=True):
        key = tuple([activity.profile for activity in activities])
        if key not in sums:
            sums[key] = {}, {}
            for each in key:
                _add(sums[key][0], outcome.profiles[each].parts_ps)
                _add(sums[key][1], outcome.profiles[each].counts)
        parts_ps, counts = sums[key]
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


def component_records(
    config: Config, machine: Machine, tiles_available: int, outcome: EngineRun, program: Program
) -> Iterator[ComponentRecord]:
    """Sum the busy times of each component, with its leakage and area.

    Args:
        config: Schedule, number of chips and gating of leakage.
        machine: The machine built from it.
        tiles_available: Tiles of the machine.
        outcome: Outcome of a run.
        program: Program with the accesses of the port of each chip.

    Yields:
        One record per component; the write drivers have none if they do not work in the run.
    """
    busy_ps: Counter[str] = Counter()
    for activity in outcome.activities:
        block, _ = outcome.tasks[activity.op]
        busy_ps[activity.component] += outcome.profiles[activity.profile].busy_ps * block.repeat
    sram = machine.sram.name
    busy_ps[sram] = max(busy_ps[sram], program.port_busy_ps(outcome.latency_ps))
    if machine.near_memory is not None:  # the banks that its units read are powered, too
        busy_ps[machine.memory.name] += busy_ps[machine.near_memory.name]
    if machine.processor is not None:  # it reads the memory itself, and keeps it powered as long as it works
        busy_ps[machine.memory.name] += busy_ps[machine.processor.name]
    for tier in machine.kv_tiers:
        # Copies for a prefetch have a port of their own, so that accesses overlap in time.
        busy_ps[tier.name] = min(busy_ps[tier.name], config.machine.chips.count * outcome.latency_ps)
    in_media: dict[str, list[MediumRecord]] = {}
    for medium in outcome.media:
        in_media.setdefault(medium.component, []).append(medium)
    chips, tile = config.machine.chips.count, machine.tile
    for component in machine.components():
        if component is machine.programming and not busy_ps[component.name]:
            continue  # weights are not swapped: the write drivers are active before the run only
        per_tile = component is tile or component is machine.programming
        units = tiles_available if per_tile else chips * component.units
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
                component.leakage_w(),
                units,
                busy_ps[component.name],
                outcome.latency_ps,
                gating_of(component, config.leakage_gating),
            ),
            area_m2=_areas_m2(component, tiles_available if component is tile or component is machine.mesh else chips),
        )


def _areas_m2(component: Component[Any], instances: int) -> dict[str, float]:
    return {area.item: area.total_m2 * instances for area in component.areas()}
