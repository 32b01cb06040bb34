"""Figures of a run by tier of the KV cache: what each tier holds, moves and takes, and how long its cells last."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pimsim.base.units import ps_to_s
from pimsim.config.schema import Config, KvTierConfig
from pimsim.results.memory_traffic import moves_cache
from pimsim.results.step_interpolation import interpolated_sum

if TYPE_CHECKING:
    from pimsim.results.run_result import RunResult


@dataclass(frozen=True, slots=True)
class KvTierFigures:
    """Figures of one tier over a run, on all chips together.

    Attributes:
        name: Name of the tier.
        part: Name of the part.
        capacity_bytes: Room for the cache; None for the rest of the off-chip memory.
        held_bytes: Keys and values in the tier after the run.
        read_bytes: Bytes of the cache that are read.
        written_bytes: Bytes of the cache that are written, moves from other tiers included.
        energy_j: Energy of reads and writes of the cache, joules.
        background_j: Static energy of the tier, refresh included, joules; 0 for the off-chip memory, where it is that
            of the whole memory.
        refresh_j: Energy of the refresh, part of `background_j`, joules.
        writes_per_cell: Mean number of writes of a cell; None without a capacity.
        lifetime_s: Time until the cells are worn out, if runs follow one another and all cells are written alike,
            seconds; None if nothing wears out.
    """

    name: str
    part: str
    capacity_bytes: int | None
    held_bytes: int
    read_bytes: int
    written_bytes: int
    energy_j: float
    background_j: float
    refresh_j: float
    writes_per_cell: float | None
    lifetime_s: float | None


def tier_figures(result: RunResult) -> tuple[KvTierFigures, ...]:
    """Compute the figures of each tier.

    Args:
        result: The run.

    Returns:
        One record per tier, the nearest first; empty without tiers.

    Reference:
        docs/kv-tiers.md, eq. (2) to (4).
    """
    counts: Counter[str] = Counter()
    for op in result.ops if result.kv_tiers else ():
        if moves_cache(op):
            counts.update({action: op.repeat * count for action, count in op.counts.items()})
    tiers = {tier.name: tier for tier in result.config.machine.kv_tiers}
    return tuple(_figures(result, tiers[each.name], each.held_bytes, counts) for each in result.kv_tiers)


def _figures(result: RunResult, tier: KvTierConfig, held_bytes: int, counts: Counter[str]) -> KvTierFigures:
    chips = result.config.machine.chips.count
    component = tier.name if tier.is_memory else f"kv_{tier.name}"
    own = {action: count for action, count in counts.items() if action.startswith(f"{component}.")}
    read_bytes, written_bytes = (own.get(f"{component}.{each}_bit", 0) // 8 for each in ("read", "write"))
    background_j = refresh_j = 0.0
    if not tier.is_memory:
        background_j = result.component(component).leakage_j
    if tier.retention_s is not None and tier.capacity_bytes is not None and background_j:
        refresh_w = 8 * tier.capacity_bytes * tier.refresh_energy_j_per_bit / tier.retention_s
        refresh_j = chips * refresh_w * ps_to_s(result.latency_ps)
    wear, lasting = _wear(result.config, tier, written_bytes, result.latency_s)
    return KvTierFigures(
        name=tier.name,
        part=tier.part,
        capacity_bytes=tier.capacity_bytes,
        held_bytes=held_bytes,
        read_bytes=read_bytes,
        written_bytes=written_bytes,
        energy_j=math.fsum(result.dynamic_energy_j(own).values()),
        background_j=background_j,
        refresh_j=refresh_j,
        writes_per_cell=wear,
        lifetime_s=lasting,
    )


def summed_figures(
    config: Config,
    prefill: Sequence[KvTierFigures],
    steps: Sequence[tuple[int, Sequence[KvTierFigures]]],
    latency_s: float,
) -> tuple[KvTierFigures, ...]:
    """Add up the figures of a generation by tier.

    Args:
        config: Config of the generation.
        prefill: Figures of the prefill.
        steps: Context length and figures of the simulated decode steps, between which others are interpolated.
        latency_s: Latency of prefill and all decode steps, seconds.

    Returns:
        One record per tier: what it holds after the last step, and sums of the other figures.
    """
    contexts = [context for context, _ in steps]

    def total(tier: int, name: str) -> float:
        values = [getattr(figures[tier], name) for _, figures in steps]
        return float(getattr(prefill[tier], name) + interpolated_sum(contexts, values))

    found = []
    for tier, first in enumerate(prefill):
        written_bytes = total(tier, "written_bytes")
        wear, lasting = _wear(config, config.machine.kv_tiers[tier], written_bytes, latency_s)
        found.append(
            replace(
                steps[-1][1][tier] if steps else first,
                read_bytes=round(total(tier, "read_bytes")),
                written_bytes=round(written_bytes),
                energy_j=total(tier, "energy_j"),
                background_j=total(tier, "background_j"),
                refresh_j=total(tier, "refresh_j"),
                writes_per_cell=wear,
                lifetime_s=lasting,
            )
        )
    return tuple(found)


def _wear(
    config: Config, tier: KvTierConfig, written_bytes: float, latency_s: float
) -> tuple[float | None, float | None]:
    """Return the mean number of writes of a cell, and the seconds until the cells of the tier are worn out."""
    capacity = tier.capacity_bytes
    wear = written_bytes / (config.machine.chips.count * capacity) if capacity else None
    return wear, tier.endurance_writes / wear * latency_s if tier.endurance_writes and wear else None
