"""Distributions of random requests."""

from __future__ import annotations

import itertools
import math
import statistics

import pytest

from tests.support.closeness import near
from workloads import SpecError, poisson_requests
from workloads.random_requests import parse_lengths


def test_gaps_of_a_poisson_process_are_exponential_and_lengths_are_as_stated() -> None:
    requests = poisson_requests(5.0, 20_000, prompt="lognormal:200:0.5", output="uniform:10:20", seed=3)
    arrivals = [0.0, *(each.arrival_s for each in requests)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
    # Mean and standard deviation of an exponential are equal; 4 standard errors of 20,000 gaps are 2.8 %.
    assert statistics.fmean(gaps) == near(0.2, rel=0.028)
    assert statistics.stdev(gaps) == near(0.2, rel=0.04)
    logs = [math.log(each.prompt_tokens) for each in requests]
    assert statistics.fmean(logs) == pytest.approx(math.log(200), abs=0.02)
    assert statistics.stdev(logs) == pytest.approx(0.5, abs=0.02)
    outputs = [each.output_tokens for each in requests]
    assert set(outputs) == set(range(10, 21))


def test_requests_depend_only_on_the_seed_and_lengths_do_not_change_arrivals() -> None:
    first, again, other = (poisson_requests(1.0, 50, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    long = poisson_requests(1.0, 50, prompt="lognormal:100:1", output="uniform:1:9", seed=1)
    assert [each.arrival_s for each in long] == [each.arrival_s for each in first]


@pytest.mark.parametrize("text", ["", "x", "1.5", "0", "-3", "uniform", "uniform:1", "uniform:5:2", "uniform:1:2:3",
                                  "lognormal:100:-1", "lognormal:100:inf", "normal:3:4", "1:2", "1048577"])  # fmt: skip
def test_invalid_lengths_are_rejected(text: str) -> None:
    with pytest.raises(SpecError, match="prompt"):
        parse_lengths(text, "prompt")


@pytest.mark.parametrize(
    "changes", [{"rate": 0}, {"rate": math.nan}, {"rate": math.inf}, {"count": 0}, {"count": 10**7}, {"seed": -1},
                {"rate": 1e-9}]
)  # fmt: skip
def test_random_requests_out_of_range_are_rejected(changes: dict[str, float]) -> None:
    with pytest.raises(SpecError, match=next(iter(changes))):
        poisson_requests(**({"rate": 1.0, "count": 10} | changes))  # type: ignore[arg-type]
