"""Latent attention in its absorbed form: one KV head, whose keys are latents with rotated keys, and values latents.

The cache holds one entry per token: the latent and the rotated key, quantised as one vector. Attention reads it as key
and as value; of the sums of values, those of the rotated keys have no meaning and are dropped.

Reference:
    docs/experts.md, eq. (4); DeepSeek-AI, "DeepSeek-V2", arXiv:2405.04434, section 2.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pimsim.inference.attention import attend
from pimsim.inference.functions import rotate
from pimsim.inference.kv_store import KeyValueCache
from pimsim.inference.norms import rms_norm
from workloads.models import ModelSpec
from workloads.neural_network import LayerWeights, Network

Float = NDArray[np.float32]
Product = Callable[[str, Float], Float]
"""Function that multiplies vectors, [tokens, in], by a projection of the layer, given by its role."""


def cached_shape(spec: ModelSpec) -> ModelSpec:
    """Return the shape of a model whose KV cache is that of the latents.

    Args:
        spec: The model.

    Returns:
        The model itself without latent attention; else one with a KV head of as many elements as a token's entry.
    """
    if spec.latent is None:
        return spec
    return replace(spec, latent=None, heads=1, kv_heads=1, d_head=spec.latent.cached, d_rotary=None)


def attend_to_latents(
    x: Float,
    weights: LayerWeights,
    network: Network,
    cache: KeyValueCache,
    layer: int,
    table: tuple[Float, Float],
    product: Product,
) -> Float:
    """Compute the attention half of a layer for new tokens, and add their latents to the cache.

    Args:
        x: Inputs after the norm of the layer, [tokens, d_model] float32.
        weights: Weights of the layer.
        network: The network.
        cache: Cache of `cached_shape`.
        layer: Number of the layer.
        table: Cosines and sines of the new tokens for `d_rope` elements.
        product: Multiplies by a projection of the layer.

    Returns:
        [tokens, d_model] float32.
    """
    spec, latent, further, details = network.spec, network.spec.latent, weights.latent, network.details
    assert latent is not None
    assert further is not None
    tokens, rank = len(x), latent.kv_rank
    if further.q_a is not None:
        assert further.q_norm is not None
        query = product("q", rms_norm(product("q_a", x), further.q_norm, details.latent_norm_epsilon))
    else:
        query = product("q", x)
    query = query.reshape(tokens, spec.heads, latent.d_query)
    made = product("k", x)
    latents = rms_norm(np.ascontiguousarray(made[:, :rank]), further.kv_norm, details.latent_norm_epsilon)
    shared = rotate(_by_halves(made[:, None, rank:], details.rotary_pairs), table)
    entry = np.concatenate([latents[:, None], shared], axis=-1)
    cache.write(layer, entry, entry)
    absorbed = np.empty((tokens, spec.heads, latent.cached), np.float32)
    absorbed[..., rank:] = rotate(_by_halves(query[..., latent.d_nope :], details.rotary_pairs), table)
    for head in range(spec.heads):
        plain = np.ascontiguousarray(query[:, head, : latent.d_nope])
        absorbed[:, head, :rank] = product(f"head{head}.kv_b_k", plain)
    # `attend` divides scores by the root of the width of a key; that of latent attention is the width of a query.
    absorbed *= np.float32((latent.cached / latent.d_query) ** 0.5)
    sums = attend(absorbed, cache, layer).reshape(tokens, spec.heads, latent.cached)
    out = np.empty((tokens, spec.heads, latent.d_value), np.float32)
    for head in range(spec.heads):
        out[:, head] = product(f"head{head}.kv_b_v", np.ascontiguousarray(sums[:, head, :rank]))
    return product("o", out.reshape(tokens, spec.heads * latent.d_value))


def _by_halves(x: Float, pairs: str) -> Float:
    """Return vectors whose pairs lie half a vector apart; the order of pairs does not change products of vectors."""
    if pairs == "halves":
        return x
    return np.concatenate([x[..., 0::2], x[..., 1::2]], axis=-1)
