"""A package of under 80 lines adds a kind of tile, here installed as pip would; test_packaging has its wheel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.closeness import near
from tests.support.command_line import pimsim
from tests.support.outside_kinds import PARAMETERS, SRAM_TILE, install, restored_kinds, sram_config


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    install(tmp_path, monkeypatch)
    path = tmp_path / "sram.yaml"
    path.write_text(json.dumps(sram_config()), encoding="utf-8")
    with restored_kinds():
        yield path


def test_it_has_under_80_lines() -> None:
    assert (
        sum(len(path.read_text(encoding="utf-8").splitlines()) for path in SRAM_TILE.iterdir() if path.is_file()) < 80
    )


def test_a_command_uses_its_tile(config: Path) -> None:
    """GPT-2 small takes 12 layers x (4 x 3 + 2 x 9) tiles of 16 macros of 256 x 64 weights, each of 1,000 um^2."""
    summary = json.loads(pimsim("run", config, "--json").ok)
    areas = {area["item"]: area["area_mm2"] for area in summary["feasibility"]["areas"] if area["component"] == "tile"}
    assert areas == {"SRAM macros": near(12 * 30 * 16 * 1000e-6)}
    weights = 12 * 768 * (4 * 768 + 2 * 3072)
    assert summary["energy_j_by_action"]["tile.product"] == near(8 * weights * 2e-15)
    assert summary["feasibility"]["lifetime_tokens"] is None
    assert any("tiles are of the registered kind sram" in note for note in summary["notes"])


def test_its_result_is_read_again(config: Path, tmp_path: Path) -> None:
    printed = pimsim("run", config, "--out", tmp_path / "sram.h5")
    assert "blocks of tiles" in printed.ok
    assert "crossbar pairs" not in printed.out
    shown = json.loads(pimsim("show", tmp_path / "sram.h5", "--json").ok)
    assert shown["config"]["machine"]["outside"]["tile"]["kind"] == "sram"
    again = json.loads(pimsim("run", tmp_path / "sram.h5", "--json").ok)
    assert again["summary"] == shown["summary"]


def test_its_tile_has_no_arrays_to_study(config: Path) -> None:
    for command in ("array", "accuracy"):
        refused = pimsim(command, config)
        assert refused.code == 3
        assert "its tiles are of the registered kind 'sram', which has no analog array model" in refused.err
        assert len(refused.err.strip().splitlines()) == 1


def test_its_parameters_are_checked(config: Path) -> None:
    wrong = sram_config(PARAMETERS | {"macros": 0, "clock": "1 GHz"})
    config.write_text(json.dumps(wrong), encoding="utf-8")
    refused = pimsim("run", config)
    assert refused.code == 3
    assert "machine.outside.tile.parameters.macros" in refused.err
    assert "machine.outside.tile.parameters.clock" in refused.err
