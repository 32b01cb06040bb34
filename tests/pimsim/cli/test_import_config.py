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
