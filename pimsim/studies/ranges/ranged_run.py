"""One run of a config, and what its figures are when some of its numbers have other values, without a new simulation.

What an energy, a power or an area of a config changes is exactly known: the action counts, times and busy times of a run
do not depend on them. Other numbers change times. Under the serial schedule the latency is the sum of those of the
activities, and each follows from the step tree of its component; only the components that the numbers change build their
steps again. Under the other schedules the engine runs again. Both give the figures of `simulate`, to the picosecond.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pimsim.base.errors import WorkloadInputError
from pimsim.base.units import PS_PER_S, ps_to_s
from pimsim.config.schema import Config
from pimsim.engine import run
from pimsim.engine.run_records import component_records
from pimsim.hardware.component import Component
from pimsim.hardware.leakage import leakage_energy_j
from pimsim.hardware.machine import Machine, build_machine
from pimsim.mapping.operations import Mapped, map_trace
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Task
from pimsim.results.run_result import RunResult
from pimsim.simulation import make_trace, simulate
from pimsim.steps.step_tree import Copies, Identical, Loop, Parallel, Sequence, Step, Streamed, Work
from pimsim.studies.ranges.config_values import is_timing, with_values
from workloads.trace import Trace


@dataclass(frozen=True, slots=True)
class RunFigures:
    """Figures of a run with some values of its numbers.

    Attributes:
        latency_ps: Latency, picoseconds.
        energy_j: Energy, leakage included, joules.
        area_m2: Area of all chips, m^2.
        tokens: Number of tokens.
        operations: Number of operations, as the config counts them.
    """

    latency_ps: int
    energy_j: float
    area_m2: float
    tokens: int
    operations: int

    def values(self) -> dict[str, float]:
        """Return the figures that have ranges, by name.

        Returns:
            Latency, energy, power, area, and what follows from them, in SI units; rates of tokens only if there are any.
        """
        latency_s = ps_to_s(self.latency_ps)
        found = {"latency_s": latency_s, "energy_j": self.energy_j}
        if self.tokens and self.latency_ps:
            found["tokens_per_s"] = self.tokens * PS_PER_S / self.latency_ps
        if self.tokens and self.energy_j:
            found["tokens_per_j"] = self.tokens / self.energy_j
        if self.operations and self.latency_ps:
            found["gops"] = self.operations / latency_s / 1e9
        if self.operations and self.energy_j:
            found["gops_per_w"] = self.operations / self.energy_j / 1e9
        if self.latency_ps:
            found["power_w"] = self.energy_j / latency_s
        return {**found, "area_m2": self.area_m2}


@dataclass(frozen=True, slots=True)
class _Times:
    """Latency of a run, and busy time by component, picoseconds."""

    latency_ps: int
    busy_ps: Mapping[str, int]


class RangedRun:
    """A run whose numbers vary.

    Args:
        config: The config.
        keys: Dotted keys of the numbers that vary.
        remapped: Whether the numbers may change how the trace is mapped, so that each set of values maps it again.
        trace: Ops of the run; None means the trace of the config's workload.

    Raises:
        WorkloadInputError: If the config is that of a generation, or as `simulate`.
        PimsimError: As `simulate`.
    """

    def __init__(
        self, config: Config, keys: Collection[str], *, remapped: bool = False, trace: Trace | None = None
    ) -> None:
        if config.workload.phase in ("generate", "load") and config.workload.trace is None:
            raise WorkloadInputError(
                f"workload.phase: ranges are those of a decode step, a prefill or a trace, not of {config.workload.phase}"
            )
        self.config = config
        self.result = simulate(config, trace)
        self._trace = make_trace(config) if trace is None else trace
        self._machine = build_machine(config.machine, config.name)
        self._mapped = map_trace(config, self._machine, self._trace)
        self._timing_keys = [key for key in keys if is_timing(key)]
        self._remapped = remapped

    def figures(self, values: Mapping[str, float]) -> RunFigures:
        """Return the figures of the run with some values.

        Args:
            values: Value of each number that varies, in SI units by dotted key.

        Returns:
            The figures that `simulate` gives for that config.
        """
        config = with_values(self.config, values)
        machine = build_machine(config.machine, config.name)
        times = self._times(config, machine)
        energies_j = machine.action_energies_j()
        components = {component.name: component for component in machine.components()}
        dynamic = [count * energies_j[action] for action, count in self.result.counts.items()]
        leakage = [
            leakage_energy_j(
                components[record.name].leakage_w(),
                record.units,
                times.busy_ps[record.name],
                times.latency_ps,
                config.leakage_gating,
            )
            for record in self.result.components
        ]
        return RunFigures(
            times.latency_ps,
            math.fsum([*dynamic, *leakage]),
            sum(
                sum(area.total_m2 * self._instances[record.name] for area in components[record.name].areas())
                for record in self.result.components
            ),
            self.result.tokens,
            config.operations_per_mac * self.result.macs,
        )

    @cached_property
    def _instances(self) -> dict[str, int]:
        """Number of instances of each component whose areas a result adds."""
        per_tile = [each.name for each in (self._machine.tile, self._machine.mesh) if each is not None]
        chips = self.config.machine.chips.count
        return {
            each.name: self.result.tiles.tiles_available if each.name in per_tile else chips
            for each in self.result.components
        }

    @cached_property
    def _base_times(self) -> _Times:
        return _Times(self.result.latency_ps, {each.name: each.busy_ps for each in self.result.components})

    def _times(self, config: Config, machine: Machine) -> _Times:
        if not self._timing_keys:
            return self._base_times
        mapped = map_trace(config, machine, self._trace) if self._remapped else self._mapped
        if self.config.schedule == "serial":
            return self._serial_times(mapped.program, machine)
        return self._engine_times(config, machine, mapped)

    # --- the serial schedule: a sum over activities -----------------------------------------------------------------

    @cached_property
    def _timed(self) -> frozenset[str]:
        """Names of the components whose steps the numbers may change."""
        numbers = {key: 1.0009765625 for key in self._timing_keys}
        current = _values_at(self.config, numbers)
        changed = build_machine(with_values(self.config, current).machine, self.config.name)
        before = {each.name: each for each in self._machine.components()}
        return frozenset(each.name for each in changed.components() if each != before[each.name])

    @cached_property
    def _shares(self) -> tuple[_Shares, ...]:
        return tuple(_shares_of(self._mapped.program))

    def _serial_times(self, program: Program, machine: Machine) -> _Times:
        """Add up the times of all activities; equal shares are computed once.

        Args:
            program: The program.
            machine: The machine with the values.

        Returns:
            The times that the engine has under the serial schedule.

        Reference:
            docs/ranges.md, eq. (3).
        """
        components = {each.name: each for each in machine.components()}
        known: dict[tuple[str, Any, Any], tuple[int, int]] = {}
        latency_ps, busy_ps = 0, Counter[str]()
        shares = tuple(_shares_of(program)) if self._remapped else self._shares
        for each in shares:
            durations = []
            for assignment in each.assignments:
                name = assignment.component.name
                key = (name, id(assignment.share), id(assignment.stream))
                if key not in known:
                    known[key] = self._duration_and_busy(assignment, components[name])
                duration_ps, share_busy_ps = known[key]
                durations.append(duration_ps)
                busy_ps[name] += each.times * share_busy_ps
            latency_ps += each.times * (max(durations) if each.parallel else sum(durations))
        sram = machine.sram.name
        busy_ps[sram] = max(busy_ps[sram], program.port_busy_ps(latency_ps))
        return _Times(latency_ps, busy_ps)

    def _duration_and_busy(self, assignment: Assignment, component: Component[Any]) -> tuple[int, int]:
        if not self._remapped and component.name not in self._timed:
            key = (component.name, id(assignment.share), id(assignment.stream))
            if key not in self._unchanged:
                self._unchanged[key] = _duration_and_busy(assignment.work())
            return self._unchanged[key]
        return _duration_and_busy(replace(assignment, component=component).work())

    @cached_property
    def _unchanged(self) -> dict[tuple[str, Any, Any], tuple[int, int]]:
        return {}

    # --- the other schedules: the engine ----------------------------------------------------------------------------

    def _engine_times(self, config: Config, machine: Machine, mapped: Mapped) -> _Times:
        program = mapped.program if self._remapped else _with_components(mapped.program, machine)
        outcome = run(program, config.schedule)
        records = component_records(config, machine, self.result.tiles.tiles_available, outcome, program)
        return _Times(outcome.latency_ps, {each.name: each.busy_ps for each in records})


@dataclass(frozen=True, slots=True)
class _Shares:
    """Assignments that run one after another, or together, `times` times."""

    assignments: tuple[Assignment, ...]
    times: int
    parallel: bool


def _shares_of(program: Program) -> Iterator[_Shares]:
    """Yield the assignments of a program under the serial schedule; equal ones of different tasks are merged."""
    times: Counter[tuple[str, int, int]] = Counter()
    first: dict[tuple[str, int, int], Assignment] = {}
    for block, task in program.tasks():
        if task.parallel:
            yield _Shares(task.assignments, program.lanes * block.repeat, parallel=True)
            continue
        for assignment in task.assignments:
            key = (assignment.component.name, id(assignment.share), id(assignment.stream))
            times[key] += program.lanes * block.repeat
            first[key] = assignment
    for key, assignment in first.items():
        yield _Shares((assignment,), times[key], parallel=False)


def _duration_and_busy(work: Work) -> tuple[int, int]:
    """Return how long a step tree takes on an idle machine, and the busy time of all units in it, picoseconds."""
    match work:
        case Step(duration_ps=duration_ps, repeat=repeat):
            return duration_ps * repeat, duration_ps * repeat
        case Sequence(children):
            both = [_duration_and_busy(child) for child in children]
            return sum(each for each, _ in both), sum(busy for _, busy in both)
        case Parallel(children):
            both = [_duration_and_busy(child) for child in children]
            return max((each for each, _ in both), default=0), sum(busy for _, busy in both)
        case Loop(body, times) | Identical(body, times):
            duration_ps, busy_ps = _duration_and_busy(body)
            return times * duration_ps, times * busy_ps
        case Copies(body, times):
            duration_ps, busy_ps = _duration_and_busy(body)
            return duration_ps, times * busy_ps
        case Streamed(body, port_ps):
            duration_ps, busy_ps = _duration_and_busy(body)
            excess_ps = max(0, port_ps - duration_ps)
            return duration_ps + excess_ps, busy_ps + excess_ps


def _with_components(program: Program, machine: Machine) -> Program:
    """Return a program on other components of the same names."""
    components = {each.name: each for each in machine.components()}

    def changed(task: Task) -> Task:
        assignments = (replace(each, component=components[each.component.name]) for each in task.assignments)
        return replace(task, assignments=tuple(assignments))

    def block_of(block: ProgramBlock) -> ProgramBlock:
        return replace(block, tasks=tuple(changed(task) for task in block.tasks))

    return replace(program, blocks=tuple(block_of(block) for block in program.blocks))


def _values_at(config: Config, factors: Mapping[str, float]) -> dict[str, float]:
    """Return the numbers of a config, each times a factor."""
    from pimsim.studies.ranges.config_values import numbers_of

    numbers = numbers_of(config)
    return {key: numbers[key] * factor for key, factor in factors.items()}
