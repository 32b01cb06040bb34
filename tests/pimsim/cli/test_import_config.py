"""`pimsim import`: configs of MNSIM and SCALE-Sim."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command_line import assert_refused
from tests.support.command_line import pimsim as run_pimsim
from tests.support.importer_files import GEMMS, V2, cfg, ini


def test_an_mnsim_config_is_printed_or_written(tmp_path: Path) -> None:
    source, target = tmp_path / "SimConfig.ini", tmp_path / "ours.yaml"
    source.write_text(ini(), encoding="utf-8")
    printed = run_pimsim("import", "mnsim", source)
    report = run_pimsim("import", "mnsim", source, "--out", target).ok
    assert report.startswith("SimConfig.ini (MNSIM 2.0): ")
    table = report.removesuffix(f"{target} written: a config\n")
    assert table != report
    assert (printed.code, printed.err) == (0, table), "beside a redirected config, the table is seen"
    assert target.read_text(encoding="utf-8") == printed.out
    assert run_pimsim("run", target).ok.startswith("SimConfig: gpt2-medium, ")


def test_the_table_of_an_import_as_json(tmp_path: Path) -> None:
    source, target = tmp_path / "SimConfig.ini", tmp_path / "ours.yaml"
    source.write_text(ini(), encoding="utf-8")
    written = json.loads(run_pimsim("import", "mnsim", source, "--out", target, "--json").ok)
    printed = json.loads(run_pimsim("import", "mnsim", source, "--json").ok)
    assert (written["config"], printed["config"]) == (str(target), target.read_text(encoding="utf-8"))
    assert written["imports"] == printed["imports"]
    rows = {row["name"]: row for row in written["imports"][0]["rows"]}
    assert rows["[Device level] Read_Latency"] == {
        "name": "[Device level] Read_Latency", "value": "3.16", "fate": "carried over",
        "key": "machine.crossbar.pair.cell.read_pulse_s", "result": "3.16 ns", "note": "",
    }  # fmt: skip


def test_a_scalesim_config_comes_with_its_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("google.cfg").write_text(cfg(V2), encoding="utf-8")
    Path("gemm.csv").write_text(GEMMS, encoding="utf-8")
    args = ("import", "scalesim", "google.cfg", "--topology", "gemm.csv")
    assert_refused(run_pimsim(*args), 2)
    report = run_pimsim(*args, "--out", "tpu.yaml").ok
    assert "\ngemm.csv (a table of GEMMs of SCALE-Sim): " in report
    assert report.endswith("\ntpu.yaml written: a config\ntpu.trace.json written: a trace of its layers\n")
    for out in ("google.cfg", "gemm.csv"):
        kept = run_pimsim(*args, "--out", out, "--force")
        assert_refused(kept, 7)
        assert "--force does not replace it" in kept.err
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


def test_measured_cells_become_a_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cells.csv").write_text("level,mean_kohm,sigma_kohm\nhrs,500,50\nlrs,10,0.5\n", encoding="utf-8")
    report = run_pimsim("import", "device", "cells.csv", "--base", "pim-llm", "--out", "cells.yaml").ok
    assert report.startswith("cells.csv (measured cells): 0 carried over, 7 derived, 0 ignored")
    assert run_pimsim("run", "cells.yaml").ok.startswith("cells: opt-6.7b, ")
    for base, told in (("memory-hbm2", "is a preset of a memory"), ("tpu-llm", "has no crossbars")):
        assert f"--base: {base} {told}" in run_pimsim("import", "device", "cells.csv", "--base", base).err
    run_pimsim("import", "device", "cells.csv", "--out", "part.yaml")
    assert "part.yaml: is a preset of a cell, not a whole machine" in run_pimsim("run", "part.yaml").err
    refused = run_pimsim("import", "device", "cells.yaml")
    assert (refused.code, refused.out) == (3, "")
