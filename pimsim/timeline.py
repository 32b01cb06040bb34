"""A result as a timeline for Perfetto (ui.perfetto.dev) or chrome://tracing, in the trace-event JSON format.

One track per component; a component with several pieces of hardware (tiles of different matrices, several systolic
arrays) has one per piece that works at the same time. A slice is an activity, named after its op; inside it lie its
steps. Counters follow the bytes of the KV cache that have moved and the power of all actions. Format: "Trace Event
Format", catapult project documentation.
"""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pimsim.results import ActivityRecord, RunResult

Event = dict[str, Any]

PROCESS = 1
PS_PER_US = 1_000_000
ATTENTION_KINDS = ("attention_scores", "attention_values", "kv_append")


@dataclass(frozen=True, slots=True)
class Placed:
    """An activity at its absolute time: repetitions that the serial schedule let one stand for are written out."""

    activity: ActivityRecord
    start_ps: int
    repetition: int

    @property
    def end_ps(self) -> int:
        """Its absolute end."""
        return self.start_ps + self.activity.end_ps - self.activity.start_ps


def timeline_text(result: RunResult) -> str:
    """The whole file."""
    events = ",\n".join(json.dumps(event, separators=(",", ":")) for event in timeline_events(result))
    return f'{{"displayTimeUnit":"ns","traceEvents":[\n{events}\n]}}\n'


def timeline_events(result: RunResult) -> Iterator[Event]:
    """Every event: names of tracks, slices of activities and steps, counters."""
    placed = sorted(_placed(result), key=lambda each: each.start_ps)
    yield _metadata("process_name", 0, result.config.name)
    tracks: dict[tuple[str, int], int] = {}
    for each, lane in _lanes(placed):
        component = each.activity.component
        if (component, lane) not in tracks:
            tracks[component, lane] = len(tracks) + 1
            name = component if lane == 0 else f"{component} ({lane + 1})"
            yield _metadata("thread_name", tracks[component, lane], name)
        yield from _slices(result, each, tracks[component, lane])
    yield from _counters(result, placed)


def _placed(result: RunResult) -> Iterator[Placed]:
    """Repetitions of a block follow one another, each as long as the first."""
    length_ps = _repetition_ps(result)
    for activity in result.activities:
        op = result.ops[activity.op]
        for repetition in range(op.repeat):
            yield Placed(activity, activity.start_ps + repetition * length_ps[op.block], repetition)


def _repetition_ps(result: RunResult) -> dict[str, int]:
    total: dict[str, int] = defaultdict(int)
    for op in result.ops:
        total[op.block] += op.latency_ps
    return total


def _lanes(placed: Iterable[Placed]) -> Iterator[tuple[Placed, int]]:
    """The lowest lane of its component that is free when an activity starts."""
    busy: dict[str, list[tuple[int, int]]] = defaultdict(list)
    free: dict[str, list[int]] = defaultdict(list)
    for each in placed:
        component = each.activity.component
        running, idle = busy[component], free[component]
        while running and running[0][0] <= each.start_ps:
            heapq.heappush(idle, heapq.heappop(running)[1])
        lane = heapq.heappop(idle) if idle else len(running)
        heapq.heappush(running, (each.end_ps, lane))
        yield each, lane


def _slices(result: RunResult, each: Placed, track: int) -> Iterator[Event]:
    activity, op = each.activity, result.ops[each.activity.op]
    if each.end_ps == each.start_ps:
        return
    yield {
        "ph": "X",
        "pid": PROCESS,
        "tid": track,
        "ts": each.start_ps / PS_PER_US,
        "dur": (each.end_ps - each.start_ps) / PS_PER_US,
        "name": op.name,
        "cat": "activity",
        "args": {
            "what": activity.name,
            "block": op.block,
            "waited_us": (activity.start_ps - activity.ready_ps) / PS_PER_US,
        },
    }
    for span in result.profiles[activity.profile].spans:
        # Alike rounds after the first are not written out: the op's slice shows how long they take together.
        if span.end_ps > span.start_ps:
            yield {
                "ph": "X",
                "pid": PROCESS,
                "tid": track,
                "ts": (each.start_ps + span.start_ps) / PS_PER_US,
                "dur": (span.end_ps - span.start_ps) / PS_PER_US,
                "name": f"{span.part}: {span.label}",
                "cat": "step",
            }


def _counters(result: RunResult, placed: Iterable[Placed]) -> Iterator[Event]:
    """KV bytes moved so far, at the end of each transfer; power at every change."""
    moved = 0
    changes_w: dict[int, float] = defaultdict(float)
    transfers: list[tuple[int, int]] = []
    for each in placed:
        profile = result.profiles[each.activity.profile]
        energy_j = sum(result.dynamic_energy_j(profile.counts).values())
        if energy_j and each.end_ps > each.start_ps:
            power_w = energy_j / ((each.end_ps - each.start_ps) * 1e-12)
            changes_w[each.start_ps] += power_w
            changes_w[each.end_ps] -= power_w
        bits = profile.counts.get("memory.read_bit", 0) + profile.counts.get("memory.write_bit", 0)
        if bits and result.ops[each.activity.op].kind in ATTENTION_KINDS:
            transfers.append((each.end_ps, bits // 8))
    for end_ps, size_bytes in sorted(transfers):
        moved += size_bytes
        yield _counter("KV cache moved", end_ps, "bytes", moved)
    power_w = 0.0
    for now_ps in sorted(changes_w):
        power_w += changes_w[now_ps]
        # Sums of floats return to nearly zero: what is left is no power.
        yield _counter("power", now_ps, "W", round(max(power_w, 0.0), 12))


def _counter(name: str, now_ps: int, unit: str, value: float) -> Event:
    return {"ph": "C", "pid": PROCESS, "tid": 0, "ts": now_ps / PS_PER_US, "name": name, "args": {unit: value}}


def _metadata(kind: str, track: int, name: str) -> Event:
    return {"ph": "M", "pid": PROCESS, "tid": track, "name": kind, "args": {"name": name}}
