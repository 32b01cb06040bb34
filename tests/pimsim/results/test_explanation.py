"""Explanations: all times of the critical path and of every unit are accounted for, in results by hand and of runs."""

from __future__ import annotations

import io
import json

import pytest

from pimsim import load_config, simulate
from pimsim.present.text.explanation_report import SHOWN_CAUSES, print_explanation
from pimsim.results.explanation import Cause, Contended, Explanation, Hidden, Occupation, explain
from pimsim.results.run_result import RunResult
from pimsim.steps.records import ActivityRecord, ComponentRecord, OpRecord, Profile, TileUse
from tests.support.printed import rows_below

MODELS = ("gpt2-small", "qwen2.5-0.5b", "bitnet-b1.58-700m")


def profile(duration_ps: int, part: str) -> Profile:
    return Profile(duration_ps, duration_ps, {part: duration_ps}, {}, ())


def op(name: str, start_ps: int, latency_ps: int, part: str) -> OpRecord:
    return OpRecord("layer", 1, name, "norm", (), start_ps, latency_ps, 0, {part: latency_ps}, {})


def by_hand() -> RunResult:
    """Four ops on two units, in picoseconds:

    systolic: a 0-10, c 10-15 (its input came from b at 4, so that it queued for 6)
    memory:   b 0-4, d 10-12 (ready at 4, it waited for 6 for a buffer that the end of a freed)
    """
    return RunResult(
        config=load_config("pim-llm", ["schedule=dataflow"]),
        version="0",
        model="hand",
        phase="decode",
        context_length=1,
        tokens=1,
        latency_ps=15,
        ops=(
            op("a", 0, 10, "systolic"),
            op("b", 0, 4, "memory"),
            op("c", 10, 5, "systolic"),
            op("d", 10, 2, "memory"),
        ),
        activities=(
            ActivityRecord(0, "a[0]", "systolic", "systolic", 0, 0, 10, "", -1, 0),
            ActivityRecord(1, "b[0]", "memory", "memory", 0, 0, 4, "", -1, 1),
            ActivityRecord(2, "c[0]", "systolic", "systolic", 4, 10, 15, "systolic", 0, 2),
            ActivityRecord(3, "d[0]", "memory", "memory", 4, 10, 12, "buffer", 0, 3),
        ),
        profiles=(profile(10, "systolic"), profile(4, "memory"), profile(5, "systolic"), profile(2, "memory")),
        components=(ComponentRecord("systolic", 1, 15, 0.0, {}), ComponentRecord("memory", 1, 6, 0.0, {})),
        action_energies_j={},
        tiles=TileUse(0, 0, 0, 0),
        weight_bytes=0,
        weight_load_ps=0,
    )


def test_by_hand() -> None:
    explanation = explain(by_hand())
    assert (explanation.latency_ps, explanation.serial_ps) == (15, 21)
    assert [(c.op, c.component, c.critical_ps, c.total_ps) for c in explanation.causes] == [
        ("a", "systolic", 10, 10),
        ("c", "systolic", 5, 5),
    ]
    assert set(explanation.occupations) == {
        Occupation("systolic", 1, 15, 0, 0, 6, "", 6),
        Occupation("memory", 1, 6, 6, 3, 0, "buffer"),
    }
    assert [(h.part, h.hidden_ps, h.total_ps) for h in explanation.hidden] == [("memory", 6, 6), ("systolic", 0, 15)]
    longest, overlap, queue = explanation.sentences()
    assert longest == "the critical path is on systolic for 100.0% of the time, most of it with a (66.7%)"
    assert overlap.startswith("overlap makes it 1.4x as fast as one op after another; memory hides most: 100% of its")
    assert queue == (
        "the longest queue is before systolic, which is 100.0% busy: for 40.0% of the time an op waits for it"
    )


def test_printed_by_hand() -> None:
    text = io.StringIO()
    print_explanation(explain(by_hand()), text)
    lines = [" ".join(line.split()) for line in text.getvalue().splitlines()]
    assert lines[0].startswith("Explanation of the latency of ")
    assert lines[1].startswith("the critical path is on systolic for 100.0% of the time")
    assert any(line.startswith("a systolic ") and line.endswith(" 66.67% 100%") for line in lines)
    assert any(line.startswith("memory 1 40.00% 20.00% 40.00% buffer") for line in lines)
    assert any(line.startswith("systolic 1 100.00% 0.00% 0.00%") for line in lines)


def test_each_printed_column_has_its_figure() -> None:
    """All times are different, of a run of 1000 ps. There are two causes more than the report shows."""
    causes = tuple(Cause(f"op{n}", f"unit{n}", 200 - n, 400 + 10 * n) for n in range(SHOWN_CAUSES + 2))
    explanation = Explanation(
        latency_ps=1000,
        serial_ps=1500,
        causes=causes,
        occupations=(
            Occupation("slow", 4, 400, 100, 3500, 0, ""),
            Occupation("quick", 2, 1500, 300, 200, 77_000, "buffer"),
        ),
        hidden=(Hidden("memory", 800, 600), Hidden("systolic", 700, 0)),
        contended=(Contended("link (0,0) east", "mesh", 24, 6000, 91_000, 53_000), Contended("bus", "x", 1, 10, 5, 0)),
    )
    text = io.StringIO()
    print_explanation(explanation, text)
    shown = rows_below(text.getvalue(), "op on critical path")
    assert shown[:2] == [["op0", "unit0", "200 ps", "20.00%", "50%"], ["op1", "unit1", "199 ps", "19.90%", "49%"]]
    rest_ps = 200 - SHOWN_CAUSES + 200 - SHOWN_CAUSES - 1
    assert shown[SHOWN_CAUSES:] == [["2 more", f"{rest_ps} ps", f"{rest_ps / 1000:.2%}"]]
    assert rows_below(text.getvalue(), "component ") == [
        ["quick", "2", "75.00%", "10.00%", "15.00%", "buffer", "77 ns"],
        ["slow", "4", "10.00%", "87.50%", "2.50%"],
    ]
    assert rows_below(text.getvalue(), "hidden by overlap") == [["memory", "600 ps", "800 ps", "75.00%"]]
    assert rows_below(text.getvalue(), "contended ") == [
        ["link (0,0) east", "mesh", "24", "25.00%", "91 ns", "53 ns"],
        ["bus", "x", "1", "1.00%", "5 ps"],
    ]


@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
@pytest.mark.parametrize("machine", ["pim-llm", "tpu-llm"])
@pytest.mark.parametrize("model", MODELS)
def test_every_picosecond_is_accounted_for(model: str, machine: str, schedule: str) -> None:
    result = simulate(load_config(machine, [f"workload.model={model}", f"schedule={schedule}"]))
    explanation = explain(result)
    assert sum(cause.critical_ps for cause in explanation.causes) == result.latency_ps
    assert all(0 < cause.critical_ps <= cause.total_ps for cause in explanation.causes if cause.total_ps)
    critical = [cause.critical_ps for cause in explanation.causes]
    assert critical == sorted(critical, reverse=True)
    for each in explanation.occupations:
        parts = (each.busy_ps, each.waiting_for_resource_ps, each.waiting_for_input_ps)
        assert min(parts) >= 0, each
        assert sum(parts) == each.units * result.latency_ps, each
    assert sum(each.total_ps - each.hidden_ps for each in explanation.hidden) == result.latency_ps
    assert sum(each.total_ps for each in explanation.hidden) == explanation.serial_ps
    json.dumps(explanation.to_dict(), allow_nan=False)


@pytest.mark.parametrize("model", MODELS)
def test_a_serial_run_hides_nothing_and_waits_for_no_resource(model: str) -> None:
    explanation = explain(simulate(load_config("pim-llm", [f"workload.model={model}"])))
    assert explanation.latency_ps == explanation.serial_ps
    assert not any(each.hidden_ps for each in explanation.hidden)
    assert not any(each.waiting_for_resource_ps or each.queued_ps for each in explanation.occupations)
    assert "nothing overlaps" in explanation.sentences()


def test_the_serial_time_is_that_of_the_serial_schedule() -> None:
    serial, dataflow = (
        simulate(load_config("pim-llm", ["workload.model=gpt2-small", f"schedule={schedule}"]))
        for schedule in ("serial", "dataflow")
    )
    assert explain(dataflow).serial_ps == serial.latency_ps
    assert dataflow.latency_ps < serial.latency_ps


def test_busy_units_are_those_of_the_result() -> None:
    """A component that is not divided is busy in the explanation for as long as in the result."""
    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small", "schedule=dataflow"]))
    for each in explain(result).occupations:
        if each.component not in ("tile", "mesh"):
            assert each.busy_ps == result.component(each.component).busy_ps


def test_a_result_without_activities_is_explained_too() -> None:
    result = by_hand()
    empty = RunResult(**{**{name: getattr(result, name) for name in RunResult.__dataclass_fields__}, "activities": ()})
    explanation = explain(empty)
    assert explanation.causes == ()
    assert list(explanation.sentences()) == ["nothing takes time"]
    print_explanation(explanation, io.StringIO())
