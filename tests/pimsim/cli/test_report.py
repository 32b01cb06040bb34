"""`pimsim report`: the page, what it refuses, and which files it replaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim import load_config, simulate
from pimsim.results.store import write_result
from tests.support.command_line import assert_refused, pimsim

pytest.importorskip("plotly")
pytest.importorskip("itables")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "run.h5"
    write_result(simulate(load_config("pim-llm", ["workload.model=gpt2-small"])), path)
    return path


def test_a_page_is_written_and_replaces_only_a_page(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    out = pimsim("report", run, "-o", page).ok
    assert out.startswith(f"{page} written: a page of 1 result, ")
    text = page.read_text(encoding="utf-8")
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert "<title>pim-llm: gpt2-small, decode at context 128, serial schedule, leakage" in text
    assert pimsim("report", run, "-o", page).code == 0
    page.write_text("<!DOCTYPE html>\n<title>of somebody else</title>", encoding="utf-8")
    assert_refused(pimsim("report", run, "-o", page), 7)
    assert pimsim("report", run, "-o", page, "--force").code == 0


def test_a_page_does_not_replace_its_result(run: Path) -> None:
    refused = pimsim("report", run, "-o", run)
    assert_refused(refused, 7)
    assert "is an input of this command" in refused.err


def test_a_file_that_is_not_a_result_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "chip.yaml"
    config.write_text("extends: pim-llm\n", encoding="utf-8")
    assert_refused(pimsim("report", config, "-o", tmp_path / "page.html"), 8)
    assert not (tmp_path / "page.html").exists()
