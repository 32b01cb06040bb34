"""Small sweeps, the comparison of their result files, and a count of the points that are evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome
from pimsim.studies.sweep.table.sweep_store import read_sweep

SMALL: dict[str, Any] = {
    "name": "small",
    "base": "pim-llm",
    "models": ["gpt2-small"],
    "contexts": [16, 32],
    "axes": {
        "machine.systolic.rows": [16, 32, 64],
        "machine.crossbar.pair.array.rows_at_once": [128, 256, 512],
    },
}
"""18 points, 6 of which fail: 512 rows at once are more than the array has."""

TEXT = """\
name: many
base: pim-llm
models: [gpt2-small]
contexts: {start: 8, stop: 160, step: 8}
axes:
  machine.systolic.clock_hz: {start: 100 MHz, stop: 800 MHz, factor: 2}
  machine.crossbar.pair.array.rows_at_once: [64, 128, 256, 512]
"""
"""320 points, a quarter of which fail (the array has 256 rows); some 0.4 s of work."""


def write_sweep_file(folder: Path, text: str = TEXT) -> Path:
    path = folder / "many.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def table(path: Path) -> pd.DataFrame:
    return read_sweep(path).to_dataframe()


def assert_same_points(path: Path, other: Path) -> None:
    """Point for point, and bit for bit: the files are equal."""
    pd.testing.assert_frame_equal(table(path), table(other), check_exact=True)
    assert path.read_bytes() == other.read_bytes()


def count_points(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The points that are evaluated from now on, in this process."""
    ran: list[Any] = []
    evaluate = Evaluator.evaluate

    def counted(self: Evaluator, point: Any) -> Outcome:
        ran.append(point)
        return evaluate(self, point)

    monkeypatch.setattr(Evaluator, "evaluate", counted)
    return ran
