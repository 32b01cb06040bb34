"""What the arrays cost in perplexity: paired differences by hand, and statements that need the whole interval."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from crossbar.intervals import Interval
from pimsim import AccuracyResult, evaluate_accuracy, load_config
from pimsim.studies.accuracy.accuracy_store import read_accuracy, write_accuracy
from pimsim.studies.accuracy.accuracy_study import AccuracyPoint, AccuracyStudy
from pimsim.studies.accuracy.paired_ratio import cost_text, costs_less, paired_increase, perplexity_of, verdict
from tests.support.closeness import near
from tests.support.tiny_models import IDEAL, NO_WIRES, WHOLE, settings


@pytest.fixture(scope="module")
def noisy(folder: Path) -> AccuracyResult:
    return evaluate_accuracy(load_config("pim-llm", [*settings(folder), *NO_WIRES]), threads=1)


def test_an_increase_by_hand() -> None:
    """Two chips, two windows of 10 tokens, differences 0.1, 0.3 and 0.3, 0.9 nats per token.

    Means over chips 0.2 and 0.6, over windows 0.2 and 0.6, mean 0.4; t of one degree of freedom is 12.7062, so both
    half-widths are 12.7062 * 0.2 and the whole is sqrt(2) times as much.
    """
    found = paired_increase([[11.0, 23.0], [13.0, 29.0]], [10.0, 20.0], [10, 10])
    assert found.mean == near(0.4, rel=1e-12)
    half = 12.7062 * 0.2 * math.sqrt(2)
    assert (found.low, found.high) == (near(0.4 - half, rel=1e-5), near(0.4 + half, rel=1e-5))


def test_pairing_removes_what_both_models_find_hard() -> None:
    """Windows differ by 500 nats, the differences by one: unpaired, nothing could be said about 1 %."""
    generator = np.random.default_rng(0)
    exact = 250 + 500 * generator.random(64)
    chips = exact + 0.5 + generator.standard_normal((10, 64))
    ratio = paired_increase(chips.tolist(), exact.tolist(), [256] * 64).mapped(perplexity_of)
    assert costs_less(ratio)
    assert np.std(exact / 256, ddof=1) / 8 > 7 * math.log(1.01)


def test_a_result_has_the_ratio_of_its_perplexities(noisy: AccuracyResult) -> None:
    ratio = noisy.perplexity_ratio
    assert ratio.mean == near(noisy.perplexity.mean / noisy.exact_perplexity.mean, rel=1e-12)
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low < ratio.mean < ratio.high
    for half in (noisy.increase, noisy.increase_over_text):
        assert half.half_width is not None
        assert noisy.paired_increase.half_width is not None
        assert noisy.paired_increase.half_width >= half.half_width
    told = noisy.summary()
    assert told["perplexity_ratio"]["high"] == ratio.high
    assert told["costs_less_than_1_percent"] is (ratio.high < 1.01)
    assert noisy.flat()["perplexity_ratio_low"] == ratio.low
    alone = replace(noisy, chips=noisy.chips[:1])
    assert (alone.perplexity_ratio.ends, alone.summary()["costs_less_than_1_percent"]) == (None, None)


def test_ideal_arrays_cost_nothing(folder: Path) -> None:
    result = evaluate_accuracy(load_config("pim-llm", [*settings(folder), *WHOLE, *IDEAL]), threads=1)
    assert result.perplexity_ratio == Interval(1.0, 1.0, 1.0)
    assert result.costs_less_than_1_percent is True


def test_a_file_without_the_ratio_still_has_it(noisy: AccuracyResult, tmp_path: Path) -> None:
    """Files of earlier versions have likelihoods by chip and window, from which the ratio follows."""
    write_accuracy(AccuracyStudy((AccuracyPoint("", "", (), noisy),)), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        assert file["summary/perplexity_ratio_high"][0] == noisy.perplexity_ratio.high
        for end in ("", "_low", "_high"):
            del file[f"summary/perplexity_ratio{end}"]
    assert read_accuracy(tmp_path / "a.h5").points[0].result.perplexity_ratio == noisy.perplexity_ratio


@pytest.mark.parametrize(
    ("low", "mean", "high", "less", "cost", "words"),
    [
        (0.999, 1.004, 1.0099, True, "-0.10 to 0.99 %", "less than 1 %: the whole interval is below"),
        (1.002, 1.006, 1.01, False, "0.20 to 1.00 %", "1 % is not decided: it is inside the interval"),
        (1.0101, 1.02, 1.2, False, "1.0 to 20.0 %", "more than 1 %: the whole interval is above"),
        (10.0, 12.0, 2345.0, False, "x 10 to 2,345", "more than 1 %: the whole interval is above"),
        (None, 1.0, None, None, "0.00 %", "no interval, so 1 % is not decided: it needs two chips and two windows"),
    ],
)
def test_a_statement_needs_the_whole_interval(
    low: float | None, mean: float, high: float | None, less: bool | None, cost: str, words: str
) -> None:
    ratio = Interval(mean, low, high)
    assert (costs_less(ratio), cost_text(ratio), verdict(ratio)) == (less, cost, words)
