"""`pimsim run` of a whole generation: prefill and decode, its files, an interrupt and progress."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pimsim import generate, load_config
from pimsim.present.formats import to_json
from tests.support.command_line import SECONDS, assert_refused, interruptible
from tests.support.command_line import pimsim as run_pimsim
from tests.support.pseudo_terminal import needs_pseudo_terminal, run_in_terminal

SMALL = ("--model", "gpt2-small")
GENERATE = (*SMALL, "--set", "workload.phase=generate", "--set", "workload.prompt_length=16")


def test_generate_prints_prefill_and_decode() -> None:
    shown = run_pimsim("run", "pim-llm", *GENERATE, "--set", "workload.new_tokens=8").ok
    assert shown.startswith("pim-llm: gpt2-small, generate 8 tokens after a prompt of 16, serial schedule")
    assert "to the first token" in shown
    assert "all 7 simulated" in shown


def test_generate_as_json_and_csv(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    args = ("--set", "workload.new_tokens=30", "--set", "workload.samples=4")
    shown = json.loads(run_pimsim("run", "pim-llm", *GENERATE, *args, "--json", "--csv", path).ok)
    settings = [each for each in (*GENERATE, *args) if "=" in each]
    result = generate(load_config("pim-llm", ["workload.model=gpt2-small", *settings]))
    assert shown == json.loads(to_json(result.to_dict()))
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert rows == [{key: str(value) for key, value in row.items()} for row in result.step_rows()]
    assert len(rows) == 4


@pytest.mark.parametrize("option", ["--explain", "--timeline=t.json", "--out=r.h5"])
def test_options_of_a_single_run_are_refused_for_a_generation(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run_pimsim("run", "pim-llm", *GENERATE, option)
    assert_refused(outcome, 2)
    assert "describes a single run" in outcome.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--csv=steps.csv", "--plots=plots"])
def test_options_for_decode_steps_are_refused_where_there_is_none(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run_pimsim("run", "pim-llm", *GENERATE, "--set", "workload.new_tokens=1", option)
    assert_refused(outcome, 2)
    assert "the prefill computes the only new token" in outcome.err
    assert not list(tmp_path.iterdir())


@pytest.mark.timeout(300)
def test_a_generation_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    arguments = ["run", "pim-llm", *GENERATE, "--csv", str(tmp_path / "steps.csv")]
    code = f"""
import sys, time
import pimsim.generation
from pimsim.cli.app import main

def simulate(*config, **options):
    print("started", file=sys.stderr, flush=True)
    time.sleep(600)

pimsim.generation.simulate = simulate
sys.argv = ["pimsim", *{arguments!r}]
main()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible,
    )  # fmt: skip
    assert process.stderr
    assert process.stderr.readline() == "started\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


@needs_pseudo_terminal
def test_progress_is_shown_on_a_terminal_only() -> None:
    command = [sys.executable, "-m", "pimsim", "run", "pim-llm", *GENERATE, "--set", "workload.new_tokens=5"]
    printed, shown = run_in_terminal(command, SECONDS)
    assert b"decode steps" in shown
    assert b"decode steps" not in printed
    assert run_pimsim(*command[3:]).err == ""
