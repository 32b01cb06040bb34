"""`pimsim waterfall`: the steps from one config to another as text, JSON, CSV and plots."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from pimsim import load_config, simulate
from pimsim.results.store import write_result
from tests.support.command_line import assert_refused
from tests.support.command_line import pimsim as run_pimsim

SMALL = ("--set", "workload.model=gpt2-small")


def test_text_has_the_steps_the_keys_and_the_order(tmp_path: Path) -> None:
    shown = run_pimsim("waterfall", "pim-llm-published", "tpu-llm-published", *SMALL, "--csv", tmp_path / "w.csv").ok
    title, *_ = shown.splitlines()
    assert title == "pim-llm-published to tpu-llm-published: gpt2-small, serial schedule"
    assert "  mapping.projections: crossbar -> systolic: crossbar tiles or the systolic array" in shown
    assert "  machine.mesh: section -> null: network of the tiles" in shown
    assert "  order: model and phase" in shown
    assert "which a run does not read: name, description" in shown
    assert max(map(len, shown.splitlines())) <= 160
    rows = list(csv.DictReader(io.StringIO((tmp_path / "w.csv").read_text(encoding="utf-8"))))
    assert [rows[0]["step"], rows[-1]["step"]] == ["pim-llm-published", "tpu-llm-published"]
    change = sum(int(row["change_latency_ps"]) for row in rows)
    assert change == int(rows[-1]["latency_ps"]) - int(rows[0]["latency_ps"])


def test_json_is_of_the_overridden_configs() -> None:
    outcome = run_pimsim("waterfall", "pim-llm-published", "pim-llm", *SMALL, "--set", "schedule=dataflow", "--json")
    shown = json.loads(outcome.ok)
    base = ["workload.model=gpt2-small", "schedule=dataflow"]
    assert shown["start"]["latency_ps"] == simulate(load_config("pim-llm-published", base)).latency_ps
    assert shown["end"]["energy_j"] == simulate(load_config("pim-llm", base)).energy_j
    assert shown["steps"]


def test_a_result_file_is_a_config(tmp_path: Path) -> None:
    write_result(
        simulate(load_config("pim-llm", ["workload.model=gpt2-small", "leakage_gating=ungated"])), tmp_path / "r.h5"
    )
    shown = run_pimsim("waterfall", tmp_path / "r.h5", "pim-llm", *SMALL).ok
    assert "leakage_gating: ungated -> idle_gated" in shown


def test_plots_are_written(tmp_path: Path) -> None:
    run_pimsim("waterfall", "pim-llm", "defaults", *SMALL, "--plots", tmp_path / "plots")
    written = {path.name for path in (tmp_path / "plots").iterdir()}
    assert written == {f"waterfall.{each}" for each in ("png", "svg", "pdf")}


def test_what_is_not_a_config_is_refused() -> None:
    outcome = run_pimsim("waterfall", "pim-llm", "pim-lm")
    assert_refused(outcome, 3)
    assert "pim-llm" in outcome.err
