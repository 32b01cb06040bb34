"""Commands that report: explanations, timelines, generations, stored results, lists, init and imports."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pimsim import explain, generate, load_config, simulate
from pimsim.base.shipped_files import list_configs
from pimsim.config.model_catalog import model_rows
from pimsim.present.formats import to_json
from pimsim.results.store import write_result
from tests.pimsim.importers.test_mnsim import ini
from tests.pimsim.importers.test_scalesim import GEMMS, V2, cfg
from tests.support.command_line import SECONDS, assert_refused, interruptible
from tests.support.command_line import pimsim as run_pimsim

SMALL = ("--model", "gpt2-small")
GENERATE = (*SMALL, "--set", "workload.phase=generate", "--set", "workload.prompt_length=16")


# --- run ------------------------------------------------------------------------------------------------------------


def test_short_options_equal_their_overrides() -> None:
    short = run_pimsim("run", "pim-llm", *SMALL, "--context", "300", "--schedule", "dataflow", "--json").ok
    long = run_pimsim(
        "run", "pim-llm", "--set", "workload.model=gpt2-small", "--set", "workload.context_length=300",
        "--set", "schedule=dataflow", "--json",
    ).ok  # fmt: skip
    assert short == long


def test_the_model_option_replaces_the_trace_of_a_config(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: pim-llm\nworkload: {model: null, trace: opt-6.7b-decode-1024}\n", encoding="utf-8")
    assert json.loads(run_pimsim("run", path, *SMALL, "--json").ok)["summary"]["model"] == "gpt2-small"


def test_wrong_values_of_short_options_are_refused() -> None:
    assert_refused(run_pimsim("run", "pim-llm", "--schedule", "datafow"), 3)
    assert_refused(run_pimsim("run", "pim-llm", "--model", "gpt2-smal"), 4)
    assert_refused(run_pimsim("run", "pim-llm", "--context", "0"), 3)
    assert_refused(run_pimsim("run", "pim-llm", "--context", "many"), 2)


@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
def test_explain_comes_after_the_summary_and_in_json(schedule: str) -> None:
    args = ("run", "pim-llm", *SMALL, "--schedule", schedule, "--explain")
    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small", f"schedule={schedule}"]))
    shown = run_pimsim(*args).ok
    assert shown.index("tokens/s") < shown.index("Explanation of the latency of ")
    for sentence in explain(result).sentences():
        assert sentence in shown
    plain = json.loads(run_pimsim(*args, "--json").ok)
    assert plain.pop("explanation") == json.loads(json.dumps(explain(result).to_dict()))
    assert plain == json.loads(to_json(result.to_dict()))


def test_a_timeline_is_written_in_addition_to_the_summary(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    assert "tokens/s" in run_pimsim("run", "pim-llm", *SMALL, "--timeline", path).ok
    assert json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    assert_refused(run_pimsim("run", "pim-llm", *SMALL, "--timeline", tmp_path), 7)


def test_reports_of_prefill_and_batch_name_their_tokens() -> None:
    prefill = run_pimsim("run", "pim-llm", *SMALL, "--set", "workload.phase=prefill", "--set", "workload.batch=2").ok
    assert "prefill of 128 tokens, batch of 2 sequences" in prefill
    assert "prompt tokens/s" in prefill
    assert "for all 256" in prefill
    batch = run_pimsim("run", "tpu-llm", *SMALL, "--set", "workload.batch=3").ok
    assert "decode at context 128, batch of 3 sequences" in batch
    assert "per step, one token for each of 3 sequences" in batch
    assert "read for every step" in batch
    assert "per token" in run_pimsim("run", "tpu-llm", *SMALL).ok


# --- generate -------------------------------------------------------------------------------------------------------


def test_generate_prints_prefill_and_decode() -> None:
    shown = run_pimsim("run", "pim-llm", *GENERATE, "--set", "workload.new_tokens=8").ok
    assert shown.startswith("pim-llm: gpt2-small, generate 8 tokens after a prompt of 16, serial schedule")
    assert "to the first token" in shown
    assert "all 8 simulated" in shown


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


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there is no pseudo-terminal")
def test_progress_is_shown_on_a_terminal_only() -> None:
    command = [sys.executable, "-m", "pimsim", "run", "pim-llm", *GENERATE, "--set", "workload.new_tokens=5"]
    master, terminal = os.openpty()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, timeout=SECONDS, check=True)
    os.close(terminal)
    assert b"decode steps" in os.read(master, 1 << 16)
    os.close(master)
    assert b"decode steps" not in done.stdout
    assert run_pimsim(*command[3:]).err == ""


# --- show -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
def test_show_prints_the_same_as_the_run(schedule: str, tmp_path: Path) -> None:
    stored, timeline, again = tmp_path / "r.h5", tmp_path / "t.json", tmp_path / "t2.json"
    args = ("--explain", "--timeline")
    ran = run_pimsim(
        "run", "pim-llm", *SMALL, "--schedule", schedule, "--out", stored, *args, timeline,
    ).ok  # fmt: skip
    assert run_pimsim("show", stored, *args, again).ok == ran
    assert again.read_bytes() == timeline.read_bytes()
    plain = run_pimsim("run", "pim-llm", *SMALL, "--schedule", schedule, "--json").ok
    assert run_pimsim("show", stored, "--json").ok == plain


def test_show_computes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pimsim.simulation

    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small"]))
    write_result(result, tmp_path / "r.h5")
    monkeypatch.setattr(pimsim.simulation, "simulate", None)
    assert "tokens/s" in run_pimsim("show", tmp_path / "r.h5", "--csv", tmp_path / "ops.csv").ok
    assert (tmp_path / "ops.csv").exists()


def test_show_refuses_files_that_are_not_results(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("name: x", encoding="utf-8")
    for path in (tmp_path / "x", tmp_path, tmp_path / "none.h5"):
        assert_refused(run_pimsim("show", path), 8)


# --- lists ----------------------------------------------------------------------------------------------------------


def test_models_lists_every_model() -> None:
    shown = run_pimsim("models").ok
    assert json.loads(run_pimsim("models", "--json").ok) == model_rows()
    for row in model_rows():
        assert row["name"] in shown


def test_configs_and_devices_list_everything_shipped() -> None:
    shown = run_pimsim("configs").ok + run_pimsim("devices").ok
    listed = [
        each["name"] for command in ("configs", "devices") for each in json.loads(run_pimsim(command, "--json").ok)
    ]
    assert sorted(listed) == list_configs()
    for name in listed:
        assert name in shown
    assert "[F]" in shown
    assert "stock 10.08 pJ" in shown


# --- init -----------------------------------------------------------------------------------------------------------


def test_init_writes_a_config_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_pimsim("init", "mine.yaml").ok == "mine.yaml written. Run it: pimsim run mine.yaml\n"
    assert run_pimsim("run", "mine.yaml").ok.startswith("mine: gpt2-medium, decode at context 128")
    assert "pimsim.yaml written" in run_pimsim("init").ok
    assert {path.name for path in tmp_path.iterdir()} == {"mine.yaml", "pimsim.yaml"}


def test_init_replaces_files_only_with_force(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine", encoding="utf-8")
    outcome = run_pimsim("init", path)
    assert_refused(outcome, 7)
    assert "--force" in outcome.err
    assert path.read_text(encoding="utf-8") == "mine"
    dangling = tmp_path / "link"
    dangling.symlink_to(tmp_path / "nowhere")
    assert_refused(run_pimsim("init", dangling), 7)
    assert run_pimsim("init", path, "--force").ok
    assert load_config(path).name == "mine"


@pytest.mark.parametrize("path", ["", ".", "no/such/folder/x.yaml", "x" * 300])
def test_init_refuses_paths_that_cannot_be_written(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(run_pimsim("init", path), 7)
    assert not list(tmp_path.iterdir())


# --- import ---------------------------------------------------------------------------------------------------------


def test_an_mnsim_config_is_printed_or_written(tmp_path: Path) -> None:
    source, target = tmp_path / "SimConfig.ini", tmp_path / "ours.yaml"
    source.write_text(ini(), encoding="utf-8")
    printed = run_pimsim("import", "mnsim", source).ok
    assert run_pimsim("import", "mnsim", source, "--out", target).ok == ""
    assert target.read_text(encoding="utf-8") == printed
    assert run_pimsim("run", target).ok.startswith("SimConfig: gpt2-medium, ")


def test_a_scalesim_config_comes_with_its_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("google.cfg").write_text(cfg(V2), encoding="utf-8")
    Path("gemm.csv").write_text(GEMMS, encoding="utf-8")
    args = ("import", "scalesim", "google.cfg", "--topology", "gemm.csv")
    assert_refused(run_pimsim(*args), 2)
    assert run_pimsim(*args, "--out", "tpu.yaml").ok == ""
    assert {path.name for path in tmp_path.iterdir()} == {"google.cfg", "gemm.csv", "tpu.yaml", "tpu.trace.json"}
    shown = json.loads(run_pimsim("run", "tpu.yaml", "--json").ok)
    assert [op["op"] for op in shown["ops"]] == ["QKT", "QKTV", "PW-FF_L1", "PW-FF_L1:6"]


@pytest.mark.parametrize("kind", ["mnsim", "scalesim"])
def test_import_refuses_files_of_other_formats(kind: str, tmp_path: Path) -> None:
    (tmp_path / "x.ini").write_text("[a]\nb = 1\n", encoding="utf-8")
    for path in (tmp_path / "x.ini", tmp_path, tmp_path / "none", "/dev/null"):
        assert_refused(run_pimsim("import", kind, path), 3)
    good = tmp_path / "good.ini"
    good.write_text(ini() if kind == "mnsim" else cfg(V2), encoding="utf-8")
    assert_refused(run_pimsim("import", kind, good, "--out", tmp_path), 7)
    assert_refused(run_pimsim("import", kind, good, "--out", ""), 7)
