"""The result of a run: frozen, in integers as far as the machine goes, with every figure that reports print."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.base.units import PS_PER_S, ps_to_s
from pimsim.results.feasibility import AreaItem, Feasibility, Provision
from pimsim.steps.records import ActivityRecord, ComponentRecord, MediumRecord, OpRecord, Profile, TileUse
from pimsim.steps.step_tree import PARTS

if TYPE_CHECKING:
    import pandas as pd

    from pimsim.config.schema import Config

RESULT_VERSION = 2


@dataclass(frozen=True, repr=False)
class RunResult(HeadlineRepr):
    """What a run took. Times in integer picoseconds, energies in joules, areas in square metres."""

    config: Config
    version: str
    model: str
    phase: str
    context_length: int
    tokens: int
    latency_ps: int
    ops: tuple[OpRecord, ...]
    activities: tuple[ActivityRecord, ...]
    profiles: tuple[Profile, ...]
    components: tuple[ComponentRecord, ...]
    action_energies_j: Mapping[str, float]
    tiles: TileUse
    weight_bytes: int
    weight_load_ps: int
    provision: Provision = field(default_factory=Provision)
    media: tuple[MediumRecord, ...] = ()

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of the whole run."""
        return sum(op.repeat * op.macs for op in self.ops)

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Action counts of the whole run by "component.action"."""
        total: Counter[str] = Counter()
        for op in self.ops:
            for action, count in op.counts.items():
                total[action] += op.repeat * count
        return dict(total)

    @cached_property
    def critical_path(self) -> tuple[ActivityRecord, ...]:
        """The chain of activities, first to last, each started by the end of the one before; it fills the whole run."""
        if self.config.schedule == "serial" or not self.activities:
            return self.activities
        chain = []
        last = max(range(len(self.activities)), key=lambda index: self.activities[index].end_ps)
        while last >= 0:
            chain.append(self.activities[last])
            last = self.activities[last].cause
        return tuple(reversed(chain))

    @cached_property
    def parts_ps(self) -> Mapping[str, int]:
        """Latency by part (see `pimsim.steps.step_tree.PARTS`), along the critical path; adds up to `latency_ps`."""
        total = dict.fromkeys(PARTS, 0)
        for activity in self.critical_path:
            repeat = self.ops[activity.op].repeat
            for part, duration_ps in self.profiles[activity.profile].parts_ps.items():
                total[part] += repeat * duration_ps
        return {part: duration_ps for part, duration_ps in total.items() if duration_ps}

    @cached_property
    def energies_j(self) -> Mapping[str, float]:
        """Energy by "component.action", and leakage by "component.leakage"; adds up to `energy_j`."""
        leakage = {f"{c.name}.leakage": c.leakage_j for c in self.components if c.leakage_j}
        return {action: each for action, each in self.dynamic_energy_j(self.counts).items() if each} | leakage

    def dynamic_energy_j(self, counts: Mapping[str, int]) -> dict[str, float]:
        """Energy of so many actions, by "component.action": the only place where counts become joules."""
        return {action: count * self.action_energies_j[action] for action, count in counts.items()}

    @property
    def latency_s(self) -> float:
        """Seconds of the whole run."""
        return ps_to_s(self.latency_ps)

    @cached_property
    def energy_j(self) -> float:
        """Joules of the whole run."""
        return math.fsum(self.energies_j.values())

    def component_energy_j(self, name: str) -> float:
        """Joules of one component, leakage included."""
        return math.fsum(each for action, each in self.energies_j.items() if action.startswith(f"{name}."))

    @property
    def area_m2(self) -> float:
        """Square metres of silicon."""
        return sum(sum(component.area_m2.values()) for component in self.components)

    @property
    def tokens_per_s(self) -> float:
        """Tokens produced per second; infinite if nothing takes time."""
        return self.tokens * PS_PER_S / self.latency_ps if self.latency_ps else float("inf")

    @property
    def tokens_per_j(self) -> float:
        """Tokens produced per joule; infinite if nothing costs energy."""
        return self.tokens / self.energy_j if self.energy_j else float("inf")

    @property
    def gops(self) -> float:
        """Billions of operations per second, `operations_per_mac` of the config to a MAC."""
        return self.config.operations_per_mac * self.macs / self.latency_s / 1e9 if self.latency_ps else float("inf")

    @property
    def gops_per_w(self) -> float:
        """Billions of operations per joule, which is GOPS per watt."""
        return self.config.operations_per_mac * self.macs / self.energy_j / 1e9 if self.energy_j else float("inf")

    @cached_property
    def feasibility(self) -> Feasibility:
        """Whether the machine can exist: chips and reticles, loading its weights, the life of its cells."""
        machine, provision = self.config.machine, self.provision
        areas = [AreaItem(c.name, item, area_m2) for c in self.components for item, area_m2 in c.area_m2.items()]
        endurance = machine.crossbar.pair.cell.endurance_writes if machine.crossbar else None
        pulses = self._pulses_per_write()
        runs = endurance / (provision.writes_per_run * pulses) if endurance and provision.writes_per_run else None
        loading_j = self.dynamic_energy_j(provision.load_counts)
        return Feasibility(
            chips=provision.chips,
            chips_used=provision.chips_used,
            chip_area_m2=self.area_m2 / provision.chips,
            reticle_area_m2=machine.chips.reticle_area_m2,
            areas=tuple(sorted(areas, key=lambda each: -each.area_m2)),
            layers=provision.layers,
            layers_swapped=provision.layers_swapped,
            weight_load_s=ps_to_s(self.weight_load_ps),
            weight_load_energy_j=math.fsum(loading_j.values()),
            writes_per_token=provision.writes_per_run * pulses / max(self.tokens, 1),
            endurance_writes=endurance,
            lifetime_tokens=None if runs is None else runs * self.tokens,
            lifetime_s=None if runs is None else runs * self.latency_s,
            pulses_per_write=pulses,
            test_s=ps_to_s(provision.test_ps),
            test_energy_j=_sum_of(loading_j, "programming.test_"),
            calibration_s=ps_to_s(provision.calibration_ps),
            calibration_energy_j=_sum_of(loading_j, "tile."),
        )

    def _pulses_per_write(self) -> float:
        crossbar = self.config.machine.crossbar
        if crossbar is None or crossbar.pair.noise.write_verify.tolerance is None:
            return 1.0
        from crossbar.verification import expected_write_pulses  # only here: it needs NumPy, and few machines verify

        return expected_write_pulses(crossbar.pair)

    def component(self, name: str) -> ComponentRecord:
        """The component of that name; KeyError if the machine has none."""
        for component in self.components:
            if component.name == name:
                return component
        raise KeyError(name)

    def headline(self) -> Iterable[Figure]:
        """Return the figures that `repr()` and a notebook show.

        Returns:
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
        yield Figure("throughput", self.tokens_per_s, "tokens/s")
        yield Figure("energy efficiency", self.tokens_per_j, "tokens/J")
        yield Figure("operation rate", self.gops, "GOPS", brief=False)
        yield Figure("operations per energy", self.gops_per_w, "GOPS/W", brief=False)
        yield Figure("area", self.area_m2 * 1e6, "mm^2", brief=False)

    def summary(self) -> dict[str, Any]:
        """The headline figures, as plain values for JSON."""
        return {
            "name": self.config.name,
            "model": self.model,
            "phase": self.phase,
            "context_length": self.context_length,
            "tokens": self.tokens,
            "latency_s": self.latency_s,
            "energy_j": self.energy_j,
            "tokens_per_s": self.tokens_per_s,
            "tokens_per_j": self.tokens_per_j,
            "operations_per_mac": self.config.operations_per_mac,
            "gops": self.gops,
            "gops_per_w": self.gops_per_w,
            "macs": self.macs,
            "area_mm2": self.area_m2 * 1e6,
            "tiles_used": self.tiles.tiles_used,
            "tiles_available": self.tiles.tiles_available,
            "crossbar_pairs_used": self.tiles.pairs_used,
            "crossbar_pairs_available": self.tiles.pairs_available,
            "weight_bytes": self.weight_bytes,
            "weight_load_s": ps_to_s(self.weight_load_ps),
            **self.feasibility.summary(),
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything but the timeline, as plain values for JSON."""
        return {
            "result_version": RESULT_VERSION,
            "pimsim_version": self.version,
            "summary": self.summary(),
            "feasibility": self.feasibility.to_dict(),
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
        """One flat row per op, for JSON, CSV and data frames; the figures of one repetition."""
        for op in self.ops:
            yield {
                "block": op.block,
                "repeat": op.repeat,
                "op": op.name,
                "kind": op.kind,
                "start_s": ps_to_s(op.start_ps),
                "latency_s": ps_to_s(op.latency_ps),
                "energy_j": math.fsum(self.dynamic_energy_j(op.counts).values()),
                "macs": op.macs,
                **{f"{part}_s": ps_to_s(op.parts_ps.get(part, 0)) for part in PARTS},
            }

    def to_dataframe(self) -> pd.DataFrame:
        """One row per op with its time by part, energy and MACs; the figures of one repetition."""
        import pandas as pd

        return pd.DataFrame(list(self.op_rows()))


def _sum_of(energies_j: Mapping[str, float], prefix: str) -> float:
    """Joules of the actions that start so."""
    return math.fsum(each for action, each in energies_j.items() if action.startswith(prefix))
