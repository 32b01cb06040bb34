"""What the iterations of a machine, or of several equal ones, count and leave out, and notes about them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from pimsim.base.units import ps_to_s
from pimsim.config.schema import Config
from pimsim.hardware.machine import build_machine
from pimsim.hardware.measured_energies import activity_notes
from pimsim.hardware.operating_temperature import temperature_notes
from pimsim.hardware.technology import technology_notes
from pimsim.mapping.ageing_notes import ageing_notes
from pimsim.mapping.circuit_notes import circuit_notes, input_bits
from pimsim.mapping.macro_residency import prompt_notes
from pimsim.mapping.memory_footprint import total_footprint
from pimsim.mapping.port_notes import port_notes_of_iterations, spill_notes
from pimsim.mapping.run_accounting import spill_item
from pimsim.results.accounting import BETWEEN_ITERATIONS, IDLE_LEAKAGE, LEAKAGE, SPILLED, Accounting, CostItem
from pimsim.studies.serving.draft_model import draft_notes, with_draft
from pimsim.studies.serving.kv_space import serving_footprints, serving_spills
from pimsim.studies.serving.serving_notes import preemption_notes, swap_background, unused_notes
from pimsim.studies.serving.serving_setup import ServedMachine, ServingSetup
from pimsim.studies.serving.speculation import SpeculationCounts
from pimsim.studies.serving.upkeep_pauses import UPKEEP, Pause, upkeep_energy_j
from pimsim.studies.serving.upkeep_tasks import upkeep_notes
from workloads.requests import Request

SWAPS = "KV swaps"


def machine_notes(setup: ServingSetup, machines: Sequence[ServedMachine], requests: Sequence[Request]) -> Iterator[str]:
    """Say what the figures of a machine do not describe.

    Args:
        setup: Config and costs of its iterations.
        machines: The machine with its finished scheduler, or several equal ones.
        requests: All requests.

    Yields:
        One sentence each.
    """
    config, costs = setup.config, setup.costs
    iterations = sum(len(each.scheduler.iterations) for each in machines)
    longest = max(request.kv_entries for request in requests)
    yield from costs.spec.notes_at(longest)
    yield from config.workload.kv.spec().notes_at(longest)
    yield from technology_notes(config.machine)
    yield from temperature_notes(config.machine)
    yield from prompt_notes(config)
    yield from activity_notes(config.machine)
    yield from circuit_notes(config, input_bits(config))
    yield from ageing_notes(config, served=True)
    yield from upkeep_notes(setup.upkeep)
    yield from port_notes_of_iterations(setup.short_of_port, iterations)
    yield from spill_notes(config, _spilled_bytes(setup, machines))
    preemptions = sum(each.scheduler.preemptions for each in machines)
    yield from preemption_notes(config, preemptions, sum(each.scheduler.recomputed_tokens for each in machines))
    yield from unused_notes(config, requests)
    yield from draft_notes(config)


def _spilled_bytes(setup: ServingSetup, machines: Sequence[ServedMachine]) -> int:
    """Return the activations, bytes, that the largest iteration keeps in memory because the global buffer is full."""
    shapes = _shapes(setup.config, machines)
    if not shapes:
        return 0
    tokens, outputs = (max(each) for each in zip(*shapes, strict=True))
    return total_footprint(serving_footprints(setup.config, setup.costs.spec, tokens, outputs)).activation_bytes


def _shapes(config: Config, machines: Sequence[ServedMachine]) -> Counter[tuple[int, int]]:
    """Return the number of iterations by their new tokens, and those of them that the LM head processes, at most."""
    shapes: Counter[tuple[int, int]] = Counter()
    for machine in machines:
        table = machine.scheduler.iterations
        columns = map(table.sums, ("new_tokens", "prefills", "decodes"))
        for tokens, prompts, steps, rows in zip(*columns, table.row_counts(), strict=True):
            shapes[int(tokens), int(min(tokens, prompts + steps * config.serving.step_tokens))] += rows
    return shapes


def _spilled_in_all(setup: ServingSetup, machines: Sequence[ServedMachine]) -> int:
    """Return the activations, bytes, that exceed the global buffer, summed over all layers of all iterations."""
    if not _spilled_bytes(setup, machines):
        return 0
    return serving_spills(setup.config, setup.costs.spec, _shapes(setup.config, machines))


def iterations_accounting(
    setup: ServingSetup, machines: Sequence[ServedMachine], span_ps: int, pauses: Sequence[Pause] = ()
) -> Accounting:
    """Return what all iterations count and leave out.

    Without power gating, the leakage is that of the whole machine over all iterations, not the sum over the slices of
    an iteration, which have fewer tiles. Leakage between iterations is an item of its own. With power gating,
    that of idle components over the span is left out. Activations beyond the global buffer are those of whole
    iterations, since slices have fewer tokens.

    Args:
        setup: Config and costs of the iterations, which are those since the last call of `costs.accounting`.
        machines: The machine with its finished scheduler, or each of several equal ones.
        span_ps: Time over which each machine exists, ps.
        pauses: Pauses of all machines for upkeep.

    Returns:
        The accounting.
    """
    config, costs = setup.config, setup.costs
    tables = [each.scheduler.iterations for each in machines]
    total = costs.accounting()
    drafts = [each.speculation.counts for each in machines if each.speculation is not None]
    if drafts:
        total = with_draft(total, setup.draft, _sum_of(drafts))
    charged_j = math.fsum(each for table in tables for each in table.sums("leakage_energy_j"))
    counted = [item for item in total.counted if item.name != LEAKAGE]
    left_out = [item for item in total.left_out if item.name not in (IDLE_LEAKAGE, SPILLED)]
    if charged_j:
        counted.append(CostItem(LEAKAGE, 0, charged_j))
    usages = [each.usage for each in machines if each.usage is not None]
    if any(each.swaps_out for each in usages):
        energy_j = math.fsum(each.swap_energy_j for each in usages)
        counted.append(CostItem(SWAPS, sum(each.swap_ps for each in usages), energy_j))
    if pauses:
        counted.append(CostItem(UPKEEP, sum(each.duration_ps for each in pauses), upkeep_energy_j(pauses)))
    all_ps = span_ps * len(machines)
    between_ps = all_ps - sum(int(sum(table.sums("end_ps")) - sum(table.sums("start_ps"))) for table in tables)
    if between_j := costs.idle_power_w * ps_to_s(between_ps):
        counted.append(CostItem(BETWEEN_ITERATIONS, 0, between_j))
    more = list[CostItem]()
    if config.leakage_gating != "ungated":
        busy_j = charged_j + math.fsum(item.energy_j for item in left_out if item.name == LEAKAGE)
        more.append(CostItem(IDLE_LEAKAGE, 0, max(0.0, costs.whole_power_w * ps_to_s(all_ps) - busy_j)))
    if spilled_bytes := _spilled_in_all(setup, machines):
        more.append(spill_item(build_machine(config.machine), spilled_bytes))
    if background := swap_background(config, usages[0] if usages else None, all_ps):
        more.append(background)
    at = next((number for number, item in enumerate(left_out) if item.once), len(left_out))
    left_out[at:at] = more
    return Accounting(tuple(counted), tuple(left_out)).longest_first()


def _sum_of(counts: Sequence[SpeculationCounts]) -> SpeculationCounts:
    return SpeculationCounts(
        sum(each.steps for each in counts),
        sum(each.drafted_tokens for each in counts),
        sum(each.accepted_tokens for each in counts),
        sum(each.draft_ps for each in counts),
        math.fsum(each.draft_energy_j for each in counts),
    )
