"""Latent attention: against the expanded form written out, and the entries that its cache holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pimsim.base.errors import WorkloadInputError
from pimsim.inference import Decoder
from pimsim.inference.latent_attention import cached_shape
from workloads.checkpoint import load_network
from workloads.kv_cache import KvCacheSpec
from workloads.models import find_model

FOLDER = Path(__file__).parents[2] / "data" / "transformers"
V3 = load_network(FOLDER / "deepseek_v3", weights="float").network
TOKENS = np.arange(3, 25)


def first_layer(kv: KvCacheSpec | None) -> np.ndarray:
    """Return the output of the first layer, which is dense: a router would turn small errors into other experts."""
    seen: dict[int, np.ndarray] = {}

    def keep(number: int, x: np.ndarray) -> None:
        seen[number] = x.copy()

    attention = {} if kv is None else {"attention": "int8", "kv": kv}
    Decoder(V3, None, watch=keep, **attention).logits(TOKENS)  # type: ignore[arg-type]
    return seen[0]


def test_the_cache_has_one_entry_per_token() -> None:
    """Twelve elements of the latent and four of the rotated key in one KV head, whatever the number of heads."""
    shape = cached_shape(V3.spec)
    assert (shape.kv_heads, shape.d_head, shape.latent) == (1, 16, None)
    assert cached_shape(find_model("llama-3-8b")) is find_model("llama-3-8b")
    decoder = Decoder(V3, None)
    cache = decoder.cache()
    decoder.logits(TOKENS, cache)
    keys, values = cache.read(1, len(TOKENS))
    assert keys.values.shape == (1, len(TOKENS), 16)
    assert (keys.values == values.values).all()


def test_more_bits_of_the_latents_are_closer() -> None:
    exact = first_layer(None)
    caches = [KvCacheSpec(key_bits=bits, value_bits=bits) for bits in (3, 4, 6, 8)]
    errors = [np.sqrt(np.mean((first_layer(kv) - exact) ** 2) / np.mean(exact**2)) for kv in caches]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.03


def test_a_window_over_all_tokens_changes_nothing() -> None:
    whole, windowed = (Decoder(V3, None, kv=kv) for kv in (KvCacheSpec(), KvCacheSpec(keep="recent", recent=64)))
    assert (whole.logits(TOKENS) == windowed.logits(TOKENS)).all()
    short = Decoder(V3, None, kv=KvCacheSpec(keep="recent", recent=4))
    assert (short.logits(TOKENS)[:4] == whole.logits(TOKENS)[:4]).all()
    assert (short.logits(TOKENS)[8:] != whole.logits(TOKENS)[8:]).any()


def test_formats_that_latents_cannot_have_are_refused() -> None:
    with pytest.raises(WorkloadInputError, match=r"workload\.kv\.value_bits must be key_bits, 8, not 4"):
        Decoder(V3, None, kv=KvCacheSpec(value_bits=4))
