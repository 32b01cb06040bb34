"""Compiled decode steps have the bits of those in NumPy, and are used where they can be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pimsim import load_config
from pimsim.inference import ArrayProjector, Decoder, ExactProjector, attention, heavy_hitters, kv_store, quantisation
from pimsim.inference.compiled import decode_step, step_kernels
from pimsim.inference.compiled.decode_step import sums_as_numpy
from tests.support.networks import FAMILIES, random_network, with_consmax
from workloads.kv_cache import KvCacheSpec
from workloads.neural_network import ConSmaxConstants, Network, NormWeights

LIMITS = with_consmax(random_network("bitnet", 5))
LIMITS = replace(  # exponentials that are 0, above the largest one, and all of them small
    LIMITS,
    layers=tuple(
        replace(each, consmax=ConSmaxConstants(np.array(beta, np.float32), np.ones(4, np.float32)))
        for each, beta in zip(LIMITS.layers, ((200, -200, 75, 0), (8, 9, 10, 11)), strict=True)
    ),
)
NETWORKS = {family: random_network(family, 3) for family in FAMILIES} | {
    "odd sizes": random_network("bitnet", 6, heads=3, kv_heads=1, d_head=10, d_model=37, d_ff=131),
    "windows": random_network("llama", 4, window=(None, 7)),
    "constants": with_consmax(random_network("bitnet", 5)),
    "limits": LIMITS,
}
CACHES = {
    "all": KvCacheSpec(),
    "few bits": KvCacheSpec(key_bits=4, value_bits=5, operand_bits=6),
    "newest": KvCacheSpec(keep="recent", recent=20),
}
IN_NUMPY = {
    "sinks": KvCacheSpec(keep="recent", recent=20, sinks=2),
    "heavy hitters": KvCacheSpec(keep="heavy_hitters", budget=24, recent=8),
    "half steps": KvCacheSpec(key_bits=4, scale_bits=16),
    "wide entries": KvCacheSpec(value_bits=8, operand_bits=4),
    "groups": KvCacheSpec(key_bits=4, value_bits=4, key_scales="per_channel", value_scales="per_group", group_size=4),
}


def assert_same_steps(ours: Decoder, expected: Decoder) -> None:
    """Compare 12 steps from 60 tokens on, and what they leave in the cache, across the end of a block of 64."""
    tokens = np.random.default_rng(1).integers(0, ours.network.spec.vocab, 72)
    caches = ours.cache(3), expected.cache(3)
    for decoder, cache in zip((ours, expected), caches, strict=True):
        decoder.prefill(tokens[:60], cache)
    for token in tokens[60:]:
        steps = [decoder.step(int(token), cache) for decoder, cache in zip((ours, expected), caches, strict=True)]
        np.testing.assert_array_equal(*steps)
    for made, wanted in zip(*(cache.read(1, 72) for cache in caches), strict=True):
        np.testing.assert_array_equal(made.values, wanted.values)
        np.testing.assert_array_equal(made.steps, wanted.steps)


def both(network: Network, **options: object) -> tuple[Decoder, Decoder]:
    compiled, in_numpy = (
        Decoder(network, ExactProjector(network), compiled=compiled, **options)  # type: ignore[arg-type]
        for compiled in (True, False)
    )
    assert compiled._step is not None
    assert in_numpy._step is None
    return compiled, in_numpy


@pytest.mark.filterwarnings("ignore:overflow encountered in square")  # in norms of NumPy, at the limits
@pytest.mark.parametrize("name", NETWORKS)
def test_steps_have_the_bits_of_numpy(name: str) -> None:
    assert_same_steps(*both(NETWORKS[name]))


@pytest.mark.parametrize("name", CACHES)
def test_these_caches_are_read_by_the_compiled_attention(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network, calls = NETWORKS["windows"], []
    honest = attention.attend
    monkeypatch.setattr(attention, "attend", lambda *arguments: calls.append(1) or honest(*arguments))
    compiled, in_numpy = both(network, kv=CACHES[name])
    assert_same_steps(compiled, in_numpy)
    assert not calls
    monkeypatch.setattr(decode_step, "LARGEST_ATTENTION", 0)  # as for a long context
    assert_same_steps(compiled, in_numpy)
    assert calls


@pytest.mark.parametrize("name", IN_NUMPY)
@pytest.mark.parametrize("network", ["bitnet", "constants"])
def test_other_caches_stay_in_numpy(name: str, network: str) -> None:
    assert_same_steps(*both(NETWORKS[network], kv=IN_NUMPY[name]))


def test_float_attention_stays_in_numpy() -> None:
    assert_same_steps(*both(NETWORKS["gpt2"], attention="float"))


def test_steps_on_noisy_arrays_are_compiled_by_default() -> None:
    settings = ("noise.read={lrs: 0.05, hrs: 0.05}", "wires.model=none")
    config = load_config("pim-llm", [f"machine.crossbar.pair.{each}" for each in settings])
    assert config.machine.crossbar is not None
    network, pair = NETWORKS["bitnet"], config.machine.crossbar.pair
    arrays = ArrayProjector(network, pair, 3, threads=1)
    ours = Decoder(network, arrays)
    assert ours._step is not None
    assert Decoder(network, ExactProjector(network))._step is None  # it does not load Numba
    assert_same_steps(ours, Decoder(network, arrays, compiled=False))


def test_observers_see_the_same_products_and_layers() -> None:
    network = NETWORKS["llama"]
    seen: tuple[list[tuple[object, ...]], list[tuple[object, ...]]] = [], []
    for compiled, noted in zip((True, False), seen, strict=True):
        decoder = Decoder(
            network,
            ExactProjector(network),
            compiled=compiled,
            observe=lambda site, x, sums, noted=noted: noted.append((site, x.tobytes(), sums.tobytes())),
            watch=lambda number, x, noted=noted: noted.append((number, x.tobytes())),
        )
        cache = decoder.cache()
        for token in (5, 7):
            decoder.step(token, cache)
    assert len(seen[0]) == 2 * 2 * 8
    assert seen[0] == seen[1]


def test_structures_that_stay_in_numpy() -> None:
    network = NETWORKS["llama"]
    norm = NormWeights(np.ones(network.spec.d_model, np.float32))
    layers = tuple(replace(each, q=replace(each.q, input_norm=norm)) for each in network.layers)
    normed = replace(network, layers=layers)
    assert Decoder(normed, ExactProjector(normed), compiled=True)._step is None
    assert Decoder(network, None, compiled=True)._step is None


def test_constants_are_those_of_numpy() -> None:
    """They are copies, since Numba's cache does not see that a constant of another module has changed."""
    assert step_kernels.SMALLEST_ABSMAX == quantisation.SMALLEST_ABSMAX
    assert step_kernels.SMALLEST_WEIGHT == attention.SMALLEST_WEIGHT
    assert step_kernels.LARGEST_EXPONENT == heavy_hitters.LARGEST_EXPONENT
    assert step_kernels.BLOCK == kv_store.BLOCK


@pytest.mark.parametrize("size", [1, 7, 8, 9, 64, 127, 128, 129, 136, 200, 257, 1000, 4099])
def test_sums_have_the_order_of_numpy(size: int) -> None:
    assert sums_as_numpy(size)


def test_another_order_of_numpy_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of NumPy may add rows otherwise; decoding would then differ from a prefill."""
    monkeypatch.setattr(decode_step, "_LEAF", 256)
    sums_as_numpy.cache_clear()
    try:
        assert not sums_as_numpy(200)
        wide = random_network("llama", d_ff=200)
        assert Decoder(wide, ExactProjector(wide), compiled=True)._step is None
    finally:
        sums_as_numpy.cache_clear()
