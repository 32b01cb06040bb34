"""`pimsim sweep`: counts, progress, file names, and refused command lines."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pimsim import read_sweep
from tests.support.command_line import assert_refused, pimsim_process
from tests.support.command_line import pimsim as command_line
from tests.support.pseudo_terminal import needs_pseudo_terminal, run_in_terminal
from tests.support.sweeps import write_sweep_file


def test_the_command_counts_runs_and_refuses(tmp_path: Path) -> None:
    spec, out = write_sweep_file(tmp_path), tmp_path / "many.h5"
    dry = json.loads(pimsim_process("sweep", spec, "--dry-run", "--json").ok)
    assert (dry["points"], dry["dropped_by_constraints"]) == (320, 0)
    assert dry["seconds_per_point"] > 0
    assert 0 < dry["points_failed"] < dry["points_run"]
    assert not out.exists()
    told = json.loads(pimsim_process("sweep", spec, "--out", out, "--json").ok)
    assert (told["points"], told["failed"], told["file"]) == (320, 80, str(out))
    assert {key: told[key] for key in ("counted", "left_out")} == read_sweep(out).accounting.to_dict()
    assert told["counted"]
    assert_refused(pimsim_process("sweep", spec, "--out", out), 9)
    shown = pimsim_process("sweep", spec, "--out", out, "--resume").ok
    assert "many: 320 points, 80 failed" in shown
    assert "80 failed: point: machine.crossbar.pair.array: rows_at_once (512) must not exceed rows (256)" in shown


@needs_pseudo_terminal
def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    spec, out = write_sweep_file(tmp_path), tmp_path / "out.h5"
    command = [sys.executable, "-m", "pimsim", "sweep", str(spec), "--out", str(out), "--workers", "1"]
    printed, shown = run_in_terminal(command, 120)
    assert b"points" in shown
    assert b"/320" in shown
    assert b"failed" in shown
    assert b"/320" not in printed


def test_a_sweep_is_called_as_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.yaml").write_text("name: named\nbase: tpu-llm\nmodels: [gpt2-small]\n", encoding="utf-8")
    outcome = command_line("sweep", "file.yaml", "--workers", "1")
    assert "named.h5 written in" in outcome.ok
    assert (tmp_path / "named.h5").exists()


@pytest.mark.parametrize(
    "options", [["--out", "x.h5"], ["--resume"], ["--force"], ["--scheduler", "tcp://127.0.0.1:1"]]
)
def test_a_dry_run_refuses_options_of_a_run(options: list[str]) -> None:
    outcome = command_line("sweep", "sweep-tiles", "--dry-run", *options)
    assert_refused(outcome, 2)
    assert f"{options[0]} has no effect with --dry-run" in outcome.err
