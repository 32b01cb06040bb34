"""JSON and CSV of results."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from pimsim import load_config
from pimsim.present import formats
from pimsim.present.formats import json_pieces, to_csv, to_json
from pimsim.results.run_result import RunResult
from tests.support.closeness import near


def test_json_is_the_whole_result(pim: RunResult) -> None:
    text = to_json(pim.to_dict())
    read = json.loads(text)
    assert read == json.loads(json.dumps(pim.to_dict()))
    assert read["summary"]["tokens_per_s"] == pim.tokens_per_s
    assert sum(read["latency_s_by_part"].values()) == near(pim.latency_s)
    assert sum(read["energy_j_by_action"].values()) == near(pim.energy_j)
    assert len(read["ops"]) == len(pim.ops)
    assert load_config(read["config"]) == pim.config, "and its config can be run again"


def test_json_has_null_for_infinity_wherever_it_is() -> None:
    value = {"a": [1.5, float("inf")], "b": {"c": (float("-inf"), "inf")}}
    assert json.loads(to_json(value)) == {"a": [1.5, None], "b": {"c": [None, "inf"]}}


@pytest.mark.parametrize("size", [1, 1 << 16])
def test_json_in_pieces_is_the_same_text(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(formats, "_PIECE", size)
    rows = [{"a": 1, "b": ["x\ny", {}]}, {"a": float("inf"), "b": []}]
    for tree in ({}, {"n": {"k": [1, 2]}, "rows": rows, "none": [], "z": None}, {"rows": rows}):
        lazy = {key: iter(value) if key in ("rows", "none") else value for key, value in tree.items()}
        pieces = list(json_pieces(lazy))
        assert "".join(pieces) == to_json(tree)
        assert (len(pieces) > 1) == (size == 1)


def test_csv_quotes_and_leaves_empty() -> None:
    rows: list[dict[str, Any]] = [{"a": 'x, "y"', "b": None}, {"a": "", "b": 0.1}]
    text = to_csv(rows)
    assert text == 'a,b\n"x, ""y""",\n,0.1\n'
    assert list(csv.DictReader(io.StringIO(text))) == [{"a": 'x, "y"', "b": ""}, {"a": "", "b": "0.1"}]
