"""`pimsim init` writes a config that runs, and replaces files only with --force."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim import load_config
from tests.support.command_line import assert_refused
from tests.support.command_line import pimsim as run_pimsim


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
