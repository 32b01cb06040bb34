"""Names of metrics with and without a workload."""

from __future__ import annotations

import re

import pytest

from pimsim.base.metric_names import METRIC_AT_WORKLOAD, end_metrics, is_workload_name, metric_at, split_metric


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("tokens_per_s", ("tokens_per_s", "")),
        ("tokens_per_s@opt-6.7b", ("tokens_per_s", "opt-6.7b")),
        ("area_m2@a@b", ("area_m2", "a@b")),
    ],
)
def test_a_name_is_split_at_the_first_separator(name: str, parts: tuple[str, str]) -> None:
    assert split_metric(name) == parts
    assert metric_at(*parts) == name


def test_the_ends_of_an_interval_are_of_the_same_workload() -> None:
    assert end_metrics("perplexity") == ("perplexity_low", "perplexity_high")
    assert end_metrics("perplexity@kjv-bitnet") == ("perplexity_low@kjv-bitnet", "perplexity_high@kjv-bitnet")


@pytest.mark.parametrize("name", ["a", "opt-6.7b", "bitnet-b1.58-2b-4t", "_", "7b", "a..b"])
def test_names_that_can_be_written_after_the_separator(name: str) -> None:
    assert is_workload_name(name)
    assert re.fullmatch(METRIC_AT_WORKLOAD, f"x@{name}")


@pytest.mark.parametrize("name", ["", "-a", "a-", ".a", "a.", "a b", "a/b", "a@b", "a'", "é"])
def test_names_that_cannot(name: str) -> None:
    assert not is_workload_name(name)
