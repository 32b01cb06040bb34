"""`pimsim models` lists every model."""

from __future__ import annotations

import json

from pimsim.config.model_catalog import model_rows
from tests.support.command_line import pimsim as run_pimsim


def test_models_lists_every_model() -> None:
    shown = run_pimsim("models").ok
    assert json.loads(run_pimsim("models", "--json").ok) == model_rows()
    for row in model_rows():
        assert row["name"] in shown
