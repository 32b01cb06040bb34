"""CENT's printed times as they follow from its file, and which assumption moves ours."""

from __future__ import annotations

from pimsim.studies.validation import validate
from pimsim.studies.validation.comparison import ValidationRow
from tests.support.closeness import near

PRINTED = {
    "llama-7b 512": (32, 2.404678558268229, 0.0032527518208821),
    "512": (32, 8.172288443956164, 0.00032238887363),
}
"""Rows of simulation_results.csv: layers, token latency and CXL latency of a layer in ms."""


def rows() -> dict[str, ValidationRow]:
    return {row.reference.name: row for row in validate(["dram_pim"])}


def test_printed_times_are_those_of_the_file_without_cxl_and_sampling() -> None:
    found = rows()
    for name in ("dram-pim-token-time", "dram-pim-quarter-time"):
        point = found[name].points[0]
        layers, token_ms, cxl_ms = PRINTED[point.label]
        assert point.theirs.low == near(token_ms - 0.15 - layers * cxl_ms, rel=1e-4)


def test_transfers_of_scores_explain_why_time_falls_short_with_the_context() -> None:
    found = rows()
    with_them, without = (
        {point.label: point.ratio for point in found[f"dram-pim-{name}-time"].points} for name in ("token", "unscaled")
    )
    assert without["llama-7b 4096"] < 0.75 < 0.9 < with_them["llama-7b 4096"] < 1
    assert without["llama-7b 512"] - without["llama-7b 4096"] > 4 * (
        with_them["llama-7b 512"] - with_them["llama-7b 4096"]
    )


def test_background_power_of_all_channels_explains_why_energy_is_above() -> None:
    found = rows()
    assert all(point.ratio > 1.1 for point in found["dram-pim-token-energy"].points)
    assert all(point.ratio < 1 for point in found["dram-pim-energy-one-channel"].points)
