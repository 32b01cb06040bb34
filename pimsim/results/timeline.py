"""Export of a result as a timeline for Perfetto (ui.perfetto.dev) or chrome://tracing.

Each component has one track. A component with several units (tiles of different matrices, several systolic arrays) has
one track for each unit that works at the same time. A slice is an activity and has the name of its op. It contains the
steps of the activity; steps of hardware that works in parallel (tiles of another size, for example) are on separate
tracks. Counters show the transferred bytes of the KV cache, and the power of all actions without leakage.

Both viewers have a resolution of one nanosecond, and Perfetto drops a slice that extends beyond the slice around it.
Therefore every time is rounded down to a whole nanosecond, which preserves the nesting. `args` has the exact
picoseconds: over all activities on the critical path (`critical`), `ps` adds up to the latency of the run, and
`parts_ps` to its breakdown.

`displayTimeUnit` is not set, because some versions of Perfetto interpret it as the unit of the times.

Reference:
    "Trace Event Format", documentation of the catapult project.
"""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pimsim.base.errors import OutputError
from pimsim.base.files import replacing
from pimsim.results.run_result import RunResult
from pimsim.steps.records import ActivityRecord, OpRecord, SpanRecord

Event = dict[str, Any]

PROCESS = 1
PS_PER_NS = 1000
TRACKS_PER_COMPONENT = 1_000_000
MAX_SLICES = 1_000_000
"""Limit of slices, about 140 MB. Beyond it, the steps are left out; more activities than this are an error."""
ATTENTION_KINDS = (
    *("attention_scores", "attention_values", "kv_append", "kv_evict", "kv_accumulate"),
    *("latent_append", "latent_read", "scratch_write", "latent_scores", "latent_values"),
)


@dataclass(frozen=True, slots=True)
class Placed:
    """One repetition of an activity at its absolute time; the serial schedule records only the first repetition.

    Attributes:
        activity: The activity.
        start_ps: Absolute start, in picoseconds.
        repetition: Number of the repetition, from 0.
        critical: Whether the activity is on the critical path.
    """

    activity: ActivityRecord
    start_ps: int
    repetition: int
    critical: bool

    @property
    def end_ps(self) -> int:
        """Absolute end in picoseconds."""
        return self.start_ps + self.activity.end_ps - self.activity.start_ps


def write_timeline(result: RunResult, path: str | Path) -> None:
    """Write the timeline event by event to a JSON file, atomically.

    Args:
        result: The run.
        path: The file to write.

    Raises:
        OutputError: If the file cannot be written, or the run has too many activities.
    """
    with replacing(path) as file:
        for piece in _pieces(result):
            file.write(piece.encode())


def timeline_text(result: RunResult) -> str:
    """Return the timeline of a run as text.

    Args:
        result: The run.

    Returns:
        One JSON text, the content of the file that `write_timeline` writes.

    Raises:
        OutputError: If the run has too many activities.
    """
    return "".join(_pieces(result))


def timeline_events(result: RunResult) -> Iterator[Event]:
    """Iterate over all events of the timeline.

    Args:
        result: The run.

    Yields:
        Events: names of tracks, slices of activities and steps, values of counters.
    """
    with_steps = _steps_fit(result)
    placed = sorted(_placed(result), key=lambda each: each.start_ps)
    name = f"{result.config.name}: {result.model}" + ("" if with_steps else " (too many steps to show)")
    yield _metadata("process_name", 0, {"name": name})
    tracks = _Tracks(result)
    for each, lane in lanes(placed):
        component = each.activity.component
        yield from tracks.named(component, lane)
        yield _slice(result, each, tracks.number(component, lane))
        for span, beside in _beside(result.profiles[each.activity.profile].spans) if with_steps else ():
            yield from tracks.named(component, lane, beside)
            yield _step(span, each.start_ps, tracks.number(component, lane, beside))
    yield from _kv_counter(result, placed)
    yield from _power_counter(result, placed)


def _pieces(result: RunResult) -> Iterator[str]:
    yield '{"traceEvents":['
    comma = "\n"
    for event in timeline_events(result):
        yield comma + json.dumps(event, separators=(",", ":"))
        comma = ",\n"
    yield "\n]}\n"


def _steps_fit(result: RunResult) -> bool:
    activities = sum(result.ops[activity.op].repeat for activity in result.activities)
    if activities > MAX_SLICES:
        raise OutputError(f"the timeline would have {activities:,} activities, more than the {MAX_SLICES:,} shown")
    spans = [len(profile.spans) for profile in result.profiles]
    steps = sum(result.ops[activity.op].repeat * spans[activity.profile] for activity in result.activities)
    return activities + steps <= MAX_SLICES


class _Tracks:
    """Numbers and names of tracks, ordered by component, then by lane, then by parallel hardware of a lane."""

    BESIDE = 100

    def __init__(self, result: RunResult) -> None:
        self.components: dict[str, int] = {}
        for name in (*(c.name for c in result.components), *(activity.component for activity in result.activities)):
            self.components.setdefault(name, len(self.components))
        self.seen: set[int] = set()

    def number(self, component: str, lane: int, beside: int = 0) -> int:
        lane = min(lane, TRACKS_PER_COMPONENT // self.BESIDE - 1)
        return 1 + self.components[component] * TRACKS_PER_COMPONENT + lane * self.BESIDE + min(beside, self.BESIDE - 1)

    def named(self, component: str, lane: int, beside: int = 0) -> Iterator[Event]:
        """Name a track before the first event on it.

        Args:
            component: Name of the component.
            lane: Number of the lane of the component.
            beside: Number of the parallel track of the lane; 0 for the lane itself.

        Yields:
            The events that name and sort the track; nothing if the track has a name.
        """
        number = self.number(component, lane, beside)
        if number not in self.seen:
            self.seen.add(number)
            name = component if lane == 0 else f"{component} ({lane + 1})"
            yield _metadata("thread_name", number, {"name": f"{name}, beside {beside}" if beside else name})
            yield _metadata("thread_sort_index", number, {"sort_index": number})


def _placed(result: RunResult) -> Iterator[Placed]:
    """Iterate over the repetitions of all activities with a duration; all repetitions of a block are equally long.

    Args:
        result: The run.

    Yields:
        Activities with absolute times.
    """
    length_ps = _repetition_ps(result)
    critical = {id(activity) for activity in result.critical_path}
    for activity in result.activities:
        op = result.ops[activity.op]
        if activity.end_ps > activity.start_ps:
            for repetition in range(op.repeat):
                start_ps = activity.start_ps + repetition * length_ps[activity.op]
                yield Placed(activity, start_ps, repetition, id(activity) in critical)


def _repetition_ps(result: RunResult) -> Sequence[int]:
    """Compute the duration of one repetition of the block of each op; only the serial schedule has repetitions.

    Blocks with the same name may have different durations (layers near the port, or swapped layers). A block ends
    where the next op starts later than the previous op ends, because the repetitions in between are not recorded.

    Args:
        result: The run.

    Returns:
        Duration in picoseconds for each op.
    """
    lengths: list[int] = []
    block: list[OpRecord] = []
    for op, following in zip(result.ops, (*result.ops[1:], None), strict=True):
        block.append(op)
        if following is None or (following.start_ps, following.repeat) != (op.start_ps + op.latency_ps, op.repeat):
            lengths += [sum(each.latency_ps for each in block)] * len(block)
            block = []
    return lengths


def lanes(placed: Iterable[Placed]) -> Iterator[tuple[Placed, int]]:
    """Assign each activity to the lowest lane of its component that is free at its start.

    Args:
        placed: Activities in order of their start.

    Yields:
        Activity and number of the lane.
    """
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


def _beside(spans: Iterable[SpanRecord]) -> Iterator[tuple[SpanRecord, int]]:
    """Distribute overlapping spans over parallel tracks.

    Track 0 has the spans that decide the duration, from the one that ends last back to the first. The first of several
    parallel spans does not always: of tiles with different numbers of outputs, each waits for the slowest.

    Args:
        spans: Spans of one activity.

    Yields:
        Span and track, in order of the start times; beside track 0, the first on which the span overlaps no other.
    """
    timed = sorted((s for s in spans if s.end_ps > s.start_ps), key=lambda span: (span.start_ps, -span.end_ps))
    deciding: set[int] = set()
    next_ps = max((span.end_ps for span in timed), default=0)
    for index in sorted(range(len(timed)), key=lambda index: timed[index].end_ps, reverse=True):
        if timed[index].end_ps <= next_ps:
            deciding.add(index)
            next_ps = timed[index].start_ps
    ends_ps: list[int] = []
    for index, span in enumerate(timed):
        if index in deciding:
            yield span, 0
            continue
        track = next((number for number, end_ps in enumerate(ends_ps) if end_ps <= span.start_ps), len(ends_ps))
        ends_ps[track : track + 1] = [span.end_ps]
        yield span, track + 1


def _slice(result: RunResult, each: Placed, track: int) -> Event:
    activity, op = each.activity, result.ops[each.activity.op]
    parts_ps = {part: each_ps for part, each_ps in result.profiles[activity.profile].parts_ps.items() if each_ps}
    args: Event = {"what": activity.name, "block": op.block, "ps": each.end_ps - each.start_ps, "parts_ps": parts_ps}
    if activity.ready_ps < activity.start_ps:
        args |= {"waited_ps": activity.start_ps - activity.ready_ps, "waited_for": activity.waited_for}
    if each.critical:
        args["critical"] = 1
    return _complete(op.name, "activity", track, each.start_ps, each.end_ps, args)


def _step(span: SpanRecord, origin_ps: int, track: int) -> Event:
    # Only the first of several equal rounds is written; the slice of the op shows their total duration.
    args = {"ps": span.end_ps - span.start_ps} | ({"rounds": span.rounds} if span.rounds > 1 else {})
    return _complete(
        f"{span.part}: {span.label}", "step", track, origin_ps + span.start_ps, origin_ps + span.end_ps, args
    )


def _kv_counter(result: RunResult, placed: Iterable[Placed]) -> Iterator[Event]:
    """Count the bytes of the KV cache that have been transferred.

    Args:
        result: The run.
        placed: Its activities with absolute times.

    Yields:
        One event at the end of each transfer.
    """
    transfers: list[tuple[int, int]] = []
    for each in placed:
        counts = result.profiles[each.activity.profile].counts
        bits = counts.get("memory.read_bit", 0) + counts.get("memory.write_bit", 0)
        if bits and result.ops[each.activity.op].kind in ATTENTION_KINDS:
            transfers.append((each.end_ps, bits // 8))
    moved = 0
    for end_ps, size_bytes in sorted(transfers):
        moved += size_bytes
        yield _counter("KV cache moved", end_ps, "bytes", moved)


def _power_counter(result: RunResult, placed: Iterable[Placed]) -> Iterator[Event]:
    """Compute the power over time: the energy of each activity divided by its duration.

    The integral is the energy of the run without leakage. The energy of an activity without a duration (accesses that
    supply a unit while it computes) is distributed over the duration of its op.

    Args:
        result: The run.
        placed: Its activities with absolute times.

    Yields:
        One event at each change of the power.
    """
    energies_j = [sum(result.dynamic_energy_j(profile.counts).values()) for profile in result.profiles]
    changes_w: dict[int, float] = defaultdict(float)
    for start_ps, end_ps, energy_j in (
        *((each.start_ps, each.end_ps, energies_j[each.activity.profile]) for each in placed),
        *_spread(result, energies_j),
    ):
        if energy_j and end_ps > start_ps:
            power_w = energy_j / ((end_ps - start_ps) * 1e-12)
            changes_w[start_ps] += power_w
            changes_w[end_ps] -= power_w
    power_w = 0.0
    for now_ps in sorted(changes_w):
        power_w += changes_w[now_ps]
        # A sum of floats does not return exactly to zero; the remainder is not power.
        yield _counter("power", now_ps, "W", round(max(power_w, 0.0), 12))


def _spread(result: RunResult, energies_j: list[float]) -> Iterator[tuple[int, int, float]]:
    length_ps = _repetition_ps(result)
    for activity in result.activities:
        if activity.end_ps == activity.start_ps:
            op = result.ops[activity.op]
            for repetition in range(op.repeat):
                start_ps = op.start_ps + repetition * length_ps[activity.op]
                yield start_ps, start_ps + op.latency_ps, energies_j[activity.profile]


def _complete(name: str, category: str, track: int, start_ps: int, end_ps: int, args: Event) -> Event:
    start_ns, end_ns = start_ps // PS_PER_NS, end_ps // PS_PER_NS
    times = {"ts": _us(start_ns), "dur": _us(end_ns - start_ns)}
    return {"ph": "X", "pid": PROCESS, "tid": track, **times, "name": name, "cat": category, "args": args}


def _counter(name: str, now_ps: int, unit: str, value: float) -> Event:
    return {"ph": "C", "pid": PROCESS, "tid": 0, "ts": _us(now_ps // PS_PER_NS), "name": name, "args": {unit: value}}


def _metadata(kind: str, track: int, args: Event) -> Event:
    return {"ph": "M", "pid": PROCESS, "tid": track, "name": kind, "args": args}


def _us(ns: int) -> float:
    """Convert nanoseconds to the microseconds that Perfetto reads as exactly `ns` nanoseconds.

    Perfetto truncates 1,000 times the number to an integer, so that it reads 1.001 as 1,000 ns. An additional tenth of
    a nanosecond prevents this.

    Args:
        ns: Time in whole nanoseconds.

    Returns:
        Time in microseconds.
    """
    if ns % 1000 == 0:
        return ns // 1000
    return ns / 1000 if int(ns / 1000 * 1000.0) == ns else (10 * ns + 1) / 10_000
