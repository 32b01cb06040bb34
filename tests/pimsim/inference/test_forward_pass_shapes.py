"""The forward pass multiplies matrices of the same shapes as the trace."""

from dataclasses import replace

import numpy as np
import pytest

from pimsim.inference import Decoder, attention
from pimsim.inference.projections import Site
from tests.support.networks import FAMILIES, network_of, random_network
from workloads.decoder_ops import decode_step
from workloads.models import load_models
from workloads.ops import AttentionScores, AttentionValues, Projection


class Recording:
    """Projector that records the shapes that it multiplies."""

    def __init__(self, network):
        self.network, self.shapes, self.activation_bits = network, {}, 8

    def project(self, site, x, first_vector):
        weights = getattr(self.network.layers[site.layer], site.role.removeprefix("ffn_"))
        result = x.astype(np.int32) @ weights.values.T.astype(np.int32)
        self.shapes[site] = (*x.shape, result.shape[1])
        return result


def assert_alike(network, monkeypatch, context=5):
    spec, seen = network.spec, []
    honest = attention._scores

    def noting(query, keys, *rest):
        kv_heads, group, tokens, d_head = query.shape
        assert keys.values.shape == (kv_heads, keys.values.shape[1], d_head)
        seen.append((kv_heads * group, kv_heads, d_head, tokens))
        return honest(query, keys, *rest)

    monkeypatch.setattr(attention, "_scores", noting)
    recording = Recording(network)
    decoder = Decoder(network, recording, compiled=False)  # compiled attention calls no function for its scores
    cache = decoder.cache()
    decoder.logits(np.zeros(context - 1, int), cache)
    recording.shapes.clear()
    seen.clear()
    decoder.step(0, cache)
    assert cache.length == context
    trace = decode_step(spec, context)
    layers = [block for block in trace.blocks for _ in range(block.repeat)]
    assert len(layers) == spec.layers
    timed = {
        Site(number, op.role): (op.vectors, op.in_features, op.out_features)
        for number, block in enumerate(layers)
        for op in block.ops
        if isinstance(op, Projection)
    }
    assert recording.shapes == timed
    for kind in (AttentionScores, AttentionValues):
        ops = [op for block in layers for op in block.ops if isinstance(op, kind)]
        assert [(op.heads, op.kv_heads, op.d_head, op.queries) for op in ops] == seen
        assert all(op.context == cache.length for op in ops)


@pytest.mark.parametrize("family", FAMILIES)
def test_small_networks_multiply_the_shapes_of_their_trace(family, monkeypatch):
    assert_alike(random_network(family), monkeypatch)


COMPUTED = [name for name, spec in load_models().items() if not (spec.parallel or spec.experts or spec.latent)]
"""Those with experts and latents: test_mixture.py and test_latent_attention.py."""


@pytest.mark.parametrize("name", COMPUTED)
def test_scaled_down_shipped_models_multiply_the_shapes_of_their_trace(name, monkeypatch):
    spec = load_models()[name]
    group = spec.heads // spec.kv_heads
    kv_heads = min(spec.kv_heads, 2)
    small = replace(
        spec, layers=2, heads=kv_heads * group, kv_heads=kv_heads, d_head=4, d_model=kv_heads * group * 4,
        d_ff=max(1, round(spec.d_ff / spec.d_model * kv_heads * group * 4)), vocab=13,
    )  # fmt: skip
    assert_alike(network_of(small), monkeypatch)


def test_a_trace_of_another_shape_is_detected(monkeypatch):
    network = random_network("llama")
    other = replace(network, spec=replace(network.spec, d_ff=network.spec.d_ff + 1))
    with pytest.raises(AssertionError):
        assert_alike(other, monkeypatch)
