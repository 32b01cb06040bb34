"""Ratios and fronts of the caches of SmolLM2-135M, with numbers by hand, and the sizes of its caches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.closeness import near
from tools.docs_generator import kv_front
from tools.docs_generator.kv_front import BASE, Cache, Key
from workloads.kv_cache import KvCacheSpec
from workloads.models import find_model

OTHER: Key = ("bits", "per token", "2")
SPEC = replace(find_model("llama-3-8b"), layers=30, heads=9, kv_heads=3, d_model=576, d_head=64)


@pytest.fixture
def two_windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two blocks of 1,024 tokens per window; the second cache costs 0.1 nats per token in one half of the blocks."""
    base = {0: [2048.0, 1024.0], 2048: [1024.0, 3072.0]}
    worse = {start: [first, second + 0.2 * 1024] for start, (first, second) in base.items()}
    found = {
        BASE: Cache(BASE, {}, base | {4096: [1.0, 1.0]}),
        OTHER: Cache(OTHER, {}, worse),
    }
    monkeypatch.setattr(kv_front, "caches", lambda: found)
    kv_front.starts.cache_clear()
    yield
    kv_front.starts.cache_clear()


@pytest.mark.usefixtures("two_windows")
def test_perplexities_are_those_of_the_windows_that_all_caches_have() -> None:
    """(2048 + 1024 + 1024 + 3072) nats over 4,096 tokens are 1.75 nats per token."""
    assert kv_front.starts() == (0, 2048)
    assert kv_front.caches()[BASE].perplexity(kv_front.starts()) == near(math.exp(1.75))


@pytest.mark.usefixtures("two_windows")
def test_the_interval_of_a_ratio_is_that_of_differences_of_the_same_blocks() -> None:
    """Differences of 0, 0.2, 0, 0.2: mean 0.1, standard deviation 0.2 / sqrt(3), t(3 degrees, 97.5 %) = 3.182446."""
    half = 3.182446305 * 0.2 / math.sqrt(3) / 2
    found = kv_front.ratio(OTHER)
    assert found.mean == near(math.exp(0.1))
    assert found.ends == (near(math.exp(0.1 - half), 1e-8), near(math.exp(0.1 + half), 1e-8))
    assert kv_front.ratio(BASE, OTHER).mean == near(math.exp(-0.1))


def test_no_point_of_a_front_is_beaten() -> None:
    """The second and the fourth cost more of one without less of the other; of equal points, one is on the front."""
    keys = [("g", "line", str(number)) for number in range(5)]
    points = dict(zip(keys, [(1.0, 9.0), (2.0, 9.0), (3.0, 4.0), (3.0, 5.0), (8.0, 1.0)], strict=True))
    assert kv_front.on_front(points) == [keys[0], keys[2], keys[4]]
    assert len(kv_front.on_front({keys[0]: (1.0, 1.0), keys[1]: (1.0, 1.0)})) == 1


def test_the_chip_keeps_the_cache_that_the_perplexity_is_of() -> None:
    """float16: 30 layers, keys and values, 3 heads of 64, 2 bytes, 2,048 tokens; 8 bits add a step of 4 bytes."""
    entries = 30 * 2 * 3 * 2048
    assert kv_front.caches()[BASE].held_bytes == entries * 64 * 2
    assert kv_front.caches()["bits", "per token", "8"].held_bytes == entries * (64 + 4)
    assert kv_front.caches()["budget", "sinks and newest tokens", "512"].held_bytes == entries // 4 * (64 + 4)


def test_each_row_has_a_cache_and_blocks_of_a_whole_window() -> None:
    """A window is at a multiple of 2,048 tokens, in 8 blocks of 256."""
    for key, found in kv_front.caches().items():
        assert (found.kv is None) == (key == kv_front.FLOATS)
        assert found.kv is None or KvCacheSpec(**found.kv).sequence_bytes(SPEC, kv_front.TOKENS) == found.held_bytes
        assert all(start % kv_front.TOKENS == 0 for start in found.nats)
        assert {len(each) for each in found.nats.values()} == {8}
