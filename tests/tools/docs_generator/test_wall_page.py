"""Verdicts and closed forms of docs/memory-wall.md, with numbers by hand."""

from __future__ import annotations

import pytest

from tests.support.closeness import near
from tools.docs_generator import wall_page, wall_runs, wall_sizes, wall_times


@pytest.mark.parametrize(
    ("cases", "verdict"),
    [([True, True], "holds"), ([True, False], "direction only"), ([False, False], "fails")],
)
def test_a_verdict_follows_from_the_cases(cases: list[bool], verdict: str) -> None:
    assert wall_page.judged(cases) == verdict


def test_the_ridge_point_grows_by_a_factor_of_1_875_in_two_years(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eq. (1): 3 / 1.6 = 1.875."""
    monkeypatch.setattr(wall_sizes, "ridge", lambda machine: 8.0)
    assert wall_sizes.years(8, "any") == 0
    assert wall_sizes.years(15, "any") == near(2)
    assert wall_sizes.years(8 / 1.875**3, "any") == near(-6)


def test_loading_pays_where_it_takes_as_long_as_the_rest_of_the_prefill(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prefill of 10 s, 2 s for the last token, 16 GB: 2 GB/s. The SSD reads 13 GB/s after 80 us."""
    monkeypatch.setattr(wall_times, "first_token", lambda machine, model, tokens: (10.0, 2.0, 16 * 10**9))
    assert wall_times.break_even("any", "any", 1) == 2e9
    assert wall_times.speedup("any", "any", 1, "ssd") == near(10 / (2 + 80e-6 + 16 / 13))


def test_the_page_describes_its_machine_with_hbm() -> None:
    """Four arrays of 128 x 128 at 1.05 GHz over 16 channels of 51.2 GB/s: 84 operations per byte."""
    assert wall_runs.ridge("tpu-hbm") == near(4 * 128 * 128 * 1.05e9 / (16 * 51.2e9))


def test_projections_of_a_recomputation_are_those_of_one_token_and_layer() -> None:
    """OPT-6.7B: keys and values of 32 x 128 codes with a float32 step per head; an input of 4,096 codes and a step."""
    held, inputs, again = wall_times.recomputation("pim-llm", "opt-6.7b")
    assert (held, inputs) == (2 * 32 * (128 + 4), 4096 + 4)
    assert wall_times.recompute_bandwidth("pim-llm", "opt-6.7b") == near((held - inputs) / again)
