"""Selection of entries in an evaluation: from the config of time and energy, with codebooks of the shipped network."""

from __future__ import annotations

import numpy as np

from pimsim import load_config
from pimsim.inference import Decoder, ExactProjector
from pimsim.inference.codebooks import CodebookFormat
from pimsim.inference.kept_entries import Selection
from pimsim.studies.accuracy.evaluation import ProgressTotal, inputs_of, reference_of
from pimsim.studies.accuracy.key_codebooks import make_chooser, selection_notes, selection_of
from tests.support.networks import random_network


def exact_nats(config: str, *prediction: str) -> float:
    settings = ["accuracy.tokens=64", *(f"machine.prediction.{each}" for each in prediction)]
    loaded = load_config(config, settings)
    return sum(reference_of(loaded, inputs_of(loaded), ProgressTotal(1, None)).exact_nll)


def test_the_config_says_what_is_kept() -> None:
    hardsea = load_config("hardsea")
    assert selection_of(hardsea) == Selection(0.225, "product_quantised", CodebookFormat(), "winner_take_all")
    assert selection_of(load_config("hardsea", ["mapping.attention=systolic"])) is None
    assert selection_of(load_config("pim-llm-sram-attention")) is None
    (note,) = selection_notes(selection_of(hardsea))
    assert note.startswith("each token attends to 0.225 of the entries it sees, chosen by 8 codes of 16 centroids")
    assert not [*selection_notes(None)]


def test_codebooks_are_made_from_keys_as_numbers() -> None:
    """Of 127 codes of steps far below 1, no centroid is larger than the largest key."""
    network = random_network("llama")
    decoder, tokens = Decoder(network, ExactProjector(network)), np.arange(40)
    selection = Selection(0.5, codebooks=CodebookFormat(2, 4))
    codebooks = make_chooser(selection, decoder, [tokens[:20], tokens[20:]]).codebooks
    assert codebooks is not None
    cache = decoder.cache()
    decoder.prefill(tokens[:20], cache)
    keys, _ = cache.read(0, 20)
    largest = np.abs(keys.values * keys.steps[..., None]).max()
    assert 0.1 * largest < np.abs(codebooks.values[0] * codebooks.steps[0, :, None, None, None]).max() < 2 * largest
    assert make_chooser(Selection(1.0), decoder, []).codebooks is None


def test_fewer_entries_cost_likelihood_and_all_of_them_cost_none() -> None:
    """64 characters: a tenth of the entries, ranked by scores, loses less than ranked by codes."""
    everything = exact_nats("hardsea", "kept_share=1")
    assert everything == exact_nats("pim-llm-sram-attention")
    by_scores = exact_nats("hardsea", "kept_share=0.1", "method=exact")
    by_codes = exact_nats("hardsea", "kept_share=0.1")
    assert everything < by_scores < by_codes
