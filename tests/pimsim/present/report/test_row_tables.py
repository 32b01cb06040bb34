"""Rows with named columns as tables: units from the suffixes of the names, and exact numbers."""

from __future__ import annotations

import numpy as np

from pimsim.present.report.page_blocks import Column
from pimsim.present.report.row_tables import EXACT_INTEGERS, cell, key_column, row_table


def test_the_suffix_of_a_name_is_the_unit_of_its_numbers() -> None:
    assert key_column("latency_s", [0.5]) == Column("latency", True, "s")
    assert key_column("memory_read_bytes", [8]) == Column("memory read", True, "B")
    assert key_column("area_m2@opt-6.7b", [1e-6]) == Column("area, opt-6.7b", True, "m^2")
    assert key_column("tokens_per_s", [3]) == Column("tokens per s", True)
    assert key_column("energy_j_per_token", [3.0]).numeric
    assert key_column("snr_db", [3.0, None]) == Column("snr (dB)", True)
    assert key_column("side", [32], "machine.systolic.clock_hz") == Column("side", True, "Hz")
    assert key_column("op_s", ["a", 1.0]) == Column("op s")
    assert not key_column("nothing_j", [None]).numeric


def test_cells_are_exact_or_texts() -> None:
    assert [cell(each) for each in (None, "x", True, False, 0.1, 7, (1, 2))] == [
        None,
        "x",
        "yes",
        "no",
        0.1,
        7,
        "(1, 2)",
    ]
    assert cell(EXACT_INTEGERS) == EXACT_INTEGERS
    assert cell(EXACT_INTEGERS + 1) == "9007199254740993"
    assert cell(-EXACT_INTEGERS - 1) == "-9007199254740993"
    found = cell(np.int64(3))
    assert (found, type(found)) == (3, int)


def test_a_column_with_a_large_integer_is_one_of_texts() -> None:
    table = row_table("chips", "Chips", [{"seed": 2**62, "kl": 0.5}, {"seed": 3, "kl": None}])
    assert table.columns == [Column("seed"), Column("kl", True)]
    assert table.rows == [[str(2**62), 0.5], [3, None]]
    assert row_table("none", "None", []).columns == []
