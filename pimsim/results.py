"""The result of a run: frozen, in integers as far as the machine goes, with every figure that reports print."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from pimsim.activity import PARTS
from pimsim.existence import AreaItem, Existence, Provision
from pimsim.units import PS_PER_S, ps_to_s

if TYPE_CHECKING:
    import pandas as pd

    from pimsim.schema import Config

RESULT_VERSION = 2


class SpanRecord(NamedTuple):
    """A run of one kind of step, `repeat` times on end, on `copies` pieces of hardware in lockstep; `rounds` such runs
    are alike and this is the first of them. Times count from the start of the activity.
    """

    part: str
    label: str
    start_ps: int
    end_ps: int
    repeat: int
    copies: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What an activity does, whenever it does it: its steps with their times, actions and parts.

    `parts_ps` adds up to `duration_ps`; `busy_ps` adds up the time of all pieces of hardware. `contended_for` is the
    link, buffer, bank or bus that it lost most time to, of hardware that it shared with others.
    """

    duration_ps: int
    busy_ps: int
    parts_ps: Mapping[str, int]
    counts: Mapping[str, int]
    spans: tuple[SpanRecord, ...]
    contended_for: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """What became of one piece of a medium over the run: a link, a buffer, a bank, a bus.

    Attributes:
        name: what it is and where ("link (3,4) east").
        busy_ps: time that it was at work.
        waited_ps: time that jobs stood still for it, added up over those that waited at once.
        in_bytes, out_bytes: what went in and came out; equal once all is done.
        peak: most that was held or waited at once (packets, requests).

    """

    name: str
    busy_ps: int
    waited_ps: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
    peak: int = 0


@dataclass(frozen=True, slots=True)
class MediumRecord:
    """Hardware whose users waited for one another inside it: the mesh of a bank, the memory of a chip.

    Attributes:
        name: which one ("chip 0/memory").
        component: the component that it belongs to.
        jobs: shares that it worked on.
        busy_ps: time with a job in it.
        waited_ps, moved_bytes: of all its pieces.
        uses: the pieces that were waited for longest.

    """

    name: str
    component: str
    jobs: int
    busy_ps: int
    waited_ps: int
    moved_bytes: int
    uses: tuple[Use, ...]


class ActivityRecord(NamedTuple):
    """A component's share of an op, or of a slice of it (`op` is an index into `RunResult.ops`).

    Its inputs were there at `ready_ps`; until `start_ps` it waited for a resource, most of it for `waited_for`.
    `cause` is the activity whose end let it start: the last of its inputs, or the one that freed its resource (-1 for
    none). `profile` is an index into `RunResult.profiles`.
    """

    op: int
    name: str
    component: str
    resource: str
    ready_ps: int
    start_ps: int
    end_ps: int
    waited_for: str
    cause: int
    profile: int


@dataclass(frozen=True, slots=True)
class OpRecord:
    """One op, once for all `repeat` repetitions of its block; every figure is for one repetition.

    `parts_ps` is the time of its activities, and adds up to `latency_ps` under the serial schedule. `counts` has every
    action of all copies of the hardware.
    """

    block: str
    repeat: int
    name: str
    kind: str
    inputs: tuple[str, ...]
    start_ps: int
    latency_ps: int
    macs: int
    parts_ps: Mapping[str, int]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ComponentRecord:
    """One component over the whole run: `units` pieces (tiles of a machine, say), `busy_ps` of all of them together."""

    name: str
    units: int
    busy_ps: int
    leakage_j: float
    area_m2: Mapping[str, float]

    def utilisation(self, latency_ps: int) -> float:
        """Busy share of all pieces over the run, 0 to 1."""
        return self.busy_ps / (self.units * latency_ps) if self.units and latency_ps else 0.0


@dataclass(frozen=True, slots=True)
class TileUse:
    """Crossbar tiles and pairs that hold weights, and those that the machine has."""

    tiles_used: int
    tiles_available: int
    pairs_used: int
    pairs_available: int


@dataclass(frozen=True)
class RunResult:
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
        """Latency by part (see `pimsim.activity.PARTS`), along the critical path; adds up to `latency_ps`."""
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
    def existence(self) -> Existence:
        """Whether the machine can exist: chips and reticles, loading its weights, the life of its cells."""
        machine, provision = self.config.machine, self.provision
        areas = [AreaItem(c.name, item, area_m2) for c in self.components for item, area_m2 in c.area_m2.items()]
        endurance = machine.crossbar.pair.cell.endurance_writes if machine.crossbar else None
        pulses = self._pulses_per_write()
        runs = endurance / (provision.writes_per_run * pulses) if endurance and provision.writes_per_run else None
        loading_j = self.dynamic_energy_j(provision.load_counts)
        return Existence(
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
            **self.existence.summary(),
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything but the timeline, as plain values for JSON."""
        return {
            "result_version": RESULT_VERSION,
            "pimsim_version": self.version,
            "summary": self.summary(),
            "existence": self.existence.to_dict(),
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
