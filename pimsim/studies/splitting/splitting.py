"""Run of a system, beside its machines alone, with the bandwidth from which the split pays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pimsim.base.errors import CapacityError, ConfigError, WorkloadInputError
from pimsim.config.schema import Config
from pimsim.config.system_file import System
from pimsim.generation import GenerationResult, Progress, generate
from pimsim.results.run_result import RunResult
from pimsim.results.step_interpolation import interpolated_sum
from pimsim.simulation import simulate
from pimsim.studies.splitting.break_even import MOST_BPS, break_even, transfer_ps
from pimsim.studies.splitting.split_result import (
    AloneRun,
    BreakEven,
    LinkFigures,
    SplitResult,
    link_figures,
    machine_energies_j,
)
from pimsim.studies.splitting.system_runs import SystemRuns

MAX_ACTIVITIES = 20_000
"""Activities of a pass up to which it is simulated some 15 times more, to find the bandwidth from which it pays."""


def run_system(system: System, progress: Progress | None = None) -> SplitResult:
    """Simulate a system, and each of its machines alone.

    Args:
        system: The system; its workload states the phase.
        progress: Called after each simulated decode step of a generation of the system; None means no calls.

    Returns:
        The result.

    Raises:
        ConfigError: If a machine is not valid, or the chips of a tensor split do not divide the model.
        WorkloadInputError: If the model is unknown, or no component computes an op.
        CapacityError: If a machine has too few tiles or too small a memory.
        StalledError: If the engine stops with unfinished work.
    """
    runs = SystemRuns(system)
    first = system.first.model_copy(update={"name": system.name, "description": system.description})
    generates = first.workload.phase == "generate"
    result = generate(first, progress, run_pass=runs.simulate) if generates else runs.simulate(first)
    alone = tuple(_alone(role, config, generates=generates) for role, config in system.machines.items())
    return SplitResult(
        system, result, _link(result, runs), _energies_j(result, runs), alone, _break_even(result, runs, alone)
    )


def _break_even(result: RunResult | GenerationResult, runs: SystemRuns, alone: tuple[AloneRun, ...]) -> BreakEven:
    """Find the bandwidth from which the split pays.

    Under the serial schedule transfers add to the latency. Under the dataflow schedule they overlap with other work, so
    that a pass is simulated again at each bandwidth.

    Args:
        result: The pass or the generation.
        runs: The simulated passes.
        alone: The machines alone.

    Returns:
        The bandwidth; none if it takes too many simulations.
    """
    system = runs.system
    if system.first.schedule == "serial":
        transfers_ps = _transfers_ps(result, runs)
        rest_ps = result.latency_ps - transfers_ps(system.link.bandwidth_bps)
        return break_even(system.link, lambda each: rest_ps + transfers_ps(each), alone, simulated=False)
    one = result if isinstance(result, RunResult) else result.prefill
    many = isinstance(result, GenerationResult) and system.split != "phases"
    if many or len(one.activities) > MAX_ACTIVITIES:
        advice = "not searched, because it takes many simulations: compare runs with several link.bandwidth_bps"
        return BreakEven(None, None, advice)

    def latency_at(bandwidth_bps: float | None) -> int:
        link = system.link.model_copy(update={"bandwidth_bps": bandwidth_bps or MOST_BPS})
        other = SystemRuns(replace(system, link=link), runs)
        return result.latency_ps - one.latency_ps + other.simulate(one.config).latency_ps

    return break_even(system.link, latency_at, alone, simulated=True)


def _alone(role: str, config: Config, *, generates: bool) -> AloneRun:
    """Run the whole work on one machine.

    Args:
        role: Role of the machine in the system.
        config: Its config.
        generates: Whether the work is a generation.

    Returns:
        Latency and energy, or why the machine cannot do it.
    """
    try:
        result = generate(config) if generates else simulate(config)
    except (CapacityError, ConfigError, WorkloadInputError) as error:
        return AloneRun(role, config.name, None, None, str(error))
    return AloneRun(role, config.name, result.latency_ps, result.energy_j)


def _link(result: RunResult | GenerationResult, runs: SystemRuns) -> LinkFigures:
    """Sum up the use of the link over a pass or a generation.

    Args:
        result: The pass or the generation.
        runs: The simulated passes.

    Returns:
        The figures; over a generation interpolated between its simulated steps.
    """
    if isinstance(result, RunResult):
        return link_figures(result)
    prefill = link_figures(result.prefill)
    contexts = [step.context_length for step in result.steps]
    steps = [link_figures(runs.passes["decode", each]) for each in contexts]
    return LinkFigures(
        *(
            getattr(prefill, name) + interpolated_sum(contexts, [getattr(step, name) for step in steps])
            for name in LinkFigures.__dataclass_fields__
        )
    )


def _energies_j(result: RunResult | GenerationResult, runs: SystemRuns) -> dict[str, float]:
    """Add up the energy of each machine over a pass or a generation.

    Args:
        result: The pass or the generation.
        runs: The simulated passes.

    Returns:
        Joules by role; over a generation interpolated as its energy is.
    """
    if isinstance(result, RunResult):
        return machine_energies_j(result)
    total = machine_energies_j(result.prefill)
    contexts = [step.context_length for step in result.steps]
    steps = [machine_energies_j(runs.passes["decode", each]) for each in contexts]
    for role in dict.fromkeys(role for each in (total, *steps) for role in each):
        total[role] = total.get(role, 0.0) + interpolated_sum(contexts, [step.get(role, 0.0) for step in steps])
    return total


def _transfers_ps(result: RunResult | GenerationResult, runs: SystemRuns) -> Callable[[float | None], float]:
    """Return the time of all transfers as a function of the bandwidth.

    Args:
        result: The pass or the generation.
        runs: The simulated passes with their messages.

    Returns:
        Function from bits per second to picoseconds; over a generation interpolated as its latency is.
    """
    link = runs.system.link

    def of_run(bandwidth_bps: float | None) -> float:
        if isinstance(result, RunResult):
            return transfer_ps(runs.messages[result.phase, result.context_length], link, bandwidth_bps)
        contexts = [step.context_length for step in result.steps]
        steps = [transfer_ps(runs.messages["decode", each], link, bandwidth_bps) for each in contexts]
        first = transfer_ps(runs.messages["prefill", result.prefill.context_length], link, bandwidth_bps)
        return first + round(interpolated_sum(contexts, steps))

    return of_run
