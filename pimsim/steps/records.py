"""Records of a run: what the engine and the hardware report, in integer picoseconds and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


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
