"""Timelines: what Perfetto would read from them, and that their slices add up to the breakdown."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import pimsim.results.timeline
from pimsim import load_config, simulate
from pimsim.base.errors import OutputError
from pimsim.results.run_result import RunResult
from pimsim.results.timeline import timeline_events, timeline_text, write_timeline
from tests.support.closeness import near

SCHEDULES = ("serial", "dataflow")
RUNS = [
    ("opt-6.7b", "serial", "decode"),
    ("opt-6.7b", "dataflow", "decode"),
    ("qwen2.5-0.5b", "dataflow", "decode"),
    ("gpt2-small", "serial", "decode"),
    ("gpt2-small", "serial", "prefill"),
    ("opt-125m", "dataflow", "prefill"),
]

Event = dict[str, Any]


@cache
def run(model: str, schedule: str, phase: str = "decode") -> RunResult:
    settings = (
        f"workload.model={model}",
        f"schedule={schedule}",
        f"workload.phase={phase}",
        "workload.prompt_length=4",
    )
    return simulate(load_config("pim-llm", settings))


@cache
def events(model: str, schedule: str, phase: str = "decode") -> list[Event]:
    return list(timeline_events(run(model, schedule, phase)))


def slices(found: list[Event], category: str) -> list[Event]:
    return [event for event in found if event.get("cat") == category]


def nanoseconds(us: float) -> int:
    """As Perfetto reads a number of microseconds (src/trace_processor/importers/json, CoerceToTs)."""
    return us * 1000 if isinstance(us, int) else int(us * 1000.0)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_step_of_opt_6_7b_is_a_small_file(schedule: str) -> None:
    text = timeline_text(run("opt-6.7b", schedule))
    assert len(text.encode()) < 20e6
    assert json.loads(text)["traceEvents"] == events("opt-6.7b", schedule)


@pytest.mark.parametrize("case", RUNS, ids=" ".join)
def test_critical_slices_add_up_to_the_latency_and_to_the_breakdown(case: tuple[str, str, str]) -> None:
    result = run(*case)
    critical = [event["args"] for event in slices(events(*case), "activity") if "critical" in event["args"]]
    assert sum(args["ps"] for args in critical) == result.latency_ps
    parts_ps: Counter[str] = Counter()
    for args in critical:
        parts_ps.update(args["parts_ps"])
        assert sum(args["parts_ps"].values()) == args["ps"]
    assert parts_ps == result.parts_ps


@pytest.mark.parametrize("case", RUNS, ids=" ".join)
def test_steps_fill_their_slices(case: tuple[str, str, str]) -> None:
    """Those of each slice, part by part; a track beside has what other hardware does in the same time."""
    beside = {
        event["tid"] for event in events(*case) if event["name"] == "thread_name" and "beside" in event["args"]["name"]
    }
    steps_ps, slice_ps = 0, 0
    for event in events(*case):
        if event.get("cat") == "activity":
            assert steps_ps == slice_ps
            steps_ps, slice_ps = 0, event["args"]["ps"]
        elif event.get("cat") == "step" and event["tid"] not in beside:
            steps_ps += event["args"]["ps"] * event["args"].get("rounds", 1)
    assert steps_ps == slice_ps


@pytest.mark.parametrize("case", RUNS, ids=" ".join)
def test_slices_of_a_component_add_up_to_its_busy_time(case: tuple[str, str, str]) -> None:
    result, found = run(*case), events(*case)
    component = {event["tid"]: event["args"]["name"].split()[0] for event in found if event["name"] == "thread_name"}
    busy_ps: Counter[str] = Counter()
    for event in slices(found, "activity"):
        busy_ps[component[event["tid"]]] += event["args"]["ps"]
    expected: Counter[str] = Counter()
    for activity in result.activities:
        expected[activity.component] += result.ops[activity.op].repeat * (activity.end_ps - activity.start_ps)
    assert busy_ps == +expected


@pytest.mark.parametrize("case", RUNS, ids=" ".join)
def test_perfetto_drops_no_slice(case: tuple[str, str, str]) -> None:
    """It reads whole nanoseconds, and drops a slice that begins in another of its track and ends after it."""
    tracks: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for number, event in enumerate(events(*case)):
        if event["ph"] == "X":
            tracks[event["tid"]].append((nanoseconds(event["ts"]), number, nanoseconds(event["dur"])))
    for track in tracks.values():
        open_slices: list[tuple[int, int]] = []
        for start, _, duration in sorted(track):
            while open_slices:
                opened, length = open_slices[-1]
                ended = opened + length < start
                touches = opened + length == start and (length, duration) != (0, 0)
                if not (ended or touches):
                    break
                open_slices.pop()
            if open_slices and start < sum(open_slices[-1]):
                assert start + duration <= sum(open_slices[-1])
            open_slices.append((start, duration))


@pytest.mark.parametrize("case", RUNS, ids=" ".join)
def test_times_are_those_of_the_result_to_the_nanosecond(case: tuple[str, str, str]) -> None:
    result = run(*case)
    last = max(nanoseconds(event["ts"]) + nanoseconds(event["dur"]) for event in slices(events(*case), "activity"))
    assert last == result.latency_ps // 1000
    for event in slices(events(*case), "activity"):
        assert abs(nanoseconds(event["dur"]) * 1000 - event["args"]["ps"]) < 1000


@pytest.mark.parametrize("ns", [0, 1, 999, 1000, 1001, 4003, 33001, 10**9 + 1, 123_456_789, 10**13 + 7])
def test_perfetto_reads_the_nanoseconds_that_are_meant(ns: int) -> None:
    assert nanoseconds(json.loads(json.dumps(pimsim.results.timeline._us(ns)))) == ns
    assert abs(pimsim.results.timeline._us(ns) * 1000 - ns) <= max(0.1, ns * 1e-12) + 1e-9


@pytest.mark.parametrize("case", RUNS, ids=" ".join)
def test_the_power_counter_integrates_to_the_energy_without_leakage(case: tuple[str, str, str]) -> None:
    result = run(*case)
    power = [(event["ts"], event["args"]["W"]) for event in events(*case) if event["name"] == "power"]
    energy_j = sum((end - start) * 1e-6 * power_w for (start, power_w), (end, _) in pairwise(power))
    assert energy_j == near(sum(result.dynamic_energy_j(result.counts).values()), rel=1e-4)
    assert power[-1][1] == 0


@pytest.mark.parametrize("case", RUNS, ids=" ".join)
def test_the_kv_counter_ends_at_the_bytes_that_attention_moves(case: tuple[str, str, str]) -> None:
    result = run(*case)
    moved = [event["args"]["bytes"] for event in events(*case) if event["name"] == "KV cache moved"]
    assert moved == sorted(moved)
    kinds = ("kv_append", "attention_scores", "attention_values")
    bits = sum(
        op.repeat * (op.counts.get("memory.read_bit", 0) + op.counts.get("memory.write_bit", 0))
        for op in result.ops
        if op.kind in kinds
    )
    assert moved[-1] == bits // 8


@pytest.mark.parametrize("case", RUNS, ids=" ".join)
def test_events_are_of_the_format(case: tuple[str, str, str]) -> None:
    """Trace Event Format: M names process and tracks, X is complete, C counts; times in microseconds, none negative."""
    result, named = run(*case), set()
    for event in events(*case):
        assert {"ph", "pid", "tid", "name"} <= event.keys()
        match event["ph"]:
            case "M":
                assert event["name"] in ("process_name", "thread_name", "thread_sort_index")
                named.add(event["tid"])
            case "X":
                assert event["ts"] >= 0
                assert event["dur"] >= 0
                assert event["tid"] in named, "a track is named before its first slice"
            case "C":
                assert all(value >= 0 for value in event["args"].values())
            case _:
                pytest.fail(f"unknown phase {event['ph']}")
    ops = {event["name"] for event in slices(events(*case), "activity")}
    assert ops == {op.name for op in result.ops}


def test_a_machine_with_two_arrays_has_a_track_for_each() -> None:
    result = simulate(
        load_config("pim-llm", ["workload.model=gpt2-small", "schedule=dataflow", "machine.systolic.count=2"])
    )
    names = {event["args"]["name"] for event in timeline_events(result) if event["name"] == "thread_name"}
    assert {"systolic", "systolic (2)"} <= names
    assert "systolic (3)" not in names


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    result = run("gpt2-small", "serial", "prefill")
    path = tmp_path / "t.json"
    write_timeline(result, path)
    assert path.read_text(encoding="utf-8") == timeline_text(result)
    with pytest.raises(OutputError):
        write_timeline(result, tmp_path / "none" / "t.json")
    assert list(tmp_path.iterdir()) == [path]


def test_too_many_steps_are_left_out_and_too_many_activities_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result = run("gpt2-small", "serial", "prefill")
    activities = sum(result.ops[activity.op].repeat for activity in result.activities)
    monkeypatch.setattr(pimsim.results.timeline, "MAX_SLICES", activities)
    found = list(timeline_events(result))
    assert slices(found, "activity")
    assert not slices(found, "step")
    assert "too many steps" in found[0]["args"]["name"]
    huge = replace(result, ops=tuple(replace(op, repeat=10**30) for op in result.ops))
    with pytest.raises(OutputError, match="activities, more than the"):
        write_timeline(huge, tmp_path / "t.json")
    assert not list(tmp_path.iterdir())
