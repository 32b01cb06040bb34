"""Attention with other numbers of bits and with ConSmax: against loops, and against the formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.base.errors import WorkloadInputError
from pimsim.inference import Decoder, ExactProjector, KeyValueCache
from pimsim.inference.attention import attend
from pimsim.inference.heavy_hitters import LARGEST_EXPONENT
from pimsim.inference.kv_store import Numerics
from tests.oracles import naive_decoder
from tests.support.kv_caches import of_bits
from tests.support.networks import FAMILIES, family_spec, normal, random_network, with_consmax
from workloads.models import ModelSpec
from workloads.neural_network import ConSmaxConstants


def attended(
    spec: ModelSpec, tensors: tuple[np.ndarray, ...], numerics: Numerics, bits: int, consmax: ConSmaxConstants | None
) -> np.ndarray:
    query, key, value = tensors
    cache = KeyValueCache(spec, numerics, kv=of_bits(bits))
    cache.reserve(len(query))
    cache.write(0, key, value)
    return attend(query, cache, 0, None, consmax)


def formula(tensors: tuple[np.ndarray, ...], consmax: ConSmaxConstants) -> np.ndarray:
    """ConSmax(S) = exp(S - beta) / gamma, arXiv:2402.10930, one query, head and entry after another, in float64."""
    query, key, value = (each.astype(np.float64) for each in tensors)
    tokens, heads, d_head = query.shape
    out = np.zeros((tokens, heads, d_head))
    for token in range(tokens):
        for head in range(heads):
            kv_head = head * key.shape[1] // heads
            for entry in range(token + 1):
                score = query[token, head] @ key[entry, kv_head] / d_head**0.5
                weight = np.exp(score - float(consmax.beta[head])) / float(consmax.gamma[head])
                out[token, head] += weight * value[entry, kv_head]
    return out.reshape(tokens, -1)


def drawn(tokens: int = 70, seed: int = 0) -> tuple[ModelSpec, tuple[np.ndarray, ...], ConSmaxConstants]:
    spec, rng = family_spec("llama"), np.random.default_rng(seed)
    shapes = [(tokens, heads, spec.d_head) for heads in (spec.heads, spec.kv_heads, spec.kv_heads)]
    constants = ConSmaxConstants(normal(rng, spec.heads), rng.uniform(0.5, 20, spec.heads).astype(np.float32))
    return spec, tuple(normal(rng, *shape) for shape in shapes), constants


def test_consmax_is_its_formula() -> None:
    spec, tensors, consmax = drawn()
    expected = formula(tensors, consmax)
    np.testing.assert_allclose(attended(spec, tensors, "float", 8, consmax), expected, rtol=2e-5, atol=3e-5)
    # In 8 bits, each of the three operands has errors of at most half a step.
    error = attended(spec, tensors, "int8", 8, consmax) - expected
    assert 10 * np.log10((expected**2).sum() / (error**2).sum()) > 35


def test_each_head_has_constants_of_its_own() -> None:
    spec, tensors, consmax = drawn(tokens=5)
    other = ConSmaxConstants(consmax.beta.copy(), consmax.gamma.copy())
    other.beta[1] += 1
    other.gamma[3] *= 2
    before, after = (attended(spec, tensors, "float", 8, each).reshape(5, spec.heads, -1) for each in (consmax, other))
    np.testing.assert_array_equal(before[:, [0, 2]], after[:, [0, 2]])
    np.testing.assert_allclose(after[:, 1], before[:, 1] * np.exp(-1), rtol=1e-5)
    np.testing.assert_allclose(after[:, 3], before[:, 3] / 2, rtol=1e-5)


@pytest.mark.parametrize("numerics", ["float", "int8"])
def test_with_the_maximum_and_the_sum_of_a_row_it_is_the_softmax(numerics: Numerics) -> None:
    """One head and one query, whose maximum and sum the constants then are."""
    spec, rng = family_spec("llama", heads=1, kv_heads=1), np.random.default_rng(3)
    tensors = tuple(normal(rng, 9, 1, spec.d_head) for _ in range(3))
    scores = tensors[1][:, 0].astype(np.float64) @ tensors[0][8, 0].astype(np.float64) / spec.d_head**0.5
    gamma = np.exp(scores - scores.max()).sum()
    consmax = ConSmaxConstants(np.array([scores.max()], np.float32), np.array([gamma], np.float32))
    ours, softmax = (attended(spec, tensors, numerics, 8, each)[8] for each in (consmax, None))
    np.testing.assert_allclose(ours, softmax, rtol=1e-5 if numerics == "float" else 0.02, atol=1e-6)


@pytest.mark.parametrize("score", [-1e6, 1e6])
@pytest.mark.parametrize("numerics", ["float", "int8"])
def test_any_score_gives_numbers(numerics: Numerics, score: float) -> None:
    """ConSmax has no maximum to subtract: weights can vanish, and exponents end at a limit."""
    spec = family_spec("llama", heads=1, kv_heads=1, d_head=2)
    query, key, value = (np.full((3, 1, 2), number, np.float32) for number in (1, score, 2))
    consmax = ConSmaxConstants(np.zeros(1, np.float32), np.ones(1, np.float32))
    out = attended(spec, (query, key, value), numerics, 8, consmax)
    expected = 0 if score < 0 else 2 * np.exp(np.float64(LARGEST_EXPONENT)) * np.arange(1, 4)[:, None]
    np.testing.assert_allclose(out, np.broadcast_to(expected, out.shape), rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("bits", "kv_bits", "consmax"), [(8, 4, False), (3, 8, False), (5, 2, True), (8, 8, True)])
def test_every_format_has_the_same_bits_as_the_loops(family: str, bits: int, kv_bits: int, consmax: bool) -> None:
    network = random_network(family, 4)
    network = with_consmax(network) if consmax else network
    tokens = np.random.default_rng(4).integers(0, network.spec.vocab, 11).tolist()
    decoder = Decoder(network, ExactProjector(network, bits), kv=of_bits(kv_bits))
    assert decoder.softmax == ("consmax" if consmax else "exact")
    ours = decoder._forward(tokens, decoder.cache())
    np.testing.assert_array_equal(ours, naive_decoder.hidden_states(network, tokens, bits, kv_bits))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.integers(2, 8), st.none() | st.integers(1, 90), st.lists(st.integers(1, 80), max_size=3))
def test_logits_do_not_depend_on_how_a_prompt_is_split(seed: int, bits: int, window: int | None, more: list) -> None:
    network = with_consmax(random_network("llama", seed, layers=1, window=window), seed)
    pieces = [3, *more]
    tokens = np.random.default_rng(seed).integers(0, network.spec.vocab, sum(pieces))
    decoder = Decoder(network, ExactProjector(network), kv=of_bits(bits))
    cache, parts = decoder.cache(), np.split(tokens, np.cumsum(pieces)[:-1])
    whole = np.concatenate([decoder.logits(part, cache) for part in parts])
    np.testing.assert_array_equal(whole, decoder.logits(tokens))


def test_fewer_bits_err_more_and_eight_are_the_default() -> None:
    network = random_network("llama", 1)
    tokens = np.random.default_rng(1).integers(0, network.spec.vocab, 40)
    floats = Decoder(network, ExactProjector(network), attention="float").logits(tokens)
    errors = [
        float(((Decoder(network, ExactProjector(network), kv=of_bits(bits)).logits(tokens) - floats) ** 2).mean())
        for bits in (8, 6, 4, 2)
    ]
    assert errors == sorted(errors)
    plain = Decoder(network, ExactProjector(network)).logits(tokens)
    np.testing.assert_array_equal(plain, Decoder(network, ExactProjector(network, 8), kv=of_bits(8)).logits(tokens))


def test_what_does_not_fit() -> None:
    network = random_network("llama")
    with pytest.raises(WorkloadInputError, match="llama: the network has no constants of ConSmax"):
        Decoder(network, None, softmax="consmax")
    decoder = Decoder(network, ExactProjector(network), kv=of_bits(4))
    with pytest.raises(WorkloadInputError, match="a cache that keeps something else"):
        decoder.logits([1], KeyValueCache(network.spec))
    learned = with_consmax(network)
    exact, consmax = (Decoder(learned, None, softmax=each).logits([1, 2, 3]) for each in ("exact", None))
    np.testing.assert_array_equal(exact, Decoder(network, None).logits([1, 2, 3]))
    assert (exact != consmax).any()
