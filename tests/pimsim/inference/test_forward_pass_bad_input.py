from dataclasses import replace

import numpy as np
import pytest

from pimsim import load_config
from pimsim.base.errors import WorkloadInputError
from pimsim.inference import ArrayProjector, Decoder, ExactProjector, KeyValueCache, Site
from pimsim.inference.projections import matrix_seed, sites
from tests.support.networks import random_network


def pair(*settings):
    crossbar = load_config("pim-llm", [f"machine.crossbar.pair.{setting}" for setting in settings]).machine.crossbar
    assert crossbar is not None
    return crossbar.pair


@pytest.mark.parametrize("tokens", [[], [-1], [61], [[1]], [1.0]])
def test_invalid_tokens(tokens):
    with pytest.raises(WorkloadInputError, match="tokens must be"):
        Decoder(random_network("opt"), None).logits(tokens)


def test_more_tokens_than_positions_do_not_change_the_cache():
    network = random_network("opt")
    network = replace(network, details=replace(network.details, max_positions=4))
    decoder = Decoder(network, None)
    cache = decoder.cache()
    decoder.logits([1, 2, 3], cache)
    with pytest.raises(WorkloadInputError, match="5 tokens; the model has positions for 4"):
        decoder.logits([1, 2], cache)
    assert cache.length == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parallel": True}, "bitnet: attention and FFN in parallel can be timed, but are not computed"),
        ({"norm_order": "both", "score_cap": True}, "norms after attention and FFN and soft caps can be timed"),
        ({"qk_norms": "heads"}, "norms of queries and keys can"),
        ({"logit_cap": True}, "soft caps can"),
        ({"d_rotary": 4}, "rotary angles for a part of each head can"),
        ({"position": "alibi"}, r"biases of scores \(ALiBi\) can"),
    ],
)
def test_layers_that_are_only_timed(changes, words):
    network = random_network("bitnet")
    with pytest.raises(WorkloadInputError, match=words):
        Decoder(replace(network, spec=replace(network.spec, **changes)), None)


def test_incompatible_networks_caches_and_arrays():
    network = random_network("bitnet")
    floats = random_network("bitnet", one_bit=False)
    with pytest.raises(WorkloadInputError, match="a cache of float entries"):
        Decoder(network, ExactProjector(network)).logits([1], KeyValueCache(network.spec, "float"))
    with pytest.raises(WorkloadInputError, match="layer 0, q: weights are neither"):
        ExactProjector(floats)
    with pytest.raises(WorkloadInputError, match="these arrays support unsigned"):
        ArrayProjector(network, pair("encoding.activations=unsigned"))
    with pytest.raises(WorkloadInputError, match=r"layer 0, q: .*binary"):
        ArrayProjector(network, pair("encoding.weights=binary")).program()


def test_every_projection_has_its_own_seed_and_calibration():
    network = random_network("bitnet")
    every = [site for site, _ in sites(network)]
    assert len({matrix_seed(7, site) for site in every}) == len(every) == 14
    sample = np.zeros((2, 32), np.int8)
    arrays = ArrayProjector(network, pair(), calibration={Site(1, "k"): sample})
    assert (arrays.matrix(Site(1, "k")).sample == 0).all()
    assert (arrays.matrix(Site(0, "k")).sample != 0).any()


def test_observers_see_what_is_multiplied():
    network, seen = random_network("gpt2"), []
    decoder = Decoder(network, ExactProjector(network), observe=lambda *each: seen.append(each))
    decoder.logits([1, 2, 3])
    assert [site for site, *_ in seen] == [site for site, _ in sites(network)]
    for (site, x, y), (_, weights) in zip(seen, sites(network), strict=True):
        np.testing.assert_array_equal(y, x.astype(int) @ weights.values.T, err_msg=str(site))
