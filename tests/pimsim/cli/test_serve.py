"""`pimsim serve`: files, printed output and refused options."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pimsim import load_requests
from pimsim.base.shipped_files import find_config
from pimsim.studies.serving.serving_store import read_serving
from tests.support.command_line import assert_refused, interruptible, pimsim

SMALL = ("serve", "pim-llm", "--set", "workload.model=gpt2-small")
FEW = (*SMALL, "--poisson", "5", "--count", "6", "--prompt", "8", "--output", "uniform:1:4")


def test_random_requests_are_served_and_shown() -> None:
    text = pimsim(*FEW).ok
    assert "6 requests, prefill_first, batches of at most 8" in text
    assert "time to first token" in text


def test_json_csv_hdf5_and_plots_agree(tmp_path: Path) -> None:
    rows, stored, plots = tmp_path / "r.csv", tmp_path / "r.h5", tmp_path / "plots"
    shown = json.loads(pimsim(*FEW, "--json", "--csv", rows, "--out", stored, "--plots", plots).ok)
    result = read_serving(stored)
    assert shown["summary"] == json.loads(json.dumps(result.summary()))
    assert shown["requests"] == json.loads(json.dumps(list(result.request_rows())))
    with rows.open() as file:
        table = list(csv.DictReader(file))
    assert [float(row["ttft_s"]) for row in table] == [each["ttft_s"] for each in shown["requests"]]
    names = {f"serving-{what}.{suffix}" for what in ("times", "load", "power") for suffix in ("png", "svg", "pdf")}
    assert {path.name for path in plots.iterdir()} == names


def test_a_file_of_requests_is_served(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text('{"arrival_s": 0, "prompt_tokens": 4, "output_tokens": 1, "id": "x"}\n')
    shown = json.loads(pimsim(*SMALL, "--requests", file, "--json").ok)
    assert [each["id"] for each in shown["requests"]] == ["x"]
    assert shown["requests"][0]["tpot_s"] is None


def test_a_trace_of_another_project_is_served_with_what_is_said_about_it(tmp_path: Path) -> None:
    """Azure's format: the second request is in the window, and 4 s after the first one with half the request rate."""
    file, stored = tmp_path / "mine", tmp_path / "r.h5"
    rows = ("01:00,9,9", "01:01.5,4,2", "01:02,3,0", "01:03.5,5,1", "01:04,5,1")
    file.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(f"2023-11-16 18:{row}\n" for row in rows))
    options = ("--window", "1:", "--limit", "2", "--scale", "2", "--out", stored)
    shown = json.loads(pimsim(*SMALL, "--requests", file, *options, "--json").ok)
    assert [(each["id"], each["arrival_s"]) for each in shown["requests"]] == [("2", 0.0), ("4", 4.0)]
    assert shown["notes"][:2] == [
        "requests: Azure LLM inference trace; arrival times count from the first request",
        "requests: 1 of 4 rows has no output tokens and is skipped",
    ]
    assert read_serving(stored).notes == tuple(shown["notes"])
    selected = load_requests(file, window=(1.0, None), limit=2, scale=2.0)  # Python does what the command does
    assert [(each.id, each.arrival_s) for each in selected] == [("2", 0.0), ("4", 4.0)]


@pytest.mark.parametrize(
    ("options", "code", "wanted"),
    [
        ((), 2, "give either --requests FILE or --poisson RATE"),
        (("--requests", "requests-chat", "--poisson", "1"), 2, "give either"),
        (("--requests", "requests-chat", "--seed", "3"), 2, "--seed needs --rate"),
        (("--requests", "requests-chat", "--count", "3"), 2, "--count is an option of random requests"),
        (("--poisson", "1", "--limit", "3"), 2, "--limit is an option of --requests"),
        (("--requests", "requests-chat", "--window", "5"), 4, "window must be START:END in seconds"),
        (("--requests", "requests-chat", "--scale", "0"), 4, "scale must be a number"),
        (("--requests", "requests-chat", "--rate", "1"), 4, "has arrival times, so a rate"),
        (("--requests", "requests-chat", "--tokenizer", "x"), 4, "a tokenizer has no effect"),
        (("--requests", "requests-chap"), 4, "did you mean requests-chat?"),
        (("--poisson", "0"), 4, "rate must be a number"),
        (("--poisson", "nan"), 4, "rate must be a number"),
        (("--poisson", "1", "--count", "0"), 4, "count must be"),
        (("--poisson", "1", "--seed", "-1"), 4, "seed must be"),
        (("--poisson", "1", "--prompt", "unifrom:1:2"), 4, "did you mean uniform?"),
        (("--poisson", "1", "--output", "0"), 4, "output must be"),
        (("--poisson", "1", "--set", "serving.policy=fifo"), 3, "serving.policy"),
        (("--poisson", "1", "--set", "serving.max_batch=0"), 3, "serving.max_batch"),
        (("--poisson", "1", "--set", "serving.max_bach=2"), 3, "did you mean"),
        (
            ("--poisson", "1", "--count", "1", "--prompt", "700", "--set", "machine.memory.capacity_bytes=80 MB"),
            4,
            "request '1' can never",
        ),
        (("--poisson", "1", "--set", "machine.memory.capacity_bytes=1"), 5, "gpt2-small needs 80.6 MB"),
        (("--poisson", "1", "--out", "none/x.h5"), 7, "there is no directory"),
        (("--poisson", "1", "--csv", "."), 7, "is a directory"),
    ],
)
def test_invalid_options_are_refused_in_a_few_lines(options: tuple[str, ...], code: int, wanted: str) -> None:
    outcome = pimsim(*SMALL, *options)
    assert_refused(outcome, code)
    assert wanted in outcome.err


def test_the_error_for_a_request_file_names_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text('{"arrival_s": 1, "prompt_tokens": 4}\nx\n')
    outcome = pimsim(*SMALL, "--requests", file)
    assert_refused(outcome, 4)
    assert "line 1: output_tokens is missing" in outcome.err
    assert "line 2: it is not JSON" in outcome.err


@pytest.mark.timeout(300)
def test_ctrl_c_writes_the_requests_served_so_far(tmp_path: Path) -> None:
    """The signal comes when progress is first told, so that some have been served however slow the machine is."""
    out = tmp_path / "part.h5"
    many = ("--poisson", "20", "--count", "4000", "--prompt", "8", "--output", "uniform:1:40", "--out", str(out))
    code = f"""
import os, signal, sys
from contextlib import contextmanager
import pimsim.present.text.serving_report
from pimsim.cli.app import main

@contextmanager
def interrupting():
    yield lambda served, of: os.kill(os.getpid(), signal.SIGINT)

pimsim.present.text.serving_report.progress_on_terminal = interrupting
sys.argv = ["pimsim", *{[*SMALL, *many]!r}]
main()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible,
    )  # fmt: skip
    text, errors = process.communicate(timeout=240)
    assert process.returncode == 130, errors
    result = read_serving(out)
    assert 0 < len(result.requests) < 4000
    assert f"interrupted: {len(result.requests)} of 4000 requests served; their results are shown and written" in errors
    assert f"{len(result.requests):,} of 4,000 requests" in text


def test_ctrl_c_before_the_first_request_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pimsim.studies.serving.serving_run.serve", interrupted)
    outcome = pimsim(*FEW, "--out", tmp_path / "out.h5")
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err == "pimsim: interrupted before the first of 6 requests was served; nothing is written\n"
    assert list(tmp_path.iterdir()) == []


def test_a_config_given_as_requests_is_named() -> None:
    outcome = pimsim("serve", "pim-llm", "--requests", find_config("pim-llm"))
    assert_refused(outcome, 2)
    assert "is a config" in outcome.err


def test_settings_that_serving_does_not_read_are_said() -> None:
    options = ("--set", "workload.model=gpt2-small", "--set", "workload.batch=4", "--count", "2", "--output", "2")
    outcome = pimsim("serve", "pim-llm", "--poisson", "1000", *options)
    assert outcome.code == 0
    assert outcome.err.startswith("note: workload.batch changes no figure here: requests have lengths of their own")


def test_a_trace_beside_a_model_is_refused() -> None:
    refused = pimsim("serve", "pim-llm", "--set", "workload.trace=t.json", "--poisson", "1", "--count", "1")
    assert_refused(refused, 4)
    assert refused.err.startswith(
        "pimsim: workload.trace: 't.json': serving needs a model; a trace file contains only one"
    )
