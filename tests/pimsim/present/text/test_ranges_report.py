"""The printed intervals are those of the result, in units that suit them."""

from __future__ import annotations

from functools import cache

from pimsim import RangesResult, run_ranges
from pimsim.present.text.ranges_report import print_ranges, print_shares
from tests.support.printed import printed, rows_below


@cache
def result() -> RangesResult:
    return run_ranges("tpu-llm", ["workload.model=gpt2-small"], samples=40)


def test_each_figure_has_a_row_with_its_interval() -> None:
    rows = {row[0]: row for row in rows_below(printed(print_ranges, result()), "figure ")}
    energy = result().intervals["energy_j"]
    assert rows["energy"][2:5] == [f"{1e3 * value:.4g} mJ" for value in (energy.low, energy.median, energy.high)]
    area = result().intervals["area_m2"]
    assert rows["area"][1] == f"{area.point * 1e6:.4g} mm^2"
    assert len(rows) == len(result().intervals)


def test_the_largest_share_is_first_and_a_source_shows_its_range() -> None:
    rows = rows_below(printed(print_shares, result()), "variance of energy efficiency")
    name, found = next(iter(result().shares("tokens_per_j").items()))
    assert rows[0][:2] == [name, f"{found.share:.1%}"]
    assert rows[0][-1] == "4 pJ/bit to 10 pJ/bit (and 1 other key)"
    assert rows[-1][0] == "all sources together"
