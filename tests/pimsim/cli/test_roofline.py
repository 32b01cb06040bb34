"""`pimsim roofline`: text, JSON, CSV and plot of several runs, and refusals; the same words in `run --explain`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from pimsim import load_config, roofline, simulate
from tests.support.command_line import assert_refused
from tests.support.command_line import pimsim as run_pimsim

SMALL = ("--model", "kjv-bitnet", "--context", "32")


def test_phases_and_batches_are_runs_of_their_own(tmp_path: Path) -> None:
    table, plot = tmp_path / "r.csv", tmp_path / "r.svg"
    shown = run_pimsim(
        "roofline", "pim-llm", *SMALL, "--phase", "decode,prefill", "--batch", "1,4", "--csv", table, "--plot", plot
    ).ok
    lines = shown.splitlines()
    titles = [line for line in lines if line.startswith("pim-llm: ")]
    assert [title.partition(", ")[2] for title in titles] == [
        "decode at context 32, serial schedule",
        "decode at context 32, batch of 4, serial schedule",
        "prefill at context 32, serial schedule",
        "prefill at context 32, batch of 4, serial schedule",
    ]
    assert lines[3].startswith("crossbars")
    assert any(line.split()[:5] == ["systolic", "array", "102.4", "GOPS", "2"] for line in lines)
    assert max(map(len, lines)) <= 160
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    assert {(row["phase"], row["batch"]) for row in rows} == {(p, b) for p in ("decode", "prefill") for b in "14"}
    assert "prefill, batch of 4" in plot.read_text(encoding="utf-8")


def test_keys_may_need_the_model_and_the_batch_of_the_options() -> None:
    model = Path(__file__).parents[2] / "data" / "transformers" / "deepseek_v2"
    keys = ("--set", "workload.mla=expanded", "--set", "mapping.microbatches=2")
    shown = run_pimsim("roofline", "pim-llm", "--model", model, "--context", "8", "--batch", "2", *keys).ok
    classes = {line.split("  ")[0] for line in shown.splitlines()}
    assert {"attention scores", "attention values", "expansion of latents", "KV cache writes"} <= classes
    assert not {"latent_scores", "latent_values", "latent_append", "grouped_projection"} & classes


def test_json_is_that_of_the_function() -> None:
    shown = json.loads(
        run_pimsim("roofline", "tpu-llm", *SMALL, "--set", "schedule=dataflow", "--by", "op", "--json").ok
    )
    config = load_config("tpu-llm", ["workload.model=kjv-bitnet", "workload.context_length=32", "schedule=dataflow"])
    assert shown["runs"] == [json.loads(json.dumps(roofline(simulate(config), by="op").to_dict()))]


def test_explain_says_the_same(tmp_path: Path) -> None:
    overrides = ["workload.model=kjv-bitnet", "workload.context_length=32"]
    first = next(roofline(simulate(load_config("pim-llm", overrides))).sentences())
    assert ": bound by the " in first
    shown = run_pimsim("run", "pim-llm", *SMALL, "--explain", "--out", tmp_path / "r.h5").ok
    assert first[:80] in shown
    explained = json.loads(run_pimsim("show", tmp_path / "r.h5", "--explain", "--json").ok)
    assert explained["roofline"]["sentences"][0] == first


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["pim-llm", "--phase", "decod"], 2, "'decod' is not one of decode, prefill; did you mean decode?"),
        (["pim-llm", "--batch", "1,x"], 2, "'x' is not a number of sequences"),
        (["pim-llm", "--batch", "0"], 2, "'0' is not a number of sequences"),
        (["pim-llm", "--by", "layer"], 2, "'layer' is neither class nor op"),
        (["pim-llm", "--set", "workload.phase=generate"], 2, "give --phase decode or --phase prefill"),
        (["pim-llm", "--context", "0"], 3, "workload.context_length"),
        (["pim-lm"], 3, "pim-llm"),
        (["pim-llm", "--model", "opt-6.8b"], 4, "did you mean opt-6.7b"),
    ],
)
def test_bad_input_is_refused_with_one_message(arguments: list[str], code: int, message: str) -> None:
    outcome = run_pimsim("roofline", *arguments)
    assert_refused(outcome, code)
    assert message in outcome.err
