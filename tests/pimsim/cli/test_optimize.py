"""`pimsim optimize`: the printed front, an interrupt, and refused search files."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pimsim.studies.optimization.search_run import optimize
from pimsim.studies.optimization.search_spec import load_search
from tests.support.command_line import assert_refused, interruptible, pimsim
from tests.support.searches import SEARCH, SPACE
from tests.support.waiting import wait_until


@pytest.mark.timeout(300)
def test_ctrl_c_on_the_command_line(tmp_path: Path) -> None:
    spec, out = tmp_path / "small.yaml", tmp_path / "small.h5"
    spec.write_text(yaml.safe_dump({**SEARCH, "trials": 100_000}), encoding="utf-8")
    command = [sys.executable, "-m", "pimsim", "optimize", spec, "--out", out]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible
    )
    journal = out.with_name(f"{out.name}.journal")
    wait_until(lambda: process.poll() is not None or (journal.exists() and journal.stat().st_size > 500))
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate(timeout=120)
    assert (process.returncode, printed) == (130, "")
    assert "interrupted" in said
    assert "--resume" in said
    assert "Traceback" not in said
    assert len(optimize(load_search({**SEARCH, "trials": 10}), tmp_path / "other.h5")) > 0
    found = pimsim("optimize", spec, "--out", out, "--resume", "--trials", "1")
    assert "trials" in found.ok


def test_the_command_prints_the_front_and_results_reads_the_file(tmp_path: Path) -> None:
    spec, out = tmp_path / "small.yaml", tmp_path / "small.h5"
    spec.write_text(yaml.safe_dump(SEARCH), encoding="utf-8")
    printed = pimsim("optimize", spec, "--out", out).ok
    assert printed.startswith("small: 40 trials, ")
    assert "front of tokens_per_s (higher is better), area_m2 (lower is better): " in printed
    found = json.loads(pimsim("optimize", spec, "--out", out, "--resume", "--json").ok)
    assert found["trials"] == 40
    lines = printed.splitlines()
    assert [line.partition(":")[0] for line in lines[1:3]] == [
        "counted in the first point",
        "left out in the first point",
    ]
    assert all(each["name"] in lines[1] for each in found["counted"])
    assert all(each["name"] in lines[2] for each in found["left_out"])
    assert found["counted"]
    assert found["left_out"]
    assert found["points"] + found["suggested_again"] + found["not_allowed"] == 40
    front = json.loads(pimsim("results", "front", out, "tokens_per_s,area_m2", "--json").ok)
    assert front == found["front"]
    assert f": {len(front)} points\n" in printed


def test_what_is_wrong_is_said_in_a_line(tmp_path: Path) -> None:
    spec = tmp_path / "small.yaml"
    spec.write_text(yaml.safe_dump({**SEARCH, "objectives": ["speed"]}), encoding="utf-8")
    assert_refused(pimsim("optimize", spec), 3)
    assert_refused(pimsim("optimize", tmp_path / "none.yaml"), 3)
    spec.write_text(yaml.safe_dump(SPACE), encoding="utf-8")
    assert_refused(pimsim("optimize", spec), 3)


LIMITED = {**SEARCH, "trials": 12, "batch": 4, "constraints": ["area_m2 <= 4e-4"]}


def test_the_command_says_how_many_points_violate_a_constraint_on_a_metric(tmp_path: Path) -> None:
    spec, out = tmp_path / "small.yaml", tmp_path / "small.h5"
    spec.write_text(yaml.safe_dump(LIMITED), encoding="utf-8")
    printed = pimsim("optimize", spec, "--out", out, "--workers", "1").ok
    found = json.loads(pimsim("optimize", spec, "--out", out, "--resume", "--json").ok)
    assert f"full evaluation: {found['points']} points, {found['infeasible']} violate area_m2 <= 4e-4" in printed
    assert found["infeasible"] > 0
    assert found["stages"][0]["infeasible"] == found["infeasible"]
    assert all(point["area_m2"] <= 4e-4 for point in found["front"])
    assert found["nearest"] == []
    for command in (("front", out), ("best", out, "tokens_per_s")):
        note = "--where 'area_m2 <= 4e-4'"
        assert note in pimsim("results", *command).ok
        assert note not in pimsim("results", *command, "--where", "area_m2 <= 4e-4").ok


def test_without_an_allowed_point_the_nearest_one_is_shown(tmp_path: Path) -> None:
    spec, out = tmp_path / "small.yaml", tmp_path / "small.h5"
    spec.write_text(yaml.safe_dump({**LIMITED, "constraints": ["area_m2 <= 1e-6"]}), encoding="utf-8")
    printed = pimsim("optimize", spec, "--out", out, "--workers", "1").ok
    assert "empty, because no point satisfies the constraints" in printed
    found = json.loads(pimsim("optimize", spec, "--out", out, "--resume", "--json").ok)
    assert found["front"] == []
    assert len(found["nearest"]) == 1


def test_workers_without_a_batch_are_refused(tmp_path: Path) -> None:
    spec = tmp_path / "small.yaml"
    spec.write_text(yaml.safe_dump(SEARCH), encoding="utf-8")
    refused = pimsim("optimize", spec, "--workers", "2")
    assert_refused(refused, code=2)
    assert "--workers has no effect with batch: 1" in refused.err
    refused = pimsim("optimize", spec, "--workers", "2", "--scheduler", "tcp://127.0.0.1:1")
    assert_refused(refused, code=2)
    assert "has workers of its own" in refused.err
