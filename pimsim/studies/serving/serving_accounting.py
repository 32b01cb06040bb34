"""What the iterations of a machine, or of several equal ones, count and leave out, and notes about them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from pimsim.base.units import ps_to_s
from pimsim.config.schema import Config
from pimsim.hardware.machine import build_machine
from pimsim.hardware.technology import technology_notes
from pimsim.mapping.circuit_notes import circuit_notes, input_bits
from pimsim.mapping.macro_residency import prompt_notes
from pimsim.mapping.memory_footprint import total_footprint
from pimsim.mapping.port_notes import port_notes_of_iterations, spill_notes
from pimsim.mapping.run_accounting import spill_item
from pimsim.results.accounting import BETWEEN_ITERATIONS, IDLE_LEAKAGE, LEAKAGE, SPILLED, Accounting, CostItem
from pimsim.studies.serving.iteration_costs import StepCosts
from pimsim.studies.serving.iteration_table import IterationTable
from pimsim.studies.serving.kv_space import serving_footprints
from pimsim.studies.serving.scheduler import Scheduler


def machine_notes(
    config: Config, costs: StepCosts, schedulers: Sequence[Scheduler], longest: int, short_of_port: int
) -> Iterator[str]:
    """Say what the figures of a machine do not describe.

    Args:
        config: Config of the machine.
        costs: Costs of its iterations.
        schedulers: Its finished scheduler, or those of several equal machines.
        longest: KV entries of the longest request.
        short_of_port: Number of iterations that need the port of the global buffer for longer than they take.

    Yields:
        One sentence each.
    """
    iterations = sum(len(each.iterations) for each in schedulers)
    yield from costs.spec.notes_at(longest)
    yield from config.workload.kv.spec().notes_at(longest)
    yield from technology_notes(config.machine)
    yield from prompt_notes(config)
    yield from circuit_notes(config, input_bits(config))
    yield from port_notes_of_iterations(short_of_port, iterations)
    yield from spill_notes(config, _spilled_bytes(config, costs, [each.iterations for each in schedulers]))
    if preemptions := sum(each.preemptions for each in schedulers):
        yield (
            f"the policy {config.serving.policy} preempted {preemptions:,} time{'s' * (preemptions != 1)}; time and "
            f"energy contain the {sum(each.recomputed_tokens for each in schedulers):,} KV entries that were computed "
            "again"
        )


def _spilled_bytes(config: Config, costs: StepCosts, tables: Sequence[IterationTable]) -> int:
    """Return the activations, bytes, that the largest iteration keeps in memory because the global buffer is full."""
    shapes = set(_shapes(tables))
    tokens, outputs = (max((shape[place] for shape in shapes), default=0) for place in (0, 1))
    if not tokens:
        return 0
    chips = serving_footprints(config, costs.spec, tokens, outputs)
    return total_footprint(chips).activation_bytes


def _spilled_in_all(config: Config, costs: StepCosts, tables: Sequence[IterationTable]) -> int:
    """Return the activations, bytes, that exceed the global buffer, summed over all layers of all iterations."""
    if not _spilled_bytes(config, costs, tables):
        return 0
    times = Counter(_shapes(tables))
    return sum(
        count * total_footprint(serving_footprints(config, costs.spec, *shape)).spilled_bytes
        for shape, count in times.items()
    )


def _shapes(tables: Sequence[IterationTable]) -> Iterator[tuple[int, int]]:
    """Iterate over the tokens and the sequences of all iterations, column by column, which needs no records."""
    for table in tables:
        new_tokens, prefills, decodes = (table.column(name) for name in ("new_tokens", "prefills", "decodes"))
        for tokens, prompts, steps in zip(new_tokens, prefills, decodes, strict=True):
            yield int(tokens), int(prompts + steps)


def iterations_accounting(
    config: Config, costs: StepCosts, tables: Sequence[IterationTable], span_ps: int
) -> Accounting:
    """Return what all iterations count and leave out.

    Without power gating, the leakage is that of the whole machine over all iterations, not the sum over the slices of
    an iteration, which have fewer tiles. Leakage between iterations is an item of its own. With power gating,
    that of idle components over the span is left out. Activations beyond the global buffer are those of whole
    iterations, since slices have fewer tokens.

    Args:
        config: Config of the machine.
        costs: Costs of the iterations, which are those since the last call of `costs.accounting`.
        tables: Iterations of the machine, or of each of several equal ones.
        span_ps: Time over which each machine exists, ps.

    Returns:
        The accounting.
    """
    total = costs.accounting()
    charged_j = math.fsum(each.leakage_energy_j for table in tables for each in table)
    counted = [item for item in total.counted if item.name != LEAKAGE]
    left_out = [item for item in total.left_out if item.name not in (IDLE_LEAKAGE, SPILLED)]
    if charged_j:
        counted.append(CostItem(LEAKAGE, 0, charged_j))
    all_ps = span_ps * len(tables)
    between_ps = all_ps - sum(each.end_ps - each.start_ps for table in tables for each in table)
    if between_j := costs.idle_power_w * ps_to_s(between_ps):
        counted.append(CostItem(BETWEEN_ITERATIONS, 0, between_j))
    if config.leakage_gating != "ungated":
        busy_j = charged_j + math.fsum(item.energy_j for item in left_out if item.name == LEAKAGE)
        idle_j = costs.whole_power_w * ps_to_s(all_ps) - busy_j
        at = next((number for number, item in enumerate(left_out) if item.once), len(left_out))
        left_out.insert(at, CostItem(IDLE_LEAKAGE, 0, max(0.0, idle_j)))
    if spilled_bytes := _spilled_in_all(config, costs, tables):
        at = next((number for number, item in enumerate(left_out) if item.once), len(left_out))
        left_out.insert(at, spill_item(build_machine(config.machine), spilled_bytes))
    return Accounting(tuple(counted), tuple(left_out)).longest_first()
