"""Logits of transformers: stored by tests/reference/make_transformers_logits.py, or computed if it is installed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pimsim.inference import Decoder, ExactProjector
from workloads.checkpoint import load_network

FOLDER = Path(__file__).parents[2] / "data" / "transformers"
FLOATS = ("gpt2", "opt", "llama", "llama_extended", "mistral", "mistral_window", "qwen2", "qwen2_window")
BITNETS = ("bitnet_bitlinear", "bitnet_online", "bitnet_packed", "bitnet_plain", "falcon_e")


def golden(family, folder=FOLDER):
    with np.load(folder / family / "logits.npz") as stored:
        count = len(stored.files) // 2
        names = sorted(name.removeprefix("tokens_") for name in stored.files if name.startswith("tokens_"))
        assert len(names) == count
        return [(stored[f"tokens_{name}"], stored[f"logits_{name}"]) for name in names]


@pytest.mark.parametrize("family", FLOATS)
def test_the_float_path_gives_the_logits_of_transformers(family):
    decoder = Decoder(load_network(FOLDER / family, weights="float").network, None)
    for tokens, logits in golden(family):
        np.testing.assert_allclose(decoder.logits(tokens), logits, rtol=0, atol=1e-4)
        cache = decoder.cache()
        steps = [decoder.step(int(token), cache) for token in tokens]
        np.testing.assert_allclose(steps, logits, rtol=0, atol=1e-4)


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


@pytest.mark.parametrize("family", FLOATS)
def test_logits_of_newly_created_models(family, made_now):
    decoder = Decoder(load_network(made_now / family, weights="float").network, None)
    for tokens, logits in golden(family, made_now):
        np.testing.assert_allclose(decoder.logits(tokens), logits, rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", BITNETS)
def test_logits_of_newly_created_bitnets(family, made_now):
    network = load_network(made_now / family).network
    decoder = Decoder(network, ExactProjector(network), attention="float")
    for tokens, logits in golden(family, made_now):
        np.testing.assert_allclose(decoder.logits(tokens), logits, rtol=0, atol=1e-4)
