"""Agreement with published values: digits, deviations, and the blind test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from pimsim.studies.paper import reproduce
from pimsim.studies.paper.agreement import QUANTITIES, SUMMARISED, agreement, agreement_notes, same_digits, summary
from pimsim.studies.paper.comparison_table import Table

Tables = Mapping[str, Table]


@pytest.mark.parametrize(
    ("ours", "printed", "same"),
    [
        (18.7249, "18.72", True),
        (18.7251, "18.72", False),
        (0.3370, "0.3370", True),
        (0.3371, "0.3370", False),
        (35.4e6, "35e6", True),
        (35.6e6, "35e6", False),
        (1.44e6, "1.4e6", True),
        (1.46e6, "1.4e6", False),
        (-0.3374, "-0.337", True),
        (1134.1449, "1134.14", True),
    ],
)
def test_digits_are_those_that_are_printed(ours: float, printed: str, same: bool) -> None:
    assert same_digits(ours, printed) is same


def test_the_summary_has_the_blind_test_of_the_issue(tables: Tables) -> None:
    """Issue 13: PIM-LLM worst 0.87 %, mean 0.17 %, TPU-LLM every printed digit, of 33 values each."""
    rows = {row["quantity"]: row for row in tables["summary"].rows}
    pim, tpu = rows["tokens/s of PIM-LLM"], rows["tokens/s of TPU-LLM"]
    assert tpu["blind_digits"] == "33 of 33"
    assert (f"{pim['blind_worst']:.2f}", f"{pim['blind_mean']:.2f}") == ("0.87", "0.17")
    assert sum(row["blind"] for row in rows.values()) == 33 + 33 + 38 + 3 + 4
    assert sum(row["values"] for row in rows.values() if row["item"] in ("fig5", "fig1b", "fig7", "fig8")) == 138


def test_the_summary_alone_is_the_same(tables: Tables) -> None:
    assert reproduce(["summary"]) == {"summary": tables["summary"]}
    assert set(SUMMARISED) < set(tables)


def test_fig8_has_one_blind_value_whose_second_digit_differs(tables: Tables) -> None:
    """GPT-2 350M on TPU-LLM at 4096: 20.6 million words, 20 million printed."""
    (words,) = (each for each in QUANTITIES if each.item == "fig8")
    blind = agreement(words, tables["fig8"], "blind")
    assert blind.digits == "3 of 4"
    assert blind.worst == pytest.approx(2.98, abs=0.01)


def test_a_value_that_is_off_is_counted(tables: Tables) -> None:
    """A blind share that is 10 % too large: one digit less, and a worst deviation of 10 %."""
    table = tables["fig1b"]
    first = {**table.rows[1], "low_precision_share": 1.1 * table.rows[1]["published"], "deviation_percent": 10.0}
    wrong = replace(table, rows=(table.rows[0], first, *table.rows[2:]))
    (shares,) = (each for each in QUANTITIES if each.item == "fig1b")
    right, off = (agreement(shares, each, "blind") for each in (table, wrong))
    assert agreement(shares, wrong, "known").worst == agreement(shares, table, "known").worst
    assert (off.values, off.in_every_digit, off.worst) == (38, right.in_every_digit - 1, 10.0)
    row = next(row for row in summary({**tables, "fig1b": wrong}).rows if row["item"] == "fig1b")
    assert row["blind_worst"] == 10.0


def test_a_table_without_published_values_has_no_notes(tables: Tables) -> None:
    assert agreement_notes(tables["fig4"]) == ()
