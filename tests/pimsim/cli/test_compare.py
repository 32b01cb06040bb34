"""`pimsim compare`: tables, JSON, CSV, stored comparisons and plots; exit codes; one message for each wrong input."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from pimsim.studies.comparison import comparison_points
from tests.support.command_line import assert_refused
from tests.support.command_line import pimsim as run_pimsim
from tests.support.printed import rows_below

SMALL = ("--models", "gpt2-small")
BOTH = ("pim-llm", "tpu-llm")


def test_the_table_prints_what_run_prints(tmp_path: Path) -> None:
    shown = run_pimsim("compare", *BOTH, *SMALL, "--contexts", "64,512").ok
    assert max(map(len, shown.splitlines()[-12:])) <= 160
    rows = rows_below(shown, "model ")
    assert rows[0][:3] == ["gpt2-small", "64", "pim-llm"]
    for name, row in zip(BOTH, rows[:2], strict=True):
        ran = run_pimsim("run", name, "--model", "gpt2-small", "--context", "64").ok
        cells = row[row.index(name) + 1 :]
        for cell, unit in zip(
            cells[:6], ("per token", "tokens/s", "per token", "tokens/J", "GOPS", "GOPS/W"), strict=True
        ):
            assert any(f"{cell} {unit}" in line for line in ran.splitlines()), (cell, unit)
        assert f"{cells[6]} mm^2" in ran
    values = [
        json.loads(run_pimsim("run", name, "--model", "gpt2-small", "--context", "64", "--json").ok) for name in BOTH
    ]
    found = json.loads(run_pimsim("compare", *BOTH, *SMALL, "--contexts", "64", "--json").ok)
    for row, value in zip(found["rows"], values, strict=True):
        same = row.keys() & value["summary"].keys()
        assert {"latency_s", "energy_j", "tokens_per_s", "tokens_per_j", "gops", "gops_per_w", "area_mm2"} <= same
        assert {name: row[name] for name in same} == {name: value["summary"][name] for name in same}
        assert (row["counted"], row["left_out"]) == (value["counted"], value["left_out"])


def test_show_prints_the_same_from_the_stored_comparison_and_writes_the_same_files(tmp_path: Path) -> None:
    stored, table, again = tmp_path / "c.h5", tmp_path / "c.csv", tmp_path / "again.csv"
    points = tmp_path / "points.csv"
    points.write_text("design,source,tokens_per_s\nA,a paper,3\n", encoding="utf-8")
    command = ("compare", *BOTH, *SMALL, "--contexts", "64,128", "--points", points, "--out", stored, "--csv", table)
    ran = run_pimsim(*command).ok
    written = [line for line in ran.splitlines() if " written: " in line]
    assert written == [
        f"{stored} written: the whole comparison; show it with pimsim show",
        f"{table} written: one row per design, model and context",
    ]
    shown = run_pimsim("show", stored, "--csv", again).ok
    assert shown.splitlines()[:-1] == [line for line in ran.splitlines() if line not in written]
    assert again.read_text() == table.read_text()
    assert run_pimsim("show", stored, "--json").ok == run_pimsim(*command, "--json").ok
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    assert [row["kind"] for row in rows] == ["simulated"] * 4 + ["printed"]
    assert "printed: values of a publication" in shown
    assert_refused(run_pimsim("show", stored, "--explain"), 2)
    stored.write_text("mine", encoding="utf-8")
    assert_refused(run_pimsim(*command), 7)
    assert stored.read_text() == "mine"


def test_designs_may_have_names_and_settings_of_their_own() -> None:
    shown = run_pimsim(
        "compare", "slow=pim-llm", "fast=pim-llm", *SMALL, "--set", "fast:machine.systolic.clock_hz=200 MHz",
        "--baseline", "slow", "--json",
    ).ok  # fmt: skip
    [slow, fast] = json.loads(shown)["rows"]
    assert fast["ratio_tokens_per_s"] == fast["tokens_per_s"] / slow["tokens_per_s"] > 1


def test_a_failed_design_is_a_row_and_all_failed_is_an_error() -> None:
    some = run_pimsim("compare", *BOTH, *SMALL, "--phase", "load")
    assert some.code == 0
    assert "failed: tpu-llm, gpt2-small: workload.phase: load: tpu-llm keeps no weights on the chip" in some.out
    assert "1 point of 2 failed" in some.out
    none = run_pimsim("compare", "a=tpu-llm", "b=tpu-llm", *SMALL, "--phase", "load", "--json")
    assert none.code == 4
    assert json.loads(none.out)["failed"] == 2
    assert none.err.startswith("pimsim: all 2 points failed; the first: workload.phase: load")


def test_an_interrupt_prints_and_writes_the_finished_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compute = comparison_points.compute

    def interrupted(point: Any, options: Any) -> Any:
        if point.design.name == "tpu-llm":
            raise KeyboardInterrupt
        return compute(point, options)

    monkeypatch.setattr(comparison_points, "compute", interrupted)
    outcome = run_pimsim("compare", *BOTH, *SMALL, "--out", tmp_path / "c.h5")
    assert outcome.code == 130
    assert outcome.out.startswith("Comparison: 2 designs, 1 model, 1 context, decode; ratios to pim-llm; interrupted")
    assert outcome.err == "pimsim: interrupted: 1 of 2 points are finished\n"
    assert run_pimsim("show", tmp_path / "c.h5").ok in outcome.out


def test_help_has_an_example() -> None:
    assert "Example: pimsim compare pim-llm tpu-llm" in " ".join(run_pimsim("compare", "--help").ok.split())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Missing argument"),
        (["pim-llm"], 3, "one design, and a comparison needs two or more"),
        (["pim-llm", "tpu-lm"], 3, "did you mean tpu-llm?"),
        (["pim-llm", "pim-llm"], 3, "two designs have the name 'pim-llm'"),
        (["pim-llm", "sweep-tiles"], 3, "is a sweep, which varies a config: use pimsim sweep"),
        (["pim-llm", "memory-hbm3"], 3, "is a preset of a memory, not a whole machine"),
        (["pim-llm", "traces/macro-isaac.json"], 3, "is a trace"),
        ([*BOTH, "--models", "gtp2-small"], 4, "models: unknown model 'gtp2-small' (did you mean gpt2-small?)"),
        ([*BOTH, "--models", "gpt2-medium,gpt2-350m"], 4, "are both called gpt2-medium"),
        ([*BOTH, "--models", "a,,b"], 2, "an item of 'a,,b' is empty"),
        ([*BOTH, "--contexts", "64,1k"], 2, "'1k' is not a number of tokens"),
        ([*BOTH, "--contexts", "2000000"], 4, "2000000 is not a number of tokens from 1 to 1,048,576"),
        ([*BOTH, "--phase", "decod"], 4, "did you mean decode?"),
        ([*BOTH, "--baseline", "tpu"], 3, "'tpu' is none of the designs"),
        ([*BOTH, "--points", "none.csv"], 3, "none.csv"),
        ([*BOTH, "--set", "tpu-lm:schedule=serial"], 2, "did you mean tpu-llm?"),
        ([*BOTH, "--set", "machine.crossbar.banks=2"], 3, "--set DESIGN:KEY=VALUE sets a key in one design only"),
        ([*BOTH, "--set", "workload.batch=2", "--batch", "3"], 3, "workload.batch: is given twice"),
        ([*BOTH, "--output", "9"], 3, "workload.new_tokens: has no effect in any design"),
        ([*BOTH, "--samples", "99"], 2, "--samples has an effect with --ranges only"),
        ([*BOTH, "--csv", "x.csv", "--out", "x.csv"], 7, "name the same file"),
        ([*BOTH, "--csv", "README.md"], 7, "README.md: already exists"),
        ([*BOTH, "--plots", "README.md"], 2, "README.md is a file"),
        ([*BOTH, "--workers", "0"], 2, "--workers"),
    ],
)
def test_bad_input_is_refused_with_one_message(arguments: list[str], code: int, message: str) -> None:
    outcome = run_pimsim("compare", *arguments)
    assert_refused(outcome, code)
    assert message in outcome.err


def test_a_system_file_is_named_as_what_it_is(tmp_path: Path) -> None:
    system = tmp_path / "two.yaml"
    system.write_text("machines:\n  a: pim-llm\n  b: tpu-llm\n", encoding="utf-8")
    outcome = run_pimsim("compare", "pim-llm", system)
    assert_refused(outcome, 3)
    assert "is a system of several machines: use pimsim run" in outcome.err
