import numpy as np
import pytest

from pimsim import load_config
from pimsim.inference import ArrayProjector, Decoder, ExactProjector
from tests.support.networks import FAMILIES, random_network

PAIR = "machine.crossbar.pair"
IDEAL = (
    "noise.variation.lrs.sigma=0",
    "noise.variation.hrs.sigma=0",
    "noise.read={lrs: 0, hrs: 0}",
    "noise.faults={stuck_lrs: 0, stuck_hrs: 0}",
    "wires.model=none",
    "adc.bits=10",
    "adc.range=full",
)
NOISY = (*IDEAL, "noise.variation.lrs.sigma=0.05", "noise.read={lrs: 0.05, hrs: 0.05}", "adc.range=calibrated")


def arrays(settings):
    crossbar = load_config("pim-llm", [f"{PAIR}.{setting}" for setting in settings]).machine.crossbar
    assert crossbar is not None
    return crossbar.pair


def tokens_of(network, count, seed=3):
    return np.random.default_rng(seed).integers(0, network.spec.vocab, count)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("binary", [False, True])
def test_ideal_arrays_give_the_exact_models_logits(family, binary):
    network = random_network(family, binary=binary)
    tokens = tokens_of(network, 9)
    exact = Decoder(network, ExactProjector(network)).logits(tokens)
    ideal = Decoder(network, ArrayProjector(network, arrays(IDEAL))).logits(tokens)
    assert np.isfinite(exact).all()
    np.testing.assert_array_equal(ideal, exact)


@pytest.mark.parametrize("family", FAMILIES)
def test_decoding_equals_prefill_with_read_noise_and_any_threads(family):
    network = random_network(family)
    tokens = tokens_of(network, 12)
    one = Decoder(network, ArrayProjector(network, arrays(NOISY), threads=1))
    two = Decoder(network, ArrayProjector(network, arrays(NOISY), threads=2))
    whole = one.logits(tokens)
    assert (whole != Decoder(network, ExactProjector(network)).logits(tokens)).any()
    cache = two.cache()
    np.testing.assert_array_equal([two.step(int(token), cache) for token in tokens], whole)
    assert (one.logits(tokens, one.cache(sequence=1)) != whole).any()
