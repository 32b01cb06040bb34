"""The best rows of groups, against sorting each group by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.base.errors import AnalysisError
from pimsim.studies.analysis.best_points import best_of, best_ties_note
from pimsim.studies.analysis.point_columns import Direction

FRAME = pd.DataFrame(
    {
        "model": ["opt", "opt", "gpt", "opt", "gpt", None],
        "context": [128, 128, 128, 4096, 128, 128],
        "speed": [5.0, 7.0, 7.0, math.nan, 7.0, 1.0],
    }
)


def test_the_best_of_all_and_of_each_group() -> None:
    assert best_of(FRAME, "speed", "higher").index.tolist() == [1]
    assert best_of(FRAME, "speed", "lower", count=2).index.tolist() == [5, 0]
    assert best_of(FRAME, "speed", "higher", ["model"]).index.tolist() == [1, 2, 5]
    # No point of (opt, 4096) has a value.
    assert best_of(FRAME, "speed", "higher", ["model", "context"], 3).index.tolist() == [1, 0, 2, 4, 5]


@given(
    rows=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([1.0, 2.0, 3.0, math.nan])), max_size=30),
    count=st.integers(1, 5),
    direction=st.sampled_from(["higher", "lower"]),
)
def test_as_sorting_each_group_by_hand(rows: list[tuple[str, float]], count: int, direction: Direction) -> None:
    frame = pd.DataFrame(rows, columns=["group", "value"]).astype({"value": float})
    sign = 1 if direction == "lower" else -1
    expected = []
    for group in dict.fromkeys(group for group, _ in rows):
        mine = [row for row, (name, value) in enumerate(rows) if name == group and not math.isnan(value)]
        expected += sorted(mine, key=lambda row: sign * rows[row][1])[:count]
    assert best_of(frame, "value", direction, ["group"], count).index.tolist() == expected


@pytest.mark.parametrize(("metric", "by"), [("sped", ["model"]), ("speed", ["modl"])])
def test_unknown_columns_are_named(metric: str, by: list[str]) -> None:
    with pytest.raises(AnalysisError, match="did you mean"):
        best_of(FRAME, metric, "higher", by)


def test_points_whose_intervals_overlap_that_of_the_best_are_said_to_tie() -> None:
    frame = pd.DataFrame(
        {
            "model": ["a", "a", "a", "b", "b"],
            "loss": [2.0, 2.1, 3.0, 5.0, math.nan],
            "loss_low": [1.8, 1.9, 2.8, 4.9, math.nan],
            "loss_high": [2.2, 2.3, 3.2, 5.1, math.nan],
        }
    )
    note = best_ties_note(frame, "loss", "lower")
    assert note.endswith("ties in loss: 1 more point ties with the best one; 1 of them is not shown (--top)")
    assert best_ties_note(frame, "loss", "lower", count=2).endswith("1 more point ties with the best one")
    assert best_ties_note(frame, "loss", "lower", ["model"]).endswith(
        "best one of its group; 1 of them is not shown (--top)"
    )
    assert best_ties_note(frame, "loss", "higher") == "", "5.0 is alone"
    assert best_ties_note(frame[["loss"]], "loss", "lower") == "", "no intervals"
