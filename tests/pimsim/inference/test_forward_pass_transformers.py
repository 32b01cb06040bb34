"""Logits of transformers: stored by tests/reference/make_transformers_logits.py, or computed if it is installed."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pimsim.inference import Decoder, ExactProjector
from workloads.checkpoint import load_network
from workloads.kv_cache import KvCacheSpec

FOLDER = Path(__file__).parents[2] / "data" / "transformers"
FLOATS = ("gpt2", "opt", "llama", "llama_extended", "mistral", "mistral_window", "qwen2", "qwen2_window")
MIXTURES = ("mixtral", "qwen2_moe", "deepseek_v2", "deepseek_v3")
SINKS = {"gpt2": (1, 4), "llama": (2, 5), "mistral": (3, 4)}
BITNETS = ("bitnet_bitlinear", "bitnet_online", "bitnet_packed", "bitnet_plain", "falcon_e")


def golden(family, folder=FOLDER, file="logits.npz"):
    with np.load(folder / family / file) as stored:
        count = len(stored.files) // 2
        names = sorted(name.removeprefix("tokens_") for name in stored.files if name.startswith("tokens_"))
        assert len(names) == count
        return [(stored[f"tokens_{name}"], stored[f"logits_{name}"]) for name in names]


@pytest.mark.parametrize("family", [*FLOATS, *MIXTURES])
def test_the_float_path_gives_the_logits_of_transformers(family):
    decoder = Decoder(load_network(FOLDER / family, weights="float").network, None)
    for tokens, logits in golden(family):
        np.testing.assert_allclose(decoder.logits(tokens), logits, rtol=0, atol=1e-4)
        cache = decoder.cache()
        steps = [decoder.step(int(token), cache) for token in tokens]
        np.testing.assert_allclose(steps, logits, rtol=0, atol=1e-4)


def masked_logits_agree(network, kv, pairs):
    """All tokens at once, and step by step."""
    decoder = Decoder(network, None, kv=kv)
    for tokens, logits in pairs:
        np.testing.assert_allclose(decoder.logits(tokens), logits, rtol=0, atol=1e-4)
        cache = decoder.cache()
        steps = [decoder.step(int(token), cache) for token in tokens]
        np.testing.assert_allclose(steps, logits, rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", SINKS)
def test_sinks_and_newest_tokens_are_those_of_a_mask_in_transformers(family):
    sinks, recent = SINKS[family]
    network = load_network(FOLDER / family, weights="float").network
    kv = KvCacheSpec(keep="recent", sinks=sinks, recent=recent)
    masked_logits_agree(network, kv, golden(family, file="sinks.npz"))


def test_newest_tokens_are_the_sliding_window_of_mistral_in_transformers():
    network = load_network(FOLDER / "mistral_window", weights="float").network
    assert network.spec.window == 6
    without = replace(network, spec=replace(network.spec, window=None))
    masked_logits_agree(without, KvCacheSpec(keep="recent", recent=6), golden("mistral_window"))


@pytest.mark.parametrize("family", BITNETS)
def test_w1a8_projections_give_the_logits_of_bitnet_in_transformers(family):
    """Transformers computes attention in float."""
    network = load_network(FOLDER / family).network
    decoder = Decoder(network, ExactProjector(network), attention="float")
    for tokens, logits in golden(family):
        np.testing.assert_allclose(decoder.logits(tokens), logits, rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", BITNETS)
def test_attention_in_8_bits_is_close_to_that_of_floats(family):
    network = load_network(FOLDER / family).network
    decoder = Decoder(network, ExactProjector(network))
    for tokens, logits in golden(family):
        error = decoder.logits(tokens) - logits
        assert np.sqrt(np.mean(error**2)) < 0.05 * np.sqrt(np.mean(logits**2))


@pytest.fixture(scope="module")
def made_now(tmp_path_factory):
    """Create models with random weights that differ from the stored ones, and compute their logits."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("transformers")
    script = FOLDER.parents[1] / "reference" / "make_transformers_logits.py"
    subprocess.run([sys.executable, str(script), str(folder), "7"], check=True, capture_output=True, timeout=300)
    return folder


@pytest.mark.parametrize("family", [*FLOATS, *MIXTURES])
def test_logits_of_newly_created_models(family, made_now):
    decoder = Decoder(load_network(made_now / family, weights="float").network, None)
    for tokens, logits in golden(family, made_now):
        np.testing.assert_allclose(decoder.logits(tokens), logits, rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", SINKS)
def test_sinks_of_newly_created_models(family, made_now):
    sinks, recent = SINKS[family]
    network = load_network(made_now / family, weights="float").network
    kv = KvCacheSpec(keep="recent", sinks=sinks, recent=recent)
    masked_logits_agree(network, kv, golden(family, made_now, "sinks.npz"))


@pytest.mark.parametrize("family", BITNETS)
def test_logits_of_newly_created_bitnets(family, made_now):
    network = load_network(made_now / family).network
    decoder = Decoder(network, ExactProjector(network), attention="float")
    for tokens, logits in golden(family, made_now):
        np.testing.assert_allclose(decoder.logits(tokens), logits, rtol=0, atol=1e-4)
