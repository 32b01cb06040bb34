"""`pimsim show` prints what the run printed, and computes nothing."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from pimsim import load_config, simulate
from pimsim.results.store import write_result
from tests.support.command_line import assert_refused
from tests.support.command_line import pimsim as run_pimsim

SMALL = ("--model", "gpt2-small")


@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
def test_show_prints_the_same_as_the_run(schedule: str, tmp_path: Path) -> None:
    stored, timeline, again = tmp_path / "r.h5", tmp_path / "t.json", tmp_path / "t2.json"
    args = ("--explain", "--timeline")
    ran = run_pimsim(
        "run", "pim-llm", *SMALL, "--schedule", schedule, "--out", stored, *args, timeline,
    ).ok  # fmt: skip
    explained, _, _ = ran.partition("\nWhat would help:")  # these are runs, which `show` does not make
    assert explained != ran
    assert (
        run_pimsim("show", stored, *args, again).ok == f"{explained}{again} written: a timeline for ui.perfetto.dev\n"
    )
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


def test_files_of_another_kind_are_named_with_the_command_that_reads_them(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"phase": "decode", "blocks": []}', encoding="utf-8")
    (tmp_path / "mine.yaml").write_text("extends: pim-llm", encoding="utf-8")
    for command in (("show",), ("results", "show")):
        assert f"pimsim run pim-llm --trace {tmp_path / 't.json'}" in run_pimsim(*command, tmp_path / "t.json").err
        assert f"is a config, which describes a machine and its workload: use pimsim run {tmp_path}" in (
            run_pimsim(*command, tmp_path / "mine.yaml").err
        )
    stored = tmp_path / "r.h5"
    for kind, reader in (
        ("pimsim-result", "pimsim show"),
        ("pimsim-serving", "pimsim show"),
        ("pimsim-accuracy", "pimsim show"),
        ("pimsim-sweep", "pimsim results show"),
    ):
        with h5py.File(stored, "w") as file:
            file.attrs["format"] = np.bytes_(kind)
        commands = [("results", "show")] if kind != "pimsim-sweep" else []
        commands += [("run",), ("accuracy",)] if kind in ("pimsim-serving", "pimsim-sweep") else []
        for command in commands:
            refused = run_pimsim(*command, stored)
            assert_refused(refused, 8)
            assert f"use {reader} {stored}" in refused.err


def test_show_prints_what_serve_printed(tmp_path: Path) -> None:
    small = ("--set", "workload.model=gpt2-small", "--poisson", "5", "--count", "2", "--prompt", "4", "--output", "2")
    served, rows = tmp_path / "s.h5", tmp_path / "rows.csv"
    printed = run_pimsim("serve", "pim-llm", *small, "--out", served).ok
    report = printed.removesuffix(f"{served} written: the whole result\n")
    assert report != printed
    assert run_pimsim("show", served, "--csv", rows).ok == f"{report}{rows} written: the table of requests\n"
    assert rows.read_text(encoding="utf-8").startswith("id,prompt_tokens,")
    assert_refused(run_pimsim("show", served, "--explain"), 2)
