"""`pimsim run`: its summary, its files, overrides and traces."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from pimsim import explain, find_improvements, load_config, simulate
from pimsim.base.shipped_files import find_trace
from pimsim.mapping.circuit_costs import LINES
from pimsim.present.formats import to_json
from pimsim.results.accounting import IDLE_LEAKAGE
from tests.pimsim.cli.shipped_traces import SHIPPED_TRACES
from tests.support.command_line import assert_refused
from tests.support.command_line import pimsim as run_pimsim

SMALL = ("--set", "workload.model=gpt2-small")
MODEL = ("--model", "gpt2-small")


def test_run_shows_a_summary() -> None:
    shown = run_pimsim("run", "pim-llm", *SMALL, "--set", "workload.context_length=300").ok
    assert shown.startswith("pim-llm: gpt2-small, decode at context 300,")
    assert "tokens/s" in shown


def test_json_is_the_result_as_a_dict() -> None:
    shown = json.loads(run_pimsim("run", "pim-llm", *SMALL, "--json").ok)
    expected = simulate(load_config("pim-llm", ["workload.model=gpt2-small"])).to_dict()
    assert shown == json.loads(json.dumps(expected))
    assert shown["summary"]["model"] == "gpt2-small"
    assert shown["config"]["workload"]["model"] == "gpt2-small"


def test_csv_has_a_row_per_op(tmp_path: Path) -> None:
    path = tmp_path / "ops.csv"
    shown = run_pimsim("run", "pim-llm", *SMALL, "--csv", path).ok
    assert "tokens/s" in shown, "the summary comes as well"
    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small"]))
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert rows == [{key: str(value) for key, value in row.items()} for row in result.op_rows()]
    assert [row["op"] for row in rows] == [op.name for op in result.ops]


def test_a_result_file_runs_again(tmp_path: Path) -> None:
    path = tmp_path / "result.h5"
    first = run_pimsim("run", "pim-llm", *SMALL, "--set", "operations_per_mac=2", "--out", path, "--json").ok
    assert path.read_bytes().startswith(b"\x89HDF")
    assert run_pimsim("run", path, "--json").ok == first
    changed = json.loads(run_pimsim("run", path, "--set", "workload.context_length=7", "--json").ok)
    assert changed["summary"]["context_length"] == 7
    assert changed["summary"]["operations_per_mac"] == 2
    assert [each.name for each in tmp_path.iterdir()] == ["result.h5"]


def test_overrides_accept_units_and_the_same_value_twice() -> None:
    shown = run_pimsim(
        "run", "pim-llm", *SMALL,
        "--set", "machine.mesh.link_bandwidth_bps=40 Gb/s",
        "--set", "machine.mesh={link_bandwidth_bps: 40e9}",
        "--json",
    ).ok  # fmt: skip
    assert json.loads(shown)["config"]["machine"]["mesh"]["link_bandwidth_bps"] == 40e9


def test_a_config_file_runs(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: pim-llm\nname: mine\nworkload: {model: gpt2-small}\n", encoding="utf-8")
    assert run_pimsim("run", path).ok.startswith("mine: gpt2-small,")


LAYERS_ONLY = [f"--set=workload.{key}" for key in ("embedding=false", "lm_head=false", "quantisation=false")]
LAYERS_ONLY += ["--set=workload.kv.scale_bits=0"]
"""What the shipped traces contain."""
OF_ANY_TRACE = (LINES, IDLE_LEAKAGE, "loading the weights once")
"""Items that are left out of a trace file, too; what its model needs besides is not known."""
NOTE_OF_A_TRACE = (
    "the trace file has no LM head, embedding, quantisation passes, steps of the KV cache: left out, and not priced "
    "above"
)


@pytest.mark.parametrize("name", SHIPPED_TRACES)
def test_a_shipped_trace_gives_the_result_of_its_model(name: str) -> None:
    model, context_length = SHIPPED_TRACES[name]
    by_trace = json.loads(run_pimsim("run", "pim-llm", "--trace", name, "--json").ok)
    by_model = json.loads(
        run_pimsim(
            "run", "pim-llm", "--set", f"workload.model={model}", "--set", f"workload.context_length={context_length}",
            *LAYERS_ONLY, "--json",
        ).ok
    )  # fmt: skip
    assert by_trace.pop("config")["workload"]["trace"] == name
    assert by_model.pop("config")["workload"]["trace"] is None
    by_model["left_out"] = [each for each in by_model["left_out"] if each["name"] in OF_ANY_TRACE]
    by_model["notes"].insert(0, NOTE_OF_A_TRACE)
    assert by_trace == by_model


def test_a_complete_trace_file_has_no_note_of_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    options = ("--embedding", "--lm-head", "--quantisation", "--kv-step-bits", "32")
    _ = run_pimsim("trace", "make", "gpt2-small", "--context", "64", "--out", path, *options).ok
    by_trace = json.loads(run_pimsim("run", "pim-llm", "--trace", path, "--json").ok)
    by_model = json.loads(run_pimsim("run", "pim-llm", *MODEL, "--context", "64", "--json").ok)
    assert by_trace["notes"] == by_model["notes"]
    assert by_trace["summary"] == by_model["summary"]


@pytest.mark.parametrize("name", ["trace.json", "a: b #c.json", "null", "1e5", "'q", "ü {x}.json", "-1"])
def test_a_trace_file_may_have_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(find_trace("gpt2-medium-decode-128").read_bytes())
    shown = json.loads(run_pimsim("run", "tpu-llm", f"--trace={name}", "--json").ok)
    assert shown["config"]["workload"]["trace"] == str(tmp_path / name), "it can be run again from anywhere"
    assert shown["summary"]["model"] == "gpt2-medium"


def test_short_options_equal_their_overrides() -> None:
    short = run_pimsim("run", "pim-llm", *MODEL, "--context", "300", "--schedule", "dataflow", "--json").ok
    long = run_pimsim(
        "run", "pim-llm", "--set", "workload.model=gpt2-small", "--set", "workload.context_length=300",
        "--set", "schedule=dataflow", "--json",
    ).ok  # fmt: skip
    assert short == long


def test_the_model_option_replaces_the_trace_of_a_config(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: pim-llm\nworkload: {model: null, trace: opt-6.7b-decode-1024}\n", encoding="utf-8")
    assert json.loads(run_pimsim("run", path, *MODEL, "--json").ok)["summary"]["model"] == "gpt2-small"


def test_wrong_values_of_short_options_are_refused() -> None:
    assert_refused(run_pimsim("run", "pim-llm", "--schedule", "datafow"), 3)
    assert_refused(run_pimsim("run", "pim-llm", "--model", "gpt2-smal"), 4)
    assert_refused(run_pimsim("run", "pim-llm", "--context", "0"), 3)
    assert_refused(run_pimsim("run", "pim-llm", "--context", "many"), 2)


@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
def test_explain_comes_after_the_summary_and_in_json(schedule: str) -> None:
    args = ("run", "pim-llm", *MODEL, "--schedule", schedule, "--explain")
    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small", f"schedule={schedule}"]))
    explanation, improvements = explain(result), find_improvements(result)
    shown = run_pimsim(*args).ok
    assert shown.index("tokens/s") < shown.index("Explanation of the latency of ")
    for sentence in explanation.sentences():
        assert sentence in shown
    plain = json.loads(run_pimsim(*args, "--json").ok)
    assert plain.pop("explanation") == json.loads(json.dumps(explanation.to_dict()))
    assert plain.pop("improvements") == json.loads(to_json(improvements.to_dict()))
    assert plain == json.loads(to_json(result.to_dict()))
    assert shown.index("Explanation of the latency of ") < shown.index("What would help: ")
    for sentence in improvements.sentences():
        assert sentence in shown


def test_explain_does_not_repeat_a_contended_run() -> None:
    shown = run_pimsim("run", "pim-llm", *MODEL, "--schedule", "contended", "--explain").ok
    assert "not computed under the contended schedule" in shown
    plain = json.loads(run_pimsim("run", "pim-llm", *MODEL, "--schedule", "contended", "--explain", "--json").ok)
    assert plain["improvements"]["tried"] == []


@pytest.mark.parametrize("by", ["op", "layer"])
def test_by_adds_a_table_to_the_summary_and_writes_it_as_csv(by: str, tmp_path: Path) -> None:
    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small"]))
    rows = {"op": result.by_op, "layer": result.by_layer}[by]()
    path = tmp_path / "rows.csv"
    shown = run_pimsim("run", "pim-llm", *MODEL, "--by", by, "--csv", path).ok
    assert shown.index("tokens/s") < shown.index(f"Time on the critical path, energy and memory traffic by {by}")
    written = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert written == [{key: str(value) for key, value in row.items()} for row in rows]
    plain = json.loads(run_pimsim("run", "pim-llm", *MODEL, "--by", by, "--json").ok)
    assert plain.pop(f"by_{by}") == json.loads(to_json(rows))
    assert plain == json.loads(to_json(result.to_dict()))


def test_by_refuses_other_tables_and_generations() -> None:
    assert_refused(run_pimsim("run", "pim-llm", *MODEL, "--by", "opp"), 2)
    assert_refused(run_pimsim("run", "pim-llm", *MODEL, "--set", "workload.phase=generate", "--by", "op"), 2)


def test_a_timeline_is_written_in_addition_to_the_summary(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    assert "tokens/s" in run_pimsim("run", "pim-llm", *MODEL, "--timeline", path).ok
    assert json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    assert_refused(run_pimsim("run", "pim-llm", *MODEL, "--timeline", tmp_path), 7)


def test_reports_of_prefill_and_batch_name_their_tokens() -> None:
    prefill = run_pimsim("run", "pim-llm", *MODEL, "--set", "workload.phase=prefill", "--set", "workload.batch=2").ok
    assert "prefill of 128 tokens, batch of 2 sequences" in prefill
    assert "prompt tokens/s" in prefill
    assert "for all 256" in prefill
    batch = run_pimsim("run", "tpu-llm", *MODEL, "--set", "workload.batch=3").ok
    assert "decode at context 128, batch of 3 sequences" in batch
    assert "per step, one token for each of 3 sequences" in batch
    assert "read for every step" in batch
    assert "per token" in run_pimsim("run", "tpu-llm", *MODEL).ok


def test_the_phase_load_runs_the_loading_of_the_weights(tmp_path: Path) -> None:
    keys = ("--set", "machine.crossbar.pair.array.remapping=columns", "--set", "workload.lm_head=false")
    used = json.loads(run_pimsim("run", "pim-llm", *MODEL, *keys, "--json").ok)["summary"]
    shown = run_pimsim("run", "pim-llm", *MODEL, *keys, "--phase", "load", "--by", "op", "--out", tmp_path / "l.h5").ok
    assert shown.startswith("pim-llm: gpt2-small, loading the weights, serial schedule,")
    assert "counted: fault test" in shown
    assert "tokens/s" not in shown
    loaded = json.loads(run_pimsim("run", tmp_path / "l.h5", "--json").ok)
    assert loaded["summary"]["latency_s"] == used["weight_load_s"]
    assert [op["op"] for op in loaded["ops"]] == ["test cells", "load weights"]
    traced = run_pimsim("run", "pim-llm", "--trace", "gpt2-medium-decode-128", "--phase", "load")
    assert "loading the weights" in traced.ok
    assert "no effect" not in traced.err
    refused = run_pimsim("run", "tpu-llm", *MODEL, "--phase", "load")
    assert_refused(refused, 4)
    assert "tpu-llm keeps no weights on the chip" in refused.err
