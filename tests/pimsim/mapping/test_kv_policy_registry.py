"""Registered policies of the KV cache: what a run counts with one, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pimsim import load_config, register_kv_policy, simulate
from pimsim.base.errors import ConfigError, PluginError, WorkloadInputError
from pimsim.base.registries import registering
from pimsim.config.schema.registered_names import KV_POLICIES
from workloads.kv_cache import KvCacheSpec
from workloads.kv_policies import kept_positions
from workloads.workload_errors import SpecError

ORIGIN = "test policies"


def newest_two(_: KvCacheSpec, tokens: int) -> list[int]:
    return [*range(max(0, tokens - 2), tokens)]


@pytest.fixture
def registered() -> Iterator[None]:
    with registering(ORIGIN):
        register_kv_policy("newest_two", newest_two)
        register_kv_policy("newest_two", newest_two)  # may be repeated
        yield
    KV_POLICIES.withdraw(ORIGIN)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_a_policy_that_keeps_the_newest_tokens_is_recent(phase: str) -> None:
    base = ["workload.model=gpt2-small", f"workload.phase={phase}", "workload.prompt_length=20"]
    ours, theirs = (
        simulate(load_config("pim-llm", [*base, *settings]))
        for settings in (["workload.kv.keep=newest_two"], ["workload.kv={keep: recent, recent: 2}"])
    )
    assert (ours.latency_ps, ours.counts, ours.kv_cache_bytes) == (
        *(theirs.latency_ps, theirs.counts, theirs.kv_cache_bytes),
    )
    assert ours.kv_cache_bytes == 2 * 12 * 12 * 2 * (64 + 4)


@pytest.mark.parametrize(
    "positions",
    [lambda kv, n: [], lambda kv, n: [0], lambda kv, n: [n - 1, 0], lambda kv, n: [-1, n - 1], lambda kv, n: [n - 0.5]],
)
def test_positions_are_checked(positions: Callable[[Any, int], Any]) -> None:
    with registering(ORIGIN):
        register_kv_policy("odd", positions)
    try:
        with pytest.raises(SpecError, match=r"'odd' returns .* for 9 tokens: it must return increasing positions"):
            kept_positions(KvCacheSpec(keep="odd"), 9)
        with pytest.raises(WorkloadInputError, match="policy 'odd' returns"):
            simulate(load_config("pim-llm", ["workload.model=gpt2-small", "workload.kv.keep=odd"]))
    finally:
        KV_POLICIES.withdraw(ORIGIN)


def test_names_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"'heavy_hiters' is not a registered KV policy.*did you mean heavy_hitters"):
        load_config("pim-llm", ["workload.kv.keep=heavy_hiters", "workload.kv.budget=9"])
    with pytest.raises(SpecError, match="keep must be one of all, recent, heavy_hitters, random, not 'gone'"):
        KvCacheSpec(keep="gone").kept(3)
    with pytest.raises(ValueError, match="of pimsim itself"):
        register_kv_policy("random", newest_two)
    with pytest.raises(ValueError, match="must be a function"):
        register_kv_policy("three", 3)  # type: ignore[arg-type]


def test_an_exception_names_the_policy() -> None:
    with registering(ORIGIN):
        register_kv_policy("broken", lambda kv, tokens: [1 // 0])
    try:
        with pytest.raises(PluginError, match=r"KV policy 'broken'.*ZeroDivisionError"):
            simulate(load_config("pim-llm", ["workload.model=gpt2-small", "workload.kv.keep=broken"]))
    finally:
        KV_POLICIES.withdraw(ORIGIN)
