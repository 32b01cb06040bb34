"""The vectorised forward pass against one with loops, and against itself with the tokens split differently."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim import load_config
from pimsim.inference import ArrayProjector, Decoder, ExactProjector
from pimsim.inference.quantisation import grid_bits, on_grid, quantise
from tests.oracles import naive_decoder
from tests.support.networks import FAMILIES, random_network
from tests.support.tiny_models import IDEAL
from workloads.neural_network import Weights


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_family_has_the_same_bits_as_the_loops(family, seed):
    network = random_network(family, seed)
    tokens = np.random.default_rng(seed).integers(0, network.spec.vocab, 11).tolist()
    decoder = Decoder(network, ExactProjector(network))
    ours = decoder._forward(tokens, decoder.cache())
    np.testing.assert_array_equal(ours, naive_decoder.hidden_states(network, tokens))


def test_scales_of_blocks_of_inputs_and_of_outputs_have_the_same_bits_as_the_loops():
    network = random_network("llama")
    rng = np.random.default_rng(3)

    def blocked(weights: Weights, blocks: int) -> Weights:
        return replace(weights, scale=rng.uniform(0.1, 0.3, (blocks, len(weights.values))).astype(np.float32))

    layers = [
        replace(each, o=blocked(each.o, 2), down=blocked(each.down, 4), q=blocked(each.q, 1)) for each in network.layers
    ]
    network = replace(network, layers=tuple(layers))
    tokens = rng.integers(0, network.spec.vocab, 11).tolist()
    projector = ExactProjector(network)
    decoder = Decoder(network, projector)
    ours = decoder._forward(tokens, decoder.cache())
    np.testing.assert_array_equal(ours, naive_decoder.hidden_states(network, tokens))
    through = Decoder(network, ArrayProjector(network, load_config("pim-llm", IDEAL).machine.crossbar.pair, 1))
    np.testing.assert_array_equal(through._forward(tokens, through.cache()), ours)
    floats = Decoder(network, None, attention="int8")  # inputs that are not quantised
    assert np.corrcoef(floats._forward(tokens, floats.cache()).ravel(), ours.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("window", [1, 3, (None, 4), 70])
def test_windows_have_the_same_bits_as_the_loops(window):
    network = random_network("llama", window=window)
    tokens = np.random.default_rng(0).integers(0, network.spec.vocab, 80).tolist()
    decoder = Decoder(network, ExactProjector(network))
    ours = decoder._forward(tokens, decoder.cache())
    np.testing.assert_array_equal(ours, naive_decoder.hidden_states(network, tokens))


def test_a_token_beyond_the_window_has_no_effect():
    """With one layer; n layers see n windows back (Mistral 7B, arXiv:2310.06825, fig. 1)."""
    network = random_network("llama", layers=1, window=5)
    decoder = Decoder(network, ExactProjector(network))
    tokens = np.arange(20)
    other = tokens.copy()
    other[:11] = 40
    before, after = decoder.logits(tokens), decoder.logits(other)
    np.testing.assert_array_equal(before[15:], after[15:])
    assert (before[14] != after[14]).any()


@st.composite
def cut_prompts(draw):
    """Draw a network, tokens, and the lengths of the pieces into which the tokens are split."""
    family = draw(st.sampled_from(FAMILIES))
    kv_heads, group, half = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 9))
    network = random_network(
        family,
        draw(st.integers(0, 99)),
        layers=draw(st.integers(1, 2)),
        heads=kv_heads * group,
        kv_heads=kv_heads,
        d_head=2 * half,
        d_model=draw(st.integers(1, 40)),
        d_ff=draw(st.integers(1, 60)),
        vocab=draw(st.integers(1, 70)),
        window=draw(st.none() | st.integers(1, 200)),
    )
    pieces = draw(st.lists(st.one_of(st.integers(1, 5), st.integers(50, 140)), min_size=1, max_size=4))
    return network, pieces


@settings(max_examples=40, deadline=None)
@given(cut_prompts())
def test_logits_do_not_depend_on_how_a_prompt_is_split(case):
    network, pieces = case
    tokens = np.random.default_rng(0).integers(0, network.spec.vocab, sum(pieces))
    decoder = Decoder(network, ExactProjector(network), compiled=True)  # single tokens only
    whole = decoder.logits(tokens)
    cache, parts = decoder.cache(), np.split(tokens, np.cumsum(pieces)[:-1])
    np.testing.assert_array_equal(np.concatenate([decoder.logits(part, cache) for part in parts]), whole)
    last = decoder.cache()
    decoder.logits(tokens[:-1], last) if len(tokens) > 1 else None
    np.testing.assert_array_equal(decoder.step(int(tokens[-1]), last), whole[-1])


def test_contexts_longer_than_float32_adds_up_exactly_decode_as_they_prefill():
    network = random_network("llama", layers=1, heads=2, kv_heads=1)
    tokens = np.random.default_rng(0).integers(0, network.spec.vocab, 1300)
    decoder = Decoder(network, ExactProjector(network))
    cache = decoder.cache()
    decoder.logits(tokens[:1299], cache)
    np.testing.assert_array_equal(decoder.step(int(tokens[1299]), cache), decoder.logits(tokens)[-1])


@given(st.integers(0, 99), st.floats(1e-30, 1e30))
def test_quantised_rows_reach_127_and_never_128(seed, size):
    x = (np.random.default_rng(seed).standard_normal((5, 33)) * size).astype(np.float32)
    values = quantise(x).values
    assert np.abs(values.astype(int)).max() <= 127
    if np.abs(x).max() >= 1e-5:
        assert np.abs(values.astype(int)).max() == 127


def test_a_product_on_the_grid_is_exact_in_any_order():
    rng = np.random.default_rng(0)
    bits = grid_bits(300)
    x = on_grid(rng.standard_normal((7, 300)).astype(np.float32), bits, by_row=True)
    table = on_grid(rng.standard_normal((11, 300)).astype(np.float32), bits, by_row=False)
    order = rng.permutation(300)
    np.testing.assert_array_equal(x @ table.T, x[:, order] @ table[:, order].T)
    np.testing.assert_array_equal(x[:1] @ table.T, (x @ table.T)[:1])
