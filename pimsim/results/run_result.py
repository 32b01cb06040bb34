"""The result of a run: a frozen record of integer times and counts, with all figures that reports print."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from pimsim.base.plugins import StoredPlugins, plugin_records
from pimsim.base.stored_columns import Column, Notes, Table
from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.base.units import PS_PER_S, ps_to_s
from pimsim.config.schema import Config
from pimsim.results.accounting import Accounting, StoredAccounting
from pimsim.results.array_warnings import array_warnings
from pimsim.results.critical_path import critical_path
from pimsim.results.feasibility import Feasibility, Provision
from pimsim.results.kv_tier_figures import tier_figures
from pimsim.results.memory_traffic import MemoryTraffic, memory_traffic
from pimsim.results.power import Power
from pimsim.results.run_feasibility import run_feasibility
from pimsim.steps.records import (
    ActivityRecord,
    ComponentRecord,
    KvTierUse,
    MediumRecord,
    MemoryUse,
    OpRecord,
    Profile,
    TileUse,
)
from pimsim.steps.step_tree import PARTS

if TYPE_CHECKING:
    import pandas as pd

RESULT_VERSION = 2


@dataclass(frozen=True, repr=False)
class RunResult(HeadlineRepr):
    """Result of one simulated run.

    Attributes:
        config: The full config.
        version: Version of pimsim that made the result.
        model: Name of the model or trace.
        phase: "decode", "prefill", or "load" for the loading of the weights.
        context_length: Number of KV-cache entries that a token attends to.
        tokens: Number of tokens that the run processes, over all sequences.
        latency_ps: Latency of the whole run, in picoseconds.
        ops: Operations in program order; an op of a repeated block is one record with a repetition count.
        activities: Uses of hardware by ops, with their times.
        profiles: Durations by kind of work, action counts and spans, which equal activities share.
        components: Components with their units, busy times, leakage energies and areas.
        action_energies_j: Energy of one action in joules, by "component.action".
        tiles: Numbers of used and available tiles and crossbar pairs.
        weight_bytes: Size in memory of the weights of all projections, on crossbars or streamed, in bytes.
        weight_load_ps: Time of loading all weights once, in picoseconds; not part of `latency_ps`.
        provision: Placement of the weights and the cost of loading them.
        media: Use of shared links, buffers and memory banks; empty unless the schedule is "contended".
        notes: Features of the model that the figures do not describe, one sentence each.
        memory_use: What memory holds during the run; None if a version of pimsim that did not count it made the result.
        accounting: What the figures contain and what they leave out; without items in a result of an earlier version.
        plugins: Plugins and packages whose code was loaded when the result was made.
        kv_tiers: What each tier of the KV cache holds; empty without `machine.kv_tiers`.
    """

    config: Config
    version: Annotated[str, Column("pimsim_version")]
    model: str
    phase: str
    context_length: int
    tokens: int
    latency_ps: int
    ops: Annotated[tuple[OpRecord, ...], Table(row="op")]
    activities: tuple[ActivityRecord, ...]
    profiles: Annotated[tuple[Profile, ...], Table(row="profile")]
    components: Annotated[tuple[ComponentRecord, ...], Table(row="component", by="name")]
    action_energies_j: Annotated[Mapping[str, float], Table("action_energies", key="action", value="energy_j")]
    tiles: TileUse
    weight_bytes: int
    weight_load_ps: int
    provision: Provision = field(default_factory=Provision)
    media: Annotated[tuple[MediumRecord, ...], Table(row="medium")] = ()
    notes: Notes = ()
    memory_use: MemoryUse | None = None
    accounting: StoredAccounting = field(default_factory=Accounting)
    plugins: StoredPlugins = field(default_factory=plugin_records)
    kv_tiers: Annotated[tuple[KvTierUse, ...], Table(optional=True)] = ()

    @cached_property
    def macs(self) -> int:
        """Number of multiply-accumulates of the trace, without masked scores if `mapping.masked_folds` skips them."""
        return sum(op.repeat * op.macs for op in self.ops)

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Number of actions of the whole run by "component.action"."""
        total: Counter[str] = Counter()
        for op in self.ops:
            for action, count in op.counts.items():
                total[action] += op.repeat * count
        return dict(total)

    @cached_property
    def memory_traffic(self) -> MemoryTraffic:
        """Bytes read from memory and written to it by the whole run."""
        return memory_traffic(self.ops)

    @property
    def kv_cache_bytes(self) -> int | None:
        """Size of the KV caches of all sequences; None if it was not counted."""
        return None if self.memory_use is None else self.memory_use.kv_cache_bytes

    @cached_property
    def critical_path(self) -> tuple[ActivityRecord, ...]:
        """The chain of activities from start to end of the run, each of which started when the previous one ended."""
        return critical_path(self.activities, serial=self.config.schedule == "serial")

    @cached_property
    def parts_ps(self) -> Mapping[str, int]:
        """Latency by kind of work (`pimsim.steps.step_tree.PARTS`) on the critical path; adds up to `latency_ps`.

        A sample of ranges has no activities; its ops run one after another, so that the parts are those of its ops.
        """
        total = dict.fromkeys(PARTS, 0)
        for op in () if self.activities else self.ops:
            for part, duration_ps in op.parts_ps.items():
                total[part] += op.repeat * duration_ps
        for activity in self.critical_path:
            repeat = self.ops[activity.op].repeat
            for part, duration_ps in self.profiles[activity.profile].parts_ps.items():
                total[part] += repeat * duration_ps
        return {part: duration_ps for part, duration_ps in total.items() if duration_ps}

    @cached_property
    def energies_j(self) -> Mapping[str, float]:
        """Energy in joules by "component.action", and leakage by "component.leakage"; adds up to `energy_j`."""
        leakage = {f"{c.name}.leakage": c.leakage_j for c in self.components if c.leakage_j}
        return {action: each for action, each in self.dynamic_energy_j(self.counts).items() if each} | leakage

    def dynamic_energy_j(self, counts: Mapping[str, int]) -> dict[str, float]:
        """Convert action counts to energies; this is the only function that does.

        Args:
            counts: Number of actions by "component.action".

        Returns:
            Energy in joules by "component.action", without leakage.
        """
        return {action: count * self.action_energies_j[action] for action, count in counts.items()}

    @property
    def latency_s(self) -> float:
        """Latency of the whole run in seconds."""
        return ps_to_s(self.latency_ps)

    @cached_property
    def energy_j(self) -> float:
        """Energy of the whole run in joules, leakage included."""
        return math.fsum(self.energies_j.values())

    @cached_property
    def leakage_j(self) -> float:
        """Leakage energy that is charged, in joules; part of `energy_j`."""
        return math.fsum(component.leakage_j for component in self.components)

    @property
    def power(self) -> Power:
        """Average power over the run, in watts, dynamic and static."""
        return Power.of(self.energy_j, self.leakage_j, self.latency_ps)

    def component_energy_j(self, name: str) -> float:
        """Return the energy of a component, leakage included.

        Args:
            name: Name of the component.

        Returns:
            Energy in joules; 0 for an unknown name.
        """
        return math.fsum(each for action, each in self.energies_j.items() if action.startswith(f"{name}."))

    @property
    def area_m2(self) -> float:
        """Silicon area of all chips in square metres."""
        return sum(sum(component.area_m2.values()) for component in self.components)

    @property
    def tokens_per_s(self) -> float:
        """Tokens per second; infinite if the latency is 0."""
        return self.tokens * PS_PER_S / self.latency_ps if self.latency_ps else float("inf")

    @property
    def tokens_per_j(self) -> float:
        """Tokens per joule; infinite if the energy is 0."""
        return self.tokens / self.energy_j if self.energy_j else float("inf")

    @property
    def gops(self) -> float:
        """Billions of operations per second; the config key `operations_per_mac` says how many a MAC counts as."""
        return self.config.operations_per_mac * self.macs / self.latency_s / 1e9 if self.latency_ps else float("inf")

    @property
    def gops_per_w(self) -> float:
        """Billions of operations per joule, which equals GOPS per watt."""
        return self.config.operations_per_mac * self.macs / self.energy_j / 1e9 if self.energy_j else float("inf")

    @property
    def tops_per_w(self) -> float:
        """Trillions of operations per second and watt that the run reaches, as `gops_per_w`."""
        return self.gops_per_w / 1000

    @property
    def tops_per_mm2(self) -> float:
        """Trillions of operations per second that the run reaches, per mm^2 of all chips; infinite without area."""
        return self.gops / 1000 / (self.area_m2 * 1e6) if self.area_m2 else float("inf")

    @cached_property
    def feasibility(self) -> Feasibility:
        """Chip area in reticles, cost of loading the weights, and lifetime of the cells."""
        return run_feasibility(self)

    def component(self, name: str) -> ComponentRecord:
        """Return the component called `name`.

        Args:
            name: Name of a component, such as "systolic".

        Returns:
            Its record.

        Raises:
            KeyError: If the machine does not have this component.
        """
        for component in self.components:
            if component.name == name:
                return component
        raise KeyError(name)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the config, one sentence each: arrays that compute noise."""
        return array_warnings(self.config)

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Name, model, phase, context length and speed; in a notebook also latency, energy, GOPS and area.
        """
        yield Figure("name", self.config.name)
        yield Figure("model", self.model)
        yield Figure("phase", self.phase)
        yield Figure("context length", self.context_length, "tokens")
        yield Figure("tokens", self.tokens, brief=False)
        yield Figure("schedule", self.config.schedule, brief=False)
        yield Figure("latency", self.latency_s, "s", brief=False)
        yield Figure("energy", self.energy_j, "J", brief=False)
        if self.tokens:
            yield Figure("throughput", self.tokens_per_s, "tokens/s")
            yield Figure("energy efficiency", self.tokens_per_j, "tokens/J")
            yield Figure("operation rate", self.gops, "GOPS", brief=False)
            yield Figure("operations per energy", self.gops_per_w, "GOPS/W", brief=False)
            yield Figure("operation rate per area", self.tops_per_mm2 * 1e6, "MOPS/mm^2", brief=False)
        yield Figure("dynamic power", self.power.dynamic_w, "W", brief=False)
        yield Figure("static power", self.power.static_w, "W", brief=False)
        yield Figure("area", self.area_m2 * 1e6, "mm^2", brief=False)

    def summary(self) -> dict[str, Any]:
        """Return the headline figures as plain values for JSON.

        Returns:
            Figures by key; the suffixes of the keys are units. The rates of a run without tokens are None, not 0.
        """
        rates: dict[str, float | None] = {
            "tokens_per_s": self.tokens_per_s,
            "tokens_per_j": self.tokens_per_j,
            "operations_per_mac": self.config.operations_per_mac,
            "gops": self.gops,
            "gops_per_w": self.gops_per_w,
            "tops_per_w": self.tops_per_w,
            "tops_per_mm2": self.tops_per_mm2,
        }
        if not self.tokens:
            rates |= dict.fromkeys(rates.keys() - {"operations_per_mac"})
        return {
            "name": self.config.name,
            "model": self.model,
            "phase": self.phase,
            "context_length": self.context_length,
            "tokens": self.tokens,
            "latency_s": self.latency_s,
            "energy_j": self.energy_j,
            **rates,
            **self.power.summary(),
            "macs": self.macs,
            "computed_macs": sum(op.repeat * op.computed_macs for op in self.ops),
            "area_mm2": self.area_m2 * 1e6,
            "tiles_used": self.tiles.tiles_used,
            "tiles_available": self.tiles.tiles_available,
            "crossbar_pairs_used": self.tiles.pairs_used,
            "crossbar_pairs_available": self.tiles.pairs_available,
            "weight_bytes": self.weight_bytes,
            "weight_load_s": ps_to_s(self.weight_load_ps),
            "kv_cache_bytes": self.kv_cache_bytes,
            **self.memory_traffic.summary(),
            **self.feasibility.summary(),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return all figures except those of single activities, as plain values for JSON.

        Returns:
            Notes, warnings, what is counted and left out, summary, feasibility, latency by part, energy by action,
            components, ops and the config.
        """
        return {
            "result_version": RESULT_VERSION,
            "pimsim_version": self.version,
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "plugins": [each._asdict() for each in self.plugins],
            **self.accounting.to_dict(),
            "summary": self.summary(),
            "adc_series": self.config.machine.adc_series,
            "feasibility": self.feasibility.to_dict(),
            "memory": {
                "capacity_bytes": self.config.machine.memory.capacity_bytes,
                **(asdict(self.memory_use) if self.memory_use else {}),
                **self.memory_traffic.summary(),
            },
            "kv_tiers": [asdict(each) for each in tier_figures(self)],
            "latency_s_by_part": {part: ps_to_s(ps) for part, ps in self.parts_ps.items()},
            "energy_j_by_action": dict(self.energies_j),
            "components": [
                {
                    "name": c.name,
                    "units": c.units,
                    "busy_s": ps_to_s(c.busy_ps),
                    "utilisation": c.utilisation(self.latency_ps),
                    "energy_j": self.component_energy_j(c.name),
                    "leakage_j": c.leakage_j,
                    "area_mm2": {item: area_m2 * 1e6 for item, area_m2 in c.area_m2.items()},
                }
                for c in self.components
            ],
            "ops": list(self.op_rows()),
            "config": self.config.model_dump(mode="json"),
        }

    def op_rows(self) -> Iterable[dict[str, Any]]:
        """Iterate over the ops as flat rows, for JSON, CSV and data frames.

        The figures of an op in a repeated block are those of one repetition; multiply by `repeat` for the run.

        Returns:
            The columns that `pimsim.results.breakdown.op_rows` describes.
        """
        from pimsim.results.breakdown import op_rows

        return op_rows(self)

    def by_op(self) -> list[dict[str, Any]]:
        """Return time, energy, MACs and memory traffic of the whole run by op.

        Returns:
            Rows as `pimsim.results.breakdown.by_op` describes them; they add up to the totals of the run.
        """
        from pimsim.results.breakdown import by_op

        return by_op(self)

    def by_layer(self) -> list[dict[str, Any]]:
        """Return time, energy, MACs and memory traffic of the whole run by layer.

        Returns:
            Rows as `pimsim.results.breakdown.by_layer` describes them; they add up to the totals of the run.
        """
        from pimsim.results.breakdown import by_layer

        return by_layer(self)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per op with its latency by kind of work, energy and MACs.

        What the rows leave out: The figures are those of one repetition of a block, so multiply them by the column
        `repeat` before you sum them. Energy is dynamic; leakage belongs to components and is not in any row. Under the
        schedules "dataflow" and "contended" ops overlap, so that latencies can add up to more than that of the run.

        Returns:
            Data frame with the columns of `op_rows`; the suffixes of the columns are units.
        """
        from pimsim.base.pandas_library import pd

        return pd.DataFrame(list(self.op_rows()))
