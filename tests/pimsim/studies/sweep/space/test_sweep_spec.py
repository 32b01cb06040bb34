"""Sweep files: their base and keys, and the message of each that is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pimsim.base.errors import ConfigError
from pimsim.base.shipped_files import list_configs, list_sweeps
from pimsim.studies.sweep.running.evaluate_point import Evaluator
from pimsim.studies.sweep.space.plan import load_sweep, sweep_of_text
from pimsim.studies.sweep.space.sweep_spec import MAX_POINTS
from tests.pimsim.studies.sweep.space.plans import CLOCK, LINK, ROWS, plan_of, refusal
from tests.support.counts import scaled

pytestmark = pytest.mark.timeout(scaled(120, 3600))
"""A sweep that is refused is refused without counting through its points."""


def test_models_take_the_place_of_a_trace() -> None:
    plan = load_sweep(
        {
            "name": "x",
            "base": {"extends": "tpu-llm", "workload": {"trace": "gpt2-medium-decode-128"}},
            "models": ["gpt2-small"],
        }
    )
    assert plan.space.config(plan[0]).workload.trace is None


def test_a_base_beside_the_sweep_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: pim-llm\nname: mine\nworkload: {model: gpt2-small}\n")
    path = tmp_path / "sweep.yaml"
    path.write_text("name: x\nbase: mine.yaml\naxes:\n  machine.systolic.rows: [8]\n")
    assert load_sweep(path).space.base["name"] == "mine"
    assert load_sweep(str(path)).space.text == path.read_text()


def test_set_changes_the_base() -> None:
    plan = plan_of({ROWS: [8]}, set={LINK: "10 Gb/s", "workload": {"model": "gpt2-small"}})
    config = plan.space.config(plan[0])
    assert config.machine.mesh is not None
    assert (config.machine.mesh.link_bandwidth_bps, config.workload.model) == (1e10, "gpt2-small")


# --- what is refused ------------------------------------------------------------------------------------------------


def test_a_missing_name_is_the_only_problem() -> None:
    """Default metrics follow from the rest of a valid file; pydantic reports that it did not compute them."""
    with pytest.raises(ConfigError) as refused:
        load_sweep({"base": "pim-llm", "axes": {ROWS: [8]}})
    assert [problem.message for problem in refused.value.problems] == ["this key is missing"]


@pytest.mark.parametrize("version", [True, 1.0, 2])
def test_the_version_is_an_integer_that_is_known(version: object) -> None:
    with pytest.raises(ConfigError, match="sweep_version"):
        load_sweep({"sweep_version": version, "name": "x", "base": "pim-llm", "axes": {ROWS: [8]}})


BAD_AXES = [
    ({"machine.systolic.rowz": [1]}, "axes.machine.systolic.rowz: machine.systolic.rowz is not a key", "mean rows"),
    ({"rows": [1]}, "rows is not a key of a config", "machine.systolic.rows"),
    ({"speed": [1]}, "an axis whose name is not a key needs key: or keys:", ""),
    ({"speed": {"key": "machine.systolic.clock", "values": [1]}}, "machine.systolic.clock is not a key", "clock_hz"),
    ({ROWS: []}, "has no items; takes at least 1", ""),
    ({ROWS: {"values": []}}, "has no items; takes at least 1", ""),
    ({ROWS: {"start": 8, "stop": 8, "step": 1}}, "is empty: stop (8) is not above start (8)", ""),
    ({ROWS: {"start": 64, "stop": 8, "step": 1}}, "is empty: stop (8) is not above start (64)", ""),
    ({ROWS: {}}, "needs one of: values (or just a list), start and stop, linked", ""),
    ({ROWS: 5}, f"axes.{ROWS}", ""),
    ({ROWS: {"start": 8}}, "a range needs both start and stop", ""),
    ({ROWS: {"start": 8, "stop": 16, "values": [1]}}, "needs one of", ""),
    ({ROWS: {"start": 8, "stop": 16, "step": 1, "count": 3}}, "needs one of step, count, factor", ""),
    ({ROWS: {"start": 8, "stop": 16, "step": 0}}, "is not above 0", ""),
    ({ROWS: {"start": 8, "stop": 16, "step": -1}}, "is not above 0", ""),
    ({ROWS: {"start": 8, "stop": 16, "step": 100}}, "at most 8", ""),
    ({ROWS: {"start": 8, "stop": 16, "factor": 1}}, "factor", ""),
    ({ROWS: {"start": 0, "stop": 16, "factor": 2}}, "is not above 0, which a logarithmic range requires", ""),
    ({ROWS: {"start": 8, "stop": 16, "step": 1, "scale": "log"}}, "step needs a linear scale", ""),
    ({ROWS: {"start": 8, "stop": 16, "scale": "lg"}}, "is not one of linear, log", "did you mean log?"),
    ({ROWS: {"start": 8, "stop": 16, "cuont": 3}}, "unknown key", "did you mean count?"),
    ({ROWS: {"start": 1, "stop": 4, "count": 9}}, "is listed twice", ""),
    ({ROWS: {"start": 8, "stop": 16}}, "is a range without step, count or factor", ""),
    ({ROWS: {"start": "eight", "stop": 16, "step": 1}}, "'eight' is not a number", ""),
    ({ROWS: [8, 8]}, "is listed twice", ""),
    ({"ab": {"linked": {ROWS: [8, 8, 8], LINK: ["1 Gb/s", "2 Gb/s", "1 Gb/s"]}}}, "values 1 and 3 are the same", ""),
    ({LINK: ["1 Gb/s", "1000 Mb/s"]}, "is listed twice: values 1 and 2 are the same", ""),
    ({LINK: ["20 ns"]}, "'20 ns' is a time; takes a data rate", ""),
    ({LINK: {"start": "20 ns", "stop": "1 Gb/s", "count": 2}}, "'20 ns' is a time; takes a data rate", ""),
    ({ROWS: ["three"]}, "'three' is not a whole number", ""),
    ({ROWS: [0, 16]}, "0 is out of range; must be >= 1 and <= 16384", ""),
    ({ROWS: {"start": 1, "stop": 40000, "factor": 2}}, "32768 is out of range", ""),
    ({"schedule": ["seriel"]}, "is not one of serial, dataflow", "did you mean serial?"),
    ({ROWS: [8], "machine.systolic": [{"rows": 8}]}, f"sets machine.systolic, and {ROWS} sets it or a key", ""),
    ({ROWS: [8], "again": {"key": ROWS, "values": [9]}}, f"and {ROWS} sets it", ""),
    ({"gops": {"key": ROWS, "values": [8]}}, "is the name of a metric", ""),
    ({"status": {"key": ROWS, "values": [8]}}, "is the name of a column of every table", ""),
    ({"a/b": {"key": ROWS, "values": [8]}}, "cannot be the name of a column", ""),
    ({"x": {"linked": {ROWS: [8, 16], CLOCK: [1e8]}}}, "need the same number of values", ""),
    ({"x": {"linked": {ROWS: {"start": 1, "stop": 2}, CLOCK: [1e8]}}}, "linked axes need lists", ""),
    ({"x": {"key": ROWS, "linked": {ROWS: [8]}}}, "linked contains its own keys", ""),
    ({"x": {"keys": [ROWS, "name"], "values": [8]}}, "is not text", ""),
    ({"x": {"keys": [LINK, "machine.mesh.clock_hz"], "values": ["1 Gb/s"]}}, "is a data rate; takes a frequency", ""),
    ({"machine.mesh.rows.deeper": [8]}, "is not a key of a config", ""),
    ({"mapping.placement_groups.7": [["q"]]}, "is not an index of a list of 1", ""),
]


@pytest.mark.parametrize(("axes", "told", "hint"), BAD_AXES, ids=[told[:40] for _, told, _ in BAD_AXES])
def test_a_bad_axis_is_refused(axes: Any, told: str, hint: str) -> None:
    message = refusal({"name": "x", "base": "pim-llm", "axes": axes})
    assert told in message
    assert hint in message


BAD = [
    ({"axes": None}, "nothing varies"),
    ({"base": "pim-lm"}, "did you mean pim-llm?"),
    ({"base": {"machine": {"systolic": {"rows": 0}}}}, "0 is out of range"),
    ({"base": 3}, "base"),
    ({"nmae": "x"}, "did you mean name?"),
    ({"sweep_version": 2}, "is newer than this pimsim"),
    ({"set": {"machine.systolic.rowz": 8}}, "unknown key; did you mean rows"),
    ({"set": {"name.deeper": 8}}, "is not a section"),
    ({"metrics": ["tokens"]}, "is not a metric; did you mean tokens_per_"),
    ({"metrics": []}, "has no items; takes at least 1"),
    ({"metrics": ["gops", "gops"]}, "is listed twice"),
    ({"models": ["gpt2-smal"]}, "did you mean gpt2-small or"),
    ({"models": {"key": "workload.model", "values": ["gpt2-small"]}}, "sets workload.model; key and keys"),
    ({"contexts": [0]}, "0 is out of range; must be >= 1 and <= 1048576"),
    ({"contexts": ["long"]}, "is not a whole number"),
    ({"sampling": "sobl"}, "did you mean sobol?"),
    ({"sampling": "sobol"}, "sobol needs points"),
    ({"sampling": {"method": "grid", "points": 5}}, "grid runs all of its points"),
    ({"sampling": {"method": "random", "points": 10**9}}, "out of range"),
    ({"constraints": ["machine.systolic.rows < 8"]}, "no point satisfies all constraints"),
    ({"constraints": ["machine.systolic.rows < 8", "true"]}, "machine.systolic.rows < 8: excludes 2 of 2 points"),
    ({"constraints": ["machine.systolic.rowz < 8"]}, "is neither an axis nor a key of a config"),
    ({"constraints": ["rows < 8"]}, "did you mean"),
    ({"constraints": ["gops > 8"]}, "is known only after a run; filter the results"),
    ({"constraints": ["machine.systolic < 8"]}, "is a section, not a value"),
    ({"constraints": ["machine.systolic.rows"]}, "not true or false"),
    ({"constraints": ["schedule < 8"]}, "compares a text with a number"),
    ({"constraints": ["1 / (machine.systolic.rows - 16) > 0"]}, "divides by zero; at machine.systolic.rows=16"),
    ({"constraints": ["__import__('os').system('true')"]}, "a call is not allowed"),
    ({"constraints": ["machine.__class__"]}, "is not allowed"),
    ({"constraints": ["9**9**9 > 1"]}, "an exponent is beyond"),
    ({"constraints": ["(" * 200 + "1" + ")" * 200]}, ""),
    ({"constraints": [5]}, "constraints"),
    ({"name": ""}, "name"),
]


@pytest.mark.parametrize(("change", "told"), BAD, ids=[told[:40] for _, told in BAD])
def test_a_bad_sweep_is_refused(change: dict[str, Any], told: str) -> None:
    good: dict[str, Any] = {"name": "x", "base": "pim-llm", "axes": {ROWS: [8, 16]}}
    if "constraints" in change and change["constraints"][0] == "(" * 200 + "1" + ")" * 200:
        assert "expression" in refusal(good | change)
        return
    assert told in refusal({key: value for key, value in (good | change).items() if value is not None})


def test_a_trillion_points_are_refused_at_once() -> None:
    spec = ["8, 16, 24, 32, 40, 48, 56, 64, 72, 80"]
    keys = [
        *("machine.systolic.rows", "machine.systolic.columns", "workload.context_length", "workload.batch"),
        *("machine.mesh.rows", "machine.mesh.columns", "machine.vector.lanes", "machine.memory.channels"),
        *("mapping.attention_slices", "mapping.vector_chunks", "mapping.stream_buffers", "machine.crossbar.banks"),
    ]
    axes = {key: [int(value) for value in spec[0].split(", ")] for key in keys}
    used = {"schedule": "dataflow", "mapping.provisioning": "whole_model"}
    message = refusal({"name": "x", "base": "pim-llm", "set": used, "axes": axes})
    assert f"1,000,000,000,000 points, more than the {MAX_POINTS:,} that a sweep may have" in message
    drawn = plan_of(axes, set=used, sampling={"method": "sobol", "points": 16})
    assert len(drawn) == 16
    long = {"start": 1e8, "stop": 1e12, "step": 0.5}
    assert "values, more than" in refusal({"name": "x", "base": "pim-llm", "axes": {CLOCK: long}})
    assert "out of range" in refusal({"name": "x", "base": "pim-llm", "axes": {CLOCK: long | {"count": 10**12}}})


def test_all_problems_are_listed_with_their_lines() -> None:
    message = refusal(
        "name: x\nbase: pim-llm\naxes:\n  machine.systolic.rowz: [8]\n  machine.mesh.rows:\n    start: 9\n    stop: 8\n"
    )
    assert "axes.machine.systolic.rowz" in message
    assert "(sweep:4)" in message
    assert "is empty" in message
    assert "(sweep:6)" in message or "(sweep:5)" in message


@pytest.mark.parametrize(
    "text", ["", "- 1", "name: x\nname: y", "a: &a [*a]", "!!python/object:os.system {}", "{", "5"]
)
def test_what_is_no_mapping_is_refused(text: str) -> None:
    assert "sweep" in refusal(text)


def test_a_file_that_is_not_there_or_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file, and no shipped sweep with this name"):
        load_sweep("sweep-nothing-like-it")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_sweep(tmp_path / "x.yaml")


@pytest.mark.parametrize("name", list_sweeps())
def test_a_shipped_sweep_loads_under_its_name_and_its_points_run(name: str) -> None:
    plan = load_sweep(name)
    assert plan.space.name == name
    assert sweep_of_text(plan.space.text).space.axes == plan.space.axes
    evaluator = Evaluator(plan.space)
    for number in range(0, len(plan), max(1, len(plan) // 8)):
        assert evaluator.evaluate(plan[number]).error == ""


def test_sweeps_are_no_configs() -> None:
    assert list_sweeps() == ["sweep-arrays", "sweep-systolic", "sweep-tiles"]
    assert not set(list_sweeps()) & set(list_configs())


def test_a_mapping_and_the_file_of_it_are_the_same_sweep(tmp_path: Path) -> None:
    source = {"name": "x", "base": "pim-llm", "contexts": [64], "axes": {LINK: ["1 Gb/s"], ROWS: [8, 16]}}
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(source, sort_keys=False), encoding="utf-8")
    (tmp_path / "x.json.yaml").write_text(json.dumps(source), encoding="utf-8")
    assert list(load_sweep(path)) == list(load_sweep(source)) == list(load_sweep(tmp_path / "x.json.yaml"))
