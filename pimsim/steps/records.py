"""Records that the engine and the hardware report about a run, in integer picoseconds and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from pimsim.base.stored_columns import Column, Table


class SpanRecord(NamedTuple):
    """Consecutive steps of one kind on the timeline of an activity.

    Attributes:
        part: Part of the latency breakdown (`pimsim.steps.step_tree.PARTS`).
        label: Label of the step.
        start_ps: Start, picoseconds from the start of the activity.
        end_ps: End of the last repetition, picoseconds from the start of the activity.
        repeat: Number of consecutive repetitions of the step.
        copies: Number of hardware units that perform it in lockstep.
        rounds: Number of identical rounds, of which this is the first.
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
    """Steps, times and action counts of an activity, independent of its start time; equal activities share one.

    Attributes:
        duration_ps: Duration, picoseconds.
        busy_ps: Busy time summed over all hardware units, picoseconds.
        parts_ps: Duration by part of the latency breakdown, picoseconds; the values add up to `duration_ps`.
        counts: Action counts, by "component.action".
        spans: Timeline.
        contended_for: Name of the shared link, buffer, bank or bus for which the activity waited longest, or "".
    """

    duration_ps: int
    busy_ps: int
    parts_ps: Annotated[Mapping[str, int], Table("profile_parts", key="part", value="duration_ps")]
    counts: Annotated[Mapping[str, int], Table("profile_counts", key="action", value="count")]
    spans: tuple[SpanRecord, ...]
    contended_for: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """Statistics of one element of a shared medium over the run: a link, a buffer, a bank or a bus.

    Attributes:
        name: Kind and position, for example "link (3,4) east".
        busy_ps: Time during which it was busy, picoseconds.
        waited_ps: Time that jobs waited for it, summed over the jobs, picoseconds.
        in_bytes: Bytes that entered it.
        out_bytes: Bytes that left it; equal to `in_bytes` when all jobs have ended.
        peak: Largest number of packets or requests that it held, or that waited, at the same time.
    """

    name: str
    busy_ps: int
    waited_ps: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
    peak: int = 0


@dataclass(frozen=True, slots=True)
class MediumRecord:
    """Statistics of one shared medium over the run: the mesh of a bank, or the memory of a chip.

    Attributes:
        name: Name of the instance, for example "chip 0/memory".
        component: Name of its component.
        jobs: Number of jobs.
        busy_ps: Time during which at least one job was inside, picoseconds.
        waited_ps: Waiting time summed over all elements, picoseconds.
        moved_bytes: Bytes that left all elements.
        uses: Statistics of the elements for which jobs waited longest.
    """

    name: str
    component: str
    jobs: int
    busy_ps: int
    waited_ps: int
    moved_bytes: int
    uses: tuple[Use, ...]


class ActivityRecord(NamedTuple):
    """The work of one component for an op, or for a slice of an op.

    Attributes:
        op: Index into `RunResult.ops`.
        name: Name of the activity.
        component: Name of the component.
        resource: Name of the resource that it holds, or "".
        ready_ps: Time at which all its inputs were available, picoseconds.
        start_ps: Start; until then it waited for resources, picoseconds.
        end_ps: End, picoseconds.
        waited_for: Name of the resource for which it waited longest before its start, or "".
        cause: Index of the activity whose end let it start: its last input, or the activity that released its resource;
            -1 for none.
        profile: Index into `RunResult.profiles`.
    """

    op: int
    name: str
    component: str
    resource: str
    ready_ps: int
    start_ps: int
    end_ps: int
    waited_for: str
    cause: Annotated[int, Column("started_by", offset=1)]
    profile: int


@dataclass(frozen=True, slots=True)
class OpRecord:
    """One op of a block. There is one record for all repetitions of the block; its values are per repetition.

    Attributes:
        block: Name of the block.
        repeat: Repetitions of the block.
        name: Name of the op.
        kind: Kind of the op.
        inputs: Names of the ops that it depends on.
        start_ps: Start, picoseconds.
        latency_ps: Latency, picoseconds.
        macs: Multiply-accumulates of the trace; what the machine computes besides is in `computed_macs`.
        parts_ps: Time of its activities by part of the latency breakdown, picoseconds; under the serial schedule the
            values add up to `latency_ps`.
        counts: Action counts of all hardware copies, by "component.action".
    """

    block: str
    repeat: int
    name: str
    kind: str
    inputs: Annotated[tuple[str, ...], Table(value="input")]
    start_ps: int
    latency_ps: int
    macs: int
    parts_ps: Annotated[Mapping[str, int], Table("parts", key="part", value="duration_ps")]
    counts: Annotated[Mapping[str, int], Table(key="action", value="count")]

    @property
    def computed_macs(self) -> int:
        """Multiply-accumulates that the machine computes.

        Masked products in the folds of a systolic array are among them, and those that a prediction leaves out are not.
        """
        folded = left_out = 0
        for action, count in self.counts.items():
            folded += count if action.endswith("systolic.mac") else 0
            left_out += count if action.endswith("prediction.skipped_mac") else 0
        return max(self.macs, folded) - left_out


@dataclass(frozen=True, slots=True)
class ComponentRecord:
    """Statistics of one component over the whole run.

    Attributes:
        name: Name of the component.
        units: Number of hardware units, for example tiles.
        busy_ps: Busy time summed over all units, picoseconds.
        leakage_j: Leakage energy, joules.
        area_m2: Area by item, square metres.
    """

    name: str
    units: int
    busy_ps: int
    leakage_j: float
    area_m2: Annotated[Mapping[str, float], Table("areas", key="item", value="area_m2")]

    def utilisation(self, latency_ps: int) -> float:
        """Return the utilisation, averaged over all units.

        Args:
            latency_ps: Latency of the run, picoseconds.

        Returns:
            Busy fraction of the run, 0 to 1.
        """
        return self.busy_ps / (self.units * latency_ps) if self.units and latency_ps else 0.0


@dataclass(frozen=True, slots=True)
class TileUse:
    """Crossbar tiles and differential pairs: those that hold weights, and those that the machine has."""

    tiles_used: int
    tiles_available: int
    pairs_used: int
    pairs_available: int


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """What off-chip memory holds during a run, on all chips together.

    Attributes:
        kv_cache_bytes: KV caches of all sequences.
        memory_weight_bytes: Weights and embedding tables that the run reads from memory, swapped layers included.
        activation_bytes: Activations that exceed the global buffer.
    """

    kv_cache_bytes: int
    memory_weight_bytes: int
    activation_bytes: int


@dataclass(frozen=True, slots=True)
class KvTierUse:
    """What a tier of the KV cache holds after a run, on all chips together.

    Attributes:
        name: Name of the tier in the config.
        held_bytes: Keys and values in the tier.
    """

    name: str
    held_bytes: int
