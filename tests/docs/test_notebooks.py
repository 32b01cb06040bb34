"""The notebooks of docs/ are complete: executed in order, without errors, without anything of the writer's machine."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.doc_examples import ROOT
from tools.run_notebooks import METADATA, texts

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
CHEAPEST = ROOT / "docs" / "notebooks" / "decode-step.ipynb"
LARGEST_BYTES = 250_000


def load(path: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return tree


def code_cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in load(path)["cells"] if cell["cell_type"] == "code"]


def test_there_are_five() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "accuracy-against-adc-bits",
        "decode-step",
        "serving-and-the-memory-wall",
        "sweep-and-front",
        "your-own-chip",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_all_cells_were_executed_in_order_without_errors(path: Path) -> None:
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    kinds = [kind for cell in cells for kind, _ in texts(cell)]
    assert "image/png" in kinds
    assert not {"error", "stderr"} & {*kinds}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_of_a_machine_or_of_a_time_is_stored(path: Path) -> None:
    tree = load(path)
    assert tree["metadata"] == METADATA
    assert not any(cell["metadata"] for cell in tree["cells"])
    text = json.dumps([[cell["source"], texts(cell)] for cell in tree["cells"]])
    assert not re.findall(r"(?<![\w.])/(?:home|root|tmp|work|Users)/\S*", text)
    assert path.stat().st_size < LARGEST_BYTES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_begins_with_a_title_and_explains_itself(path: Path) -> None:
    cells = load(path)["cells"]
    assert "".join(cells[0]["source"]).startswith("# ")
    prose = " ".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    assert len(prose.split()) > 150
    assert ".md)" in prose or ".ipynb)" in prose


def test_the_code_of_the_cheapest_prints_what_it_contains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    try:
        for cell in code_cells(CHEAPEST):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(ast.parse("".join(cell["source"])), CHEAPEST.name, "exec"), names)
            assert printed.getvalue() == "".join(text for kind, text in texts(cell) if kind == "stdout")
    finally:
        if "plt" in names:
            names["plt"].close("all")
