"""One run of a config, and what its figures are with other values of some numbers, without a new simulation.

What an energy, a power or an area changes is exactly known: the action counts, times and busy times of a run do not
depend on them. Other numbers change times. Under the serial schedule the latency is the sum of those of the activities,
and each follows from the step tree of its component; only the components that the numbers change build their steps
again. Under the other schedules the engine runs again. Both give the figures of `simulate`, to the picosecond. Where a
number changes counts as well, because a component counts times as actions or its shares depend on the number, each set
of values is a simulation of its own.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from pimsim.base.errors import PimsimError, WorkloadInputError
from pimsim.config.schema import Config
from pimsim.engine import Memo, run
from pimsim.engine.run_records import add_shared_busy, component_records
from pimsim.hardware.component import Component
from pimsim.hardware.leakage import gating_of, leakage_energy_j
from pimsim.hardware.machine import Machine, build_machine
from pimsim.mapping.operations import Mapped, map_trace
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Task
from pimsim.results.run_result import RunResult
from pimsim.simulation import make_trace, simulate
from pimsim.steps.records import ComponentRecord, OpRecord
from pimsim.steps.step_tree import action_counts
from pimsim.studies.ranges.config_values import is_timing, numbers_of, with_values
from pimsim.studies.ranges.run_figures import RunFigures
from pimsim.studies.ranges.serial_times import SharePool, add_parts
from workloads.trace import Trace

PROBE = 1 + 2.0**-10
"""Factor on numbers that finds the components that they change."""

WIDE_PROBE = 1.5
"""Factor on numbers that finds whether they change sizes of shares, which are whole numbers, or counts of actions."""


class _OpTimes(NamedTuple):
    start_ps: int
    latency_ps: int
    parts_ps: Mapping[str, int]


class _Turn(NamedTuple):
    """An op under the serial schedule: index and repetitions of its block, and its shares with their numbers."""

    block: int
    repeat: int
    shares: tuple[tuple[int, Assignment], ...]
    parallel: bool


@dataclass(frozen=True, slots=True)
class _Times:
    """Latency of a run, busy time by component, and times of its ops under the serial schedule, picoseconds."""

    latency_ps: int
    busy_ps: Mapping[str, int]
    ops: tuple[_OpTimes, ...] = ()


class RangedRun:
    """A run whose numbers vary.

    Args:
        config: The config.
        keys: Dotted keys of the numbers that vary.
        remapped: Whether the numbers may change how the trace is mapped, so that each set of values maps it again.
        result: Result of the run with the values of the config, if it is known.
        pool: Times of shares that other runs on the same machine, with the same numbers, may use too.

    Raises:
        WorkloadInputError: If the config is that of a generation or of a loading of weights, or as `simulate`.
        PimsimError: As `simulate`.
    """

    def __init__(
        self,
        config: Config,
        keys: Collection[str],
        *,
        remapped: bool = False,
        result: RunResult | None = None,
        pool: SharePool | None = None,
    ) -> None:
        phase = config.workload.phase
        if phase == "load" or (phase == "generate" and config.workload.trace is None):
            raise WorkloadInputError(
                f"workload.phase: intervals are those of a decode step, a prefill or a trace, not of {phase}"
            )
        self.config = config
        self.result = simulate(config) if result is None else result
        self._trace: Trace = make_trace(config)
        self._machine = build_machine(config.machine, config.name)
        self._mapped = map_trace(config, self._machine, self._trace)
        self._timing_keys = tuple(key for key in keys if is_timing(key))
        self._remapped = remapped
        self._pool = SharePool() if pool is None else pool
        self._memo: Memo = {}
        self._latest: tuple[list[float], _Times] | None = None

    def figures(self, values: Mapping[str, float]) -> RunFigures:
        """Return the figures of the run with some values.

        Args:
            values: Value of each number that varies, in SI units by dotted key.

        Returns:
            The figures that `simulate` gives for that config.
        """
        self._pool.take(values)
        config = with_values(self.config, values)
        if self._whole:
            again = simulate(config)
            operations = config.operations_per_mac * again.macs
            return RunFigures(again.latency_ps, again.energy_j, again.area_m2, again.tokens, operations)
        machine = build_machine(config.machine, config.name)
        energies_j = machine.action_energies_j()
        times = self._times(config, machine, values)
        components = self._components(config, machine, times)
        dynamic = [count * energies_j[action] for action, count in self.result.counts.items()]
        return RunFigures(
            times.latency_ps,
            math.fsum([*dynamic, *(each.leakage_j for each in components)]),
            sum(sum(each.area_m2.values()) for each in components),
            self.result.tokens,
            config.operations_per_mac * self.result.macs,
        )

    def result_with(self, values: Mapping[str, float]) -> RunResult:
        """Return the result of the run with some values, under the serial schedule.

        Args:
            values: Value of each number that varies, in SI units by dotted key.

        Returns:
            The result that `simulate` gives for that config, without its activities, its accounting and the loading of
            its weights, unless it is simulated.
        """
        assert self.config.schedule == "serial"
        self._pool.take(values)
        config = with_values(self.config, values)
        if self._whole:
            return simulate(config)
        machine = build_machine(config.machine, config.name)
        times = self._times(config, machine, values)
        return replace(
            self.result,
            config=config,
            latency_ps=times.latency_ps,
            ops=self._ops(times) if times.ops else self.result.ops,
            components=self._components(config, machine, times),
            action_energies_j=machine.action_energies_j(),
            activities=(),
            profiles=(),
        )

    @cached_property
    def _whole(self) -> bool:
        """Whether numbers change more than times: the shares of ops, or the counts of actions in these."""
        if not self._timing_keys:
            return False
        numbers = numbers_of(self.config)
        probed = with_values(self.config, {key: WIDE_PROBE * numbers[key] for key in self._timing_keys})
        machine = build_machine(probed.machine, probed.name)
        try:
            mapped = map_trace(probed, machine, self._trace)
        except PimsimError:  # sizes depend on the numbers
            return True
        pairs = {}
        for before, after in zip(_assignments(self._mapped.program), _assignments(mapped.program), strict=False):
            if before.component.name != after.component.name:
                return True
            if not self._remapped and (before.share, before.stream) != (after.share, after.stream):
                return True
            if before.component.name in self._changed:
                pairs[self._pool.number(before)] = before, after
        return any(action_counts(before.work()) != action_counts(after.work()) for before, after in pairs.values())

    def _components(self, config: Config, machine: Machine, times: _Times) -> tuple[ComponentRecord, ...]:
        components = {component.name: component for component in machine.components()}
        found = []
        for record in self.result.components:
            component, busy_ps = components[record.name], times.busy_ps[record.name]
            leakage_j = leakage_energy_j(
                component.leakage_w(),
                record.units,
                busy_ps,
                times.latency_ps,
                gating_of(component, config.leakage_gating),
            )
            instances = self._instances[record.name]
            area_m2 = {area.item: area.total_m2 * instances for area in component.areas()}
            found.append(replace(record, busy_ps=busy_ps, leakage_j=leakage_j, area_m2=area_m2))
        return tuple(found)

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

    def _times(self, config: Config, machine: Machine, values: Mapping[str, float]) -> _Times:
        if not self._timing_keys:
            return self._base_times
        now = [values[key] for key in self._timing_keys]
        if self._latest is not None and self._latest[0] == now:  # only energies, powers or areas have changed
            return self._latest[1]
        mapped = map_trace(config, machine, self._trace) if self._remapped else self._mapped
        if self.config.schedule == "serial":
            times = self._serial_times(mapped.program, machine)
        else:
            times = self._engine_times(config, machine, mapped)
        self._latest = now, times
        return times

    # --- the serial schedule: a sum over activities -----------------------------------------------------------------

    @cached_property
    def _changed(self) -> frozenset[str]:
        """Names of the components whose steps the numbers may change."""
        if self._remapped:  # their shares follow from the numbers, too
            return frozenset(each.name for each in self._machine.components())
        numbers = numbers_of(self.config)
        probed = with_values(self.config, {key: PROBE * numbers[key] for key in self._timing_keys})
        before = {each.name: each for each in self._machine.components()}
        machine = build_machine(probed.machine, probed.name)
        return frozenset(each.name for each in machine.components() if each != before[each.name])

    @cached_property
    def _turns(self) -> tuple[_Turn, ...]:
        return tuple(self._turns_of(self._mapped.program))

    def _turns_of(self, program: Program) -> Iterator[_Turn]:
        """Yield the ops of a program in the order of the result."""
        for index, block in enumerate(program.grouped().in_turn().blocks):
            for task in block.tasks:
                shares = tuple((self._pool.number(each), each) for each in task.assignments)
                yield _Turn(index, block.repeat, shares, task.parallel)

    def _serial_times(self, program: Program, machine: Machine) -> _Times:
        """Add up the times of all activities.

        Args:
            program: The program.
            machine: The machine with the values.

        Returns:
            The times that the engine has under the serial schedule.

        Reference:
            docs/ranges.md, eq. (3).
        """
        components = {each.name: each for each in machine.components()}
        latency_ps, busy_ps, ops = 0, Counter[str](), []
        start_ps = begin_ps = before = repeat = 0
        for turn in self._turns_of(program) if self._remapped else self._turns:
            if turn.block != before:  # the repetitions of the block before
                start_ps += (repeat - 1) * (start_ps - begin_ps)
                begin_ps, before = start_ps, turn.block
            repeat = turn.repeat
            parts_ps: dict[str, int] = {}
            durations_ps = []
            for number, assignment in turn.shares:
                times = self._pool.times(number, assignment, components, self._changed)
                durations_ps.append(times.duration_ps)
                busy_ps[assignment.component.name] += repeat * times.busy_ps
                add_parts(parts_ps, times.parts_ps)
            op_ps = max(durations_ps) if turn.parallel else sum(durations_ps)
            ops.append(_OpTimes(start_ps, op_ps, parts_ps))
            start_ps += op_ps
            latency_ps += repeat * op_ps
        add_shared_busy(busy_ps, self.config, machine, program, latency_ps)
        return _Times(latency_ps, busy_ps, tuple(ops))

    def _ops(self, times: _Times) -> tuple[OpRecord, ...]:
        """Return the records of the ops with their times, in the order of the result."""
        return tuple(
            replace(record, start_ps=each.start_ps, latency_ps=each.latency_ps, parts_ps=each.parts_ps)
            for record, each in zip(self.result.ops, times.ops, strict=True)
        )

    # --- the other schedules: the engine ----------------------------------------------------------------------------

    def _engine_times(self, config: Config, machine: Machine, mapped: Mapped) -> _Times:
        program = mapped.program if self._remapped else _on_machine(mapped.program, machine)
        memo: Memo = {
            each.name: {} if each.name in self._changed else self._memo.setdefault(each.name, {})
            for each in machine.components()
        }
        outcome = run(program, config.schedule, memo=memo)
        records = component_records(config, machine, self.result.tiles.tiles_available, outcome, program)
        return _Times(outcome.latency_ps, {each.name: each.busy_ps for each in records})


def _assignments(program: Program) -> Iterator[Assignment]:
    for block in program.blocks:
        for task in block.tasks:
            yield from task.assignments


def _on_machine(program: Program, machine: Machine) -> Program:
    """Return a program on the components of another machine, which have the same names."""
    components: dict[str, Component[Any]] = {each.name: each for each in machine.components()}

    def changed(task: Task) -> Task:
        assignments = (replace(each, component=components[each.component.name]) for each in task.assignments)
        return replace(task, assignments=tuple(assignments))

    def on_machine(block: ProgramBlock) -> ProgramBlock:
        return replace(block, tasks=tuple(changed(task) for task in block.tasks))

    return replace(program, blocks=tuple(on_machine(block) for block in program.blocks))
