"""Selections: windows as text, and values out of range."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pimsim.base.errors import WorkloadInputError
from pimsim.importers.request_traces.trace_selection import TraceSelection, parse_window


@pytest.mark.parametrize(
    ("text", "wanted"), [("0:600", (0, 600)), ("600:", (600, None)), (":1.5e1", (0, 15)), (":", (0, None))]
)
def test_a_window_is_two_times(text: str, wanted: tuple[float, float | None]) -> None:
    assert parse_window(text) == wanted
    TraceSelection(window=wanted)


@pytest.mark.parametrize("text", ["", "5", "a:b", "1:2:3"])
def test_other_texts_are_no_window(text: str) -> None:
    with pytest.raises(WorkloadInputError, match="window must be START:END in seconds"):
        parse_window(text)


@pytest.mark.parametrize(
    "changes", [{"window": (5, 5)}, {"window": (-1, 5)}, {"window": (math.nan, 5)}, {"window": (5, math.nan)},
                {"window": (math.inf, None)}, {"limit": 0}, {"limit": 1.5}, {"scale": 0}, {"scale": math.nan},
                {"rate": -1}, {"seed": -1}]
)  # fmt: skip
def test_values_out_of_range_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(WorkloadInputError, match=f"{next(iter(changes))} must be"):
        TraceSelection(**changes)
