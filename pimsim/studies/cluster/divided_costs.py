"""Latency and energy of the iterations of machines that divide each layer of a model between them.

Such machines serve as one: an iteration is a pass of the system, with its transfers or all-reduces. Its ops cannot be
simulated apart, as those of one machine are, because an activation travels between the weights and the attention. Under
the serial schedule everything adds up nevertheless. Let F(G, o) be any figure of an iteration over the groups G with o
output tokens, and r(G) the same groups with the smallest different contexts. Then

    F(G, o) = F(r(G), o) + sum over g in G of F({g}, o_g) - F({r(g)}, o_g)        (1)

exactly: weight ops and what travels depend on the tokens of the iteration only, which r keeps, and attention on its own
group only. Each term is a whole simulated pass, and passes occur again and again, as r(G) has few shapes.

Under the dataflow schedule each distinct iteration is simulated, and after `serving.max_simulated_steps` of them decode
steps are interpolated as those of one machine (`iteration_costs`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count, groupby

from pimsim.base.units import ps_to_s
from pimsim.config.schema import Config
from pimsim.config.system_file import System
from pimsim.hardware.machine_link import LINK
from pimsim.mapping.port_notes import is_short_of_port
from pimsim.results.accounting import IDLE_LEAKAGE, LEAKAGE, Accounting, CostItem
from pimsim.results.memory_traffic import NO_TRAFFIC
from pimsim.results.run_result import RunResult
from pimsim.studies.serving.accounting_terms import AccountingTerms
from pimsim.studies.serving.decode_table import DecodeStretch
from pimsim.studies.serving.iteration_costs import MAX_MEMO_ENTRIES, StepCosts
from pimsim.studies.serving.simulated_slice import as_input_error, leakage_energy_j
from pimsim.studies.serving.step_cost import Groups, StepCost
from pimsim.studies.splitting.split_result import link_figures
from pimsim.studies.splitting.system_records import working_ps
from pimsim.studies.splitting.system_runs import SystemRuns
from workloads.decoder_attention import ATTENTION_OPS
from workloads.decoder_pass import SequenceGroup

_DYNAMIC, _LEAKAGE, _MESSAGES, _BYTES, _EXPOSED = "dynamic", "leakage", "messages", "bytes", "exposed"


@dataclass(frozen=True, slots=True)
class Use:
    """What a machine of a system, or its link, has done in all iterations.

    Attributes:
        working_ps: Time in which it works, ps; of the link summed over its directions.
        dynamic_j: Dynamic energy, joules.
        leakage_j: Leakage energy, joules.
        messages: Transfers and all-reduces; 0 for a machine.
        size_bytes: Bytes that were sent; 0 for a machine.
        exposed_ps: Time for which iterations wait for the link, ps; 0 for a machine.
    """

    working_ps: int
    dynamic_j: float
    leakage_j: float
    messages: int = 0
    size_bytes: int = 0
    exposed_ps: int = 0


class DividedCosts(StepCosts):
    """Costs of the iterations of a system that divides each layer, with a cache of all simulations.

    Args:
        system: System of `split: attention` or `split: tensor`.

    Raises:
        ConfigError: If a machine is not valid, or the chips of a tensor split do not divide the model.
        WorkloadInputError: If the model is unknown.
    """

    def __init__(self, system: System) -> None:
        super().__init__(system.first)
        self.runs = SystemRuns(replace(system, machines={r: _unlimited(c) for r, c in system.machines.items()}))
        """The machines, without limits of their memories: a pass at another context says nothing about capacity."""
        self.roles = (*system.machines, LINK)
        """Roles of the machines, and the link."""
        self._computed = self.runs.computed_spec()
        self._chips = system.chips
        self._shares = AccountingTerms()
        self._powers_w: dict[str, float] = {}

    def of(self, groups: Groups, outputs: int) -> StepCost:
        """Return the cost of an iteration; see `StepCosts.of`.

        Args:
            groups: Groups of sequences, each (queries, context, sequences).
            outputs: Number of sequences that produce an output token.

        Returns:
            Latency and energy, simulated or interpolated.
        """
        cost = super().of(groups, outputs)
        for term, weight in cost.terms:
            self._shares.use(term, weight)
        return cost

    def stretch(self, contexts: object) -> DecodeStretch | None:
        """Return that iterations are asked for one by one.

        Args:
            contexts: Not used.

        Returns:
            None.
        """
        return None

    def kv_bytes(self, context: int) -> int:
        """Return the largest size of the KV caches of a sequence on all machines, with the scales that are counted.

        Args:
            context: Tokens of the sequence at its end.

        Returns:
            Bytes. KV heads that several chips of a tensor split have count on each of them.
        """
        found = self._kv_bytes.get(context)
        if found is None:
            of_one = self._options["kv"].largest_bytes(self._computed, context)
            found = self._kv_bytes[context] = self._chips * of_one
        return found

    @property
    def idle_powers_w(self) -> Mapping[str, float]:
        """Leakage power by role that is charged while no request is admitted, watts."""
        charged = self._config.leakage_gating == "ungated"
        return {role: power if charged else 0.0 for role, power in self._powers_w.items()}

    @property
    def whole_powers_w(self) -> Mapping[str, float]:
        """Leakage power by role if nothing were gated, watts."""
        return self._powers_w

    def uses(self) -> dict[str, Use]:
        """Return what the machines and the link have done since the last call, by role.

        Returns:
            Sums over all iterations; energies add up to those of the iterations.
        """
        items = {item.name: item for item in self._shares.take_total().counted}

        def of(role: str, kind: str) -> CostItem:
            return items.get(f"{role} {kind}", CostItem("", 0, 0.0))

        return {
            role: Use(
                of(role, _DYNAMIC).latency_ps,
                of(role, _DYNAMIC).energy_j,
                of(role, _LEAKAGE).energy_j,
                of(role, _MESSAGES).latency_ps,
                of(role, _BYTES).latency_ps,
                of(role, _EXPOSED).latency_ps,
            )
            for role in self.roles
        }

    def _limit_memory(self) -> None:
        before = len(self._terms)
        super()._limit_memory()
        if len(self._terms) < before:
            self._shares.drop()  # both number their terms alike

    def _sum_of_slices(self, groups: Groups, outputs: int) -> StepCost:
        """Compute the cost of an iteration under the serial schedule from passes of its groups.

        Args:
            groups: Groups of the iteration.
            outputs: Number of output tokens.

        Returns:
            Exact cost.

        Reference:
            docs/serving-systems.md, eq. (3).
        """
        smallest = smallest_groups(groups)
        if len(groups) == 1 or tuple(smallest) == groups:
            return self._whole(groups, outputs)
        base = self._whole(tuple(sorted(smallest)), outputs)
        signed = [(base, 1)]
        attention_j = []
        for group, other in zip(groups, smallest, strict=True):
            own = self._whole((group,), group[2])
            attention_j.append(own.attention_j[0])
            signed += [(own, 1), (self._whole((other,), group[2]), -1)]
        return StepCost(
            latency_ps=sum(sign * each.latency_ps for each, sign in signed),
            shared_j=math.fsum(sign * each.shared_j for each, sign in signed),
            attention_j=tuple(attention_j),
            leakage_j=math.fsum(sign * each.leakage_j for each, sign in signed),
            traffic=sum((each.traffic.scaled(sign) for each, sign in signed), NO_TRAFFIC),
            terms=tuple((term, sign * weight) for each, sign in signed for term, weight in each.terms),
            short_of_port=base.short_of_port,
        )

    def _whole(self, groups: Groups, outputs: int) -> StepCost:
        cost = self._wholes.get((groups, outputs))
        if cost is None:
            with as_input_error():
                shapes = [SequenceGroup(sequences, queries, context) for queries, context, sequences in groups]
            self.simulations += 1
            if sum(map(len, self.runs.memo.values())) >= MAX_MEMO_ENTRIES:
                self.runs.memo.clear()
            result = self.runs.simulate_step(shapes, outputs)
            if not self._powers_w:
                self._powers_w = {role: _whole_power_w(result, role) for role in self.runs.system.machines}
                self.whole_power_w = math.fsum(self._powers_w.values())
            attention_j = [0.0] * len(groups)
            shared = list[float]()
            for op in result.ops:
                energy_j = op.repeat * math.fsum(result.dynamic_energy_j(op.counts).values())
                # A transfer has the name of the op that it follows, then a dot.
                name, _, number = op.name.partition(".")[0].partition(":")
                if name in ATTENTION_OPS:
                    attention_j[int(number or 0)] += energy_j
                else:
                    shared.append(energy_j)
            term = self._terms.add(result.accounting)
            self._shares.add(Accounting(tuple(self._items(result))))
            cost = StepCost(
                result.latency_ps,
                math.fsum(shared),
                tuple(attention_j),
                leakage_energy_j(result),
                traffic=result.memory_traffic,
                terms=((term, 1.0),),
                short_of_port=int(is_short_of_port(result.notes)),
            )
            self._wholes[groups, outputs] = cost
        return cost

    def _items(self, result: RunResult) -> Iterator[CostItem]:
        """Yield what each machine and the link do in a pass, as numbers that can be added."""
        repeats, serial = tuple(op.repeat for op in result.ops), self._serial
        energies_j = {role: list[float]() for role in self.roles}
        for op in result.ops:
            for action, each in result.dynamic_energy_j(op.counts).items():
                energies_j[action.partition(".")[0]].append(op.repeat * each)
        for role in self.runs.system.machines:
            working = working_ps(role, repeats, result.activities, serial=serial)
            leaks = (each.leakage_j for each in result.components if each.name.startswith(f"{role}."))
            yield CostItem(f"{role} {_DYNAMIC}", working, math.fsum(energies_j[role]))
            yield CostItem(f"{role} {_LEAKAGE}", 0, math.fsum(leaks))
        link = link_figures(result)
        yield CostItem(f"{LINK} {_DYNAMIC}", round(link.busy_ps), math.fsum(energies_j[LINK]))
        yield CostItem(f"{LINK} {_MESSAGES}", round(link.messages), 0.0)
        yield CostItem(f"{LINK} {_BYTES}", round(link.size_bytes), 0.0)
        yield CostItem(f"{LINK} {_EXPOSED}", round(link.exposed_ps), 0.0)


def smallest_groups(groups: Groups) -> list[tuple[int, int, int]]:
    """Return groups of the same sequences with the smallest contexts that differ from each other.

    Args:
        groups: Groups of an iteration, sorted: (queries, context, sequences).

    Returns:
        One group for each of them, in the same order. Iterations with equal numbers of sequences per group have the
        same ones, whatever their contexts are.
    """
    found: dict[tuple[int, int, int], tuple[int, int, int]] = {}
    for queries, same in groupby(groups, key=lambda group: group[0]):
        for context, group in zip(count(queries), sorted(same, key=lambda group: (group[2], group[1])), strict=False):
            found[group] = queries, context, group[2]
    return [found[group] for group in groups]


def _unlimited(config: Config) -> Config:
    memory = config.machine.memory.model_copy(update={"capacity_bytes": None})
    return config.model_copy(update={"machine": config.machine.model_copy(update={"memory": memory})})


def _whole_power_w(result: RunResult, role: str) -> float:
    """Return the leakage power of the machines of a role without power gating, watts."""
    names = f"{LEAKAGE} of {role}", f"{LEAKAGE} of {role} while it has no work", f"{IDLE_LEAKAGE} of {role}"
    items = (*result.accounting.counted, *result.accounting.left_out)
    return math.fsum(item.energy_j for item in items if item.name in names) / ps_to_s(result.latency_ps)
