"""The accounting of a run: what its figures contain and what they leave out, each item with its time and energy.

What is left out is priced by the closed forms of the components: the time of the steps of an op one after another on an
idle machine, and their dynamic energy. Nothing is simulated.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pimsim.config.schema import Config, Gating
from pimsim.hardware.leakage import gating_of, leakage_energy_j
from pimsim.hardware.machine import Machine
from pimsim.hardware.memory import MemoryShare
from pimsim.mapping.accounting_items import (
    EMBEDDING,
    KV_STEPS,
    LEFT_OUT_ORDER,
    LM_HEAD,
    LOADING,
    MASKED_FOLDS,
    QUANTISATION,
    item_of_kind,
)
from pimsim.mapping.circuit_costs import lines_item
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.macro_residency import MacroResidency
from pimsim.mapping.matrix_precision import on_crossbars
from pimsim.mapping.occupancy import capacities
from pimsim.mapping.op_mappings import assignments
from pimsim.mapping.op_sizes import sum_widths
from pimsim.mapping.program import Assignment
from pimsim.mapping.tile_plan import LayerPlan
from pimsim.mapping.weight_loading import WeightLoading
from pimsim.results.accounting import IDLE_LEAKAGE, LEAKAGE, SPILLED, Accounting, CostItem
from pimsim.steps.records import ComponentRecord, OpRecord
from pimsim.steps.step_tree import (
    WAITING,
    Copies,
    Identical,
    Loop,
    Parallel,
    Sequence,
    Step,
    Streamed,
    Work,
    action_counts,
)
from workloads.latent_ops import CachedLatents
from workloads.ops import AttentionMatmul, Dequantise, KVAppend, Op
from workloads.trace import Block, Trace

Price = tuple[int, float]
"""Latency in picoseconds and energy in joules."""

MAX_KNOWN_PRICES = 4096
"""Prices of shares that a machine keeps for further runs: about 1 MB."""


@dataclass(frozen=True, slots=True)
class StaticCosts:
    """Leakage of a run and loading of its weights.

    Attributes:
        charged_j: Leakage energy that the run charges, joules.
        busy_j: Leakage energy of the components while they are busy, joules.
        whole_j: Leakage energy of all components over the whole run, joules.
        load_ps: Time of loading the weights once, picoseconds.
        load_counts: Action counts of loading them.
    """

    charged_j: float
    busy_j: float
    whole_j: float
    load_ps: int
    load_counts: Mapping[str, int]


def static_costs(
    machine: Machine,
    components: Collection[ComponentRecord],
    latency_ps: int,
    loading: WeightLoading,
) -> StaticCosts:
    """Compute the leakage of a run under each gating, and the cost of loading its weights.

    Args:
        machine: The machine.
        components: Records of its components in the run.
        latency_ps: Latency of the run, picoseconds.
        loading: Loading of its weights.

    Returns:
        The costs that do not depend on the ops.

    Reference:
        docs/model.md, eq. (3).
    """
    of_name = {component.name: component for component in machine.components()}
    gatings: tuple[Gating, ...] = ("idle_gated", "ungated")
    busy_j, whole_j = (
        math.fsum(
            leakage_energy_j(part.leakage_w(), c.units, c.busy_ps, latency_ps, gating_of(part, gating))
            for c, part in ((each, of_name[each.name]) for each in components)
        )
        for gating in gatings
    )
    charged_j = math.fsum(component.leakage_j for component in components)
    return StaticCosts(charged_j, busy_j, whole_j, loading.load_ps, loading.counts)


def run_accounting(
    config: Config,
    machine: Machine,
    trace: Trace,
    complete: Trace | None,
    ops: Collection[OpRecord],
    static: StaticCosts,
    spilled_bytes: int = 0,
    macros: MacroResidency | None = None,
) -> Accounting:
    """Return what the figures of a run contain and what they leave out.

    Args:
        config: Machine, mapping and workload of the run.
        machine: The machine built from it.
        trace: The trace of the run; with micro-batches, of one of them.
        complete: Trace of the same pass with everything that it takes; None if it is not known, as for a trace file.
        ops: Records of the run.
        static: Leakage and loading of the weights.
        spilled_bytes: Activations that exceed the global buffer, summed over the layers.
        macros: Tiles of the KV cache in compute-in-memory macros; None without such macros.

    Returns:
        The accounting. A counted item has the durations of its activities, without waiting.
    """
    pricing = _Pricing(config, machine, machine.action_energies_j(), macros)
    counted = _counted(pricing, trace, ops)
    counted.append(CostItem(LEAKAGE, 0, static.charged_j))
    left_out = [] if complete is None else _left_out_of_trace(pricing, trace, complete)
    left_out.append(lines_item(config.machine, ops))
    if not static.charged_j:
        left_out.append(CostItem(LEAKAGE, 0, static.busy_j))
    if config.leakage_gating != "ungated":
        left_out.append(CostItem(IDLE_LEAKAGE, 0, max(0.0, static.whole_j - static.busy_j)))
    left_out.append(spill_item(machine, spilled_bytes))
    left_out.append(CostItem(LOADING, static.load_ps, pricing.energy_j(static.load_counts), once=True))
    return Accounting(_of_some_size(counted), _of_some_size(left_out))


def spill_item(machine: Machine, spilled_bytes: int) -> CostItem:
    """Price the way of activations that exceed the global buffer: to memory and back, once.

    Args:
        machine: The machine.
        spilled_bytes: Their size in bytes, summed over the layers.

    Returns:
        The item; of no time and no energy if there are none.

    Reference:
        docs/model.md, eq. (29), (30) and (49).
    """
    latency_ps, energy_j = 0, 0.0
    energies_j = machine.action_energies_j() if spilled_bytes else {}
    for write in (True, False) if spilled_bytes else ():
        interface: Literal["results", "activations"] = "results" if write else "activations"
        share = MemoryShare(spilled_bytes, write=write, interface=interface)
        latency_ps += machine.memory.latency_ps(share)
        counts = action_counts(machine.memory.work(share))
        energy_j += math.fsum(count * energies_j[action] for action, count in counts.items())
    return CostItem(SPILLED, latency_ps, energy_j)


def _of_some_size(items: Iterable[CostItem]) -> tuple[CostItem, ...]:
    return tuple(item for item in items if item.latency_ps or item.energy_j)


def _item_name(block: str, kind: str) -> str:
    """Return the item to which an op belongs; the kind itself if it is not known."""
    if block == "lm_head" and kind not in ("quantise", "dequantise"):
        return LM_HEAD
    return EMBEDDING if block == "embedding" else item_of_kind(kind)


@dataclass(slots=True)
class _Pricing:
    """Closed-form prices of ops on one machine; energies by "component.action" in joules."""

    config: Config
    machine: Machine
    energies_j: Mapping[str, float]
    macros: MacroResidency | None = None

    def energy_j(self, counts: Mapping[str, int]) -> float:
        return math.fsum(count * self.energies_j[action] for action, count in counts.items())

    def prices(
        self,
        block: Block,
        masked_folds: Literal["computed", "skipped"],
        only: Collection[str],
        sums: Mapping[str, int] | None = None,
        narrow: dict[str, Price] | None = None,
    ) -> dict[str, Price]:
        """Return the price of some ops of a block, once.

        Args:
            block: The block.
            masked_folds: Value of `mapping.masked_folds`.
            only: Names of the ops; those on crossbars are not priced.
            sums: Widths of sums of matmuls, as `sum_widths` returns; None means those of the block.
            narrow: Gets the prices that the matmuls of `sums` have without wide sums; None means that nobody asks.

        Returns:
            Prices by name of the op.
        """
        config = self.config
        if masked_folds != config.mapping.masked_folds:  # a copy takes as long as the price of an op
            mapping = config.mapping.model_copy(update={"masked_folds": masked_folds})
            config = config.model_copy(update={"mapping": mapping})
        sums = sum_widths(config, block.ops) if sums is None else sums
        plan, units = LayerPlan(1, {}), capacities(config.mapping, self.machine)
        layer = LayerMapping(config, self.machine, plan, units, sums=sums, macros=self.macros)
        narrow_layer = replace(layer, sums={})  # with the masks and slices of the other one
        found = {}
        for op in block.ops:
            if not on_crossbars(config, op):
                shares = assignments(layer, op)  # all of them, in order: an op needs the masks of those before it
                if op.name in only:
                    found[op.name] = self._price(tuple(shares))
                if narrow is not None and op.name in sums:
                    narrow[op.name] = self._price(tuple(assignments(narrow_layer, op)))
        return found

    def _price(self, shares: tuple[Assignment, ...]) -> Price:
        prices = [self._share_price(each) for each in shares]
        return sum(latency_ps for latency_ps, _ in prices), sum(energy_j for _, energy_j in prices)

    def _share_price(self, assignment: Assignment) -> Price:
        """Return the price of an assignment; a port that takes longer than the unit costs time and no energy."""
        key = assignment.component.name, assignment.share
        known = self.machine.known_prices
        price = known.get(key)
        if price is None:
            if len(known) >= MAX_KNOWN_PRICES:
                known.clear()
            component, share = assignment.component, assignment.share
            price = known[key] = component.latency_ps(share), self._work_energy_j(component.work(share))
        return price if assignment.stream is None else (max(price[0], assignment.stream.port_ps), price[1])

    def _work_energy_j(self, work: Work) -> float:
        """Return the energy of a step tree, joules; `action_counts` of the tree would take three times as long."""
        match work:
            case Step():
                return work.repeat * sum(count * self.energies_j[action] for action, count in work.counts)
            case Sequence(children) | Parallel(children):
                return sum(map(self._work_energy_j, children))
            case Loop(body, times) | Identical(body, times) | Copies(body, times):
                return times * self._work_energy_j(body)
            case Streamed(body):
                return self._work_energy_j(body)


def _counted(pricing: _Pricing, trace: Trace, ops: Iterable[OpRecord]) -> list[CostItem]:
    """Return the dynamic work of a run by item; masked folds are an item of their own.

    Args:
        pricing: Prices on the machine.
        trace: The trace of the run.
        ops: Records of the run.

    Returns:
        The items, the longest first.
    """
    sums: dict[str, Price] = {}
    energies_j: dict[int, float] = {}  # ops of equal layers have the same counts, which outlive this function
    for op in ops:
        name = _item_name(op.block, op.kind)
        latency_ps, energy_j = sums.get(name, (0, 0.0))
        latency_ps += op.repeat * (sum(op.parts_ps.values()) - op.parts_ps.get(WAITING, 0))
        if id(op.counts) not in energies_j:
            energies_j[id(op.counts)] = pricing.energy_j(op.counts)
        sums[name] = latency_ps, energy_j + op.repeat * energies_j[id(op.counts)]
    masked = _masked(pricing, trace)
    if masked:
        for name, (latency_ps, energy_j) in masked.items():
            sums[name] = sums[name][0] - latency_ps, sums[name][1] - energy_j
        sums[MASKED_FOLDS] = sum(each for each, _ in masked.values()), math.fsum(each for _, each in masked.values())
    return sorted((CostItem(name, *price) for name, price in sums.items()), key=lambda item: -item.latency_ps)


def _masked(pricing: _Pricing, trace: Trace) -> dict[str, Price]:
    """Price the folds of attention, and the scores of its vector passes, that a run computes and the mask discards.

    Args:
        pricing: Prices on the machine.
        trace: The trace.

    Returns:
        Prices over all repetitions and micro-batches by item; empty if the run computes no such folds, or if the
        rectangle of a window has fewer folds than the band of the scores.
    """
    if pricing.config.mapping.masked_folds == "skipped":
        return {}
    sums: dict[str, Price] = {}
    for block in trace.blocks:
        if not any(isinstance(op, AttentionMatmul) and op.queries > 1 for op in block.ops):
            continue
        names = [op.name for op in block.ops]
        every, needed = pricing.prices(block, "computed", names), pricing.prices(block, "skipped", names)
        repeat = block.repeat * pricing.config.mapping.microbatches
        for op in block.ops:
            if op.name in every and every[op.name] != needed[op.name]:
                name = _item_name(block.name, op.kind)
                latency_ps, energy_j = sums.get(name, (0, 0.0))
                (all_ps, all_j), (needed_ps, needed_j) = every[op.name], needed[op.name]
                sums[name] = latency_ps + repeat * (all_ps - needed_ps), energy_j + repeat * (all_j - needed_j)
    return sums if all(latency_ps >= 0 and energy_j >= 0 for latency_ps, energy_j in sums.values()) else {}


def _left_out_of_trace(pricing: _Pricing, trace: Trace, complete: Trace) -> list[CostItem]:
    """Price the ops, and the bytes of the KV cache, that the complete trace has and the trace of the run does not.

    Args:
        pricing: Prices on the machine.
        trace: The trace of the run.
        complete: Trace of the same pass with everything that it takes.

    Returns:
        LM head, embedding, quantisation passes and steps of the KV cache, as far as they are left out.
    """
    if complete is trace:
        return []
    sums = dict.fromkeys(LEFT_OUT_ORDER, (0, 0.0))
    ours = {block.name: block for block in trace.blocks}
    rescaled = any(isinstance(op, Dequantise) for _, op in trace.ops())
    for block in complete.blocks:
        for name, (latency_ps, energy_j) in _missing(pricing, ours.get(block.name), block, rescaled=rescaled):
            repeat = block.repeat * pricing.config.mapping.microbatches
            before_ps, before_j = sums.get(name, (0, 0.0))
            sums[name] = before_ps + repeat * latency_ps, before_j + repeat * energy_j
    return [CostItem(name, *price) for name, price in sums.items()]


def _missing(pricing: _Pricing, ours: Block | None, block: Block, *, rescaled: bool) -> Iterator[tuple[str, Price]]:
    """Price what a block of the complete trace has and the same block of the run does not.

    Args:
        pricing: Prices on the machine.
        ours: The block of the run; None if it has none of this name.
        block: The block of the complete trace.
        rescaled: Whether the run has dequantise ops. If not, the passes are charged with the width of the sums, too.

    Yields:
        Name of the item, and price of an op, or of what it moves in addition, once.
    """
    present = {} if ours is None else {op.name: op for op in ours.ops}
    whole = {op.name: op for op in block.ops}
    with_steps = [op.name for op in block.ops if op.name in present and _has_more_steps(op, present[op.name])]
    if not with_steps and present.keys() == {op.name for op in block.ops}:
        return  # without a dequantise op more, no sum is wider either
    masked_folds, sums = pricing.config.mapping.masked_folds, sum_widths(pricing.config, block.ops)
    missing = [op.name for op in block.ops if op.name not in present]
    without_sums: dict[str, Price] | None = None if rescaled else {}
    wide = pricing.prices(block, masked_folds, {*missing, *with_steps, *sums}, sums, without_sums)
    narrow = wide if without_sums is None else wide | without_sums
    for op in block.ops:
        if op.name not in present and op.name in narrow:
            yield _item_name(block.name, op.kind), narrow[op.name]
    if ours is not None and with_steps:
        without = pricing.prices(ours, masked_folds, with_steps, sums if rescaled else {})
        for name in with_steps:
            converted = getattr(present[name], "convert_passes", 0) < getattr(whole[name], "convert_passes", 0)
            yield QUANTISATION if converted else KV_STEPS, _difference(narrow[name], without[name])
    for name in (each for each in sums if each in wide):  # in a fixed order, which a set has not
        yield QUANTISATION, _difference(wide[name], narrow[name])


def _difference(more: Price, less: Price) -> Price:
    return more[0] - less[0], more[1] - less[1]


def _has_more_steps(op: Op, ours: Op) -> bool:
    """Return whether an op moves scales, or converts entries, and the same op of the run does not."""
    match op, ours:
        case (AttentionMatmul(), AttentionMatmul()):
            more = op.convert_passes > ours.convert_passes
            return more or op.step_bits > ours.step_bits or (op.read_bits or 0) > (ours.read_bits or 0)
        case (KVAppend(), KVAppend()):
            return op.step_bits > ours.step_bits or (op.write_bits or 0) > (ours.write_bits or 0)
        case (CachedLatents(), CachedLatents()):
            return op.step_bits > ours.step_bits
    return False
