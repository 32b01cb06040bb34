"""A share of the entries: 100 % has the bits of all, a token alone those of a prompt, and loops choose the same."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np
import pytest

from pimsim.base.errors import WorkloadInputError
from pimsim.inference import Decoder, ExactProjector
from pimsim.inference.codebooks import CodebookFormat, train_codebooks
from pimsim.inference.kept_entries import EntryChooser, Selection
from pimsim.inference.kv_store import Operands
from tests.support.networks import random_network
from workloads.kv_cache import KvCacheSpec

LLAMA = random_network("llama", seed=3)
SPEC = LLAMA.spec
FORM = CodebookFormat(subspaces=2, centroids=4, iterations=3)
TOKENS = np.random.default_rng(0).integers(0, SPEC.vocab, 40)
PREDICTED = Selection(0.3, codebooks=FORM)
SELECTIONS = [PREDICTED, Selection(0.3, codebooks=FORM, readout="adc"), Selection(0.3, "exact")]


def chooser(selection: Selection) -> EntryChooser:
    if not selection.needs_codebooks:
        return EntryChooser(selection)
    rng = np.random.default_rng(1)
    sample = rng.normal(size=(SPEC.layers, SPEC.kv_heads, 64, SPEC.d_head)).astype(np.float32)
    return EntryChooser(selection, train_codebooks(sample, selection.codebooks))


def decoder(selection: Selection | None, kv: KvCacheSpec | None = None) -> Decoder:
    chosen = None if selection is None else chooser(selection)
    return Decoder(LLAMA, ExactProjector(LLAMA), kv=kv or KvCacheSpec(), chooser=chosen)


@pytest.mark.parametrize("method", ["exact", "product_quantised"])
def test_all_entries_have_the_bits_of_attention_without_a_choice(method: str) -> None:
    everything = decoder(Selection(1.0, method, FORM))  # type: ignore[arg-type]
    assert np.array_equal(everything.logits(TOKENS), decoder(None).logits(TOKENS))


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("kv", [None, KvCacheSpec(keep="recent", recent=9, sinks=2)])
def test_a_token_alone_has_the_bits_of_a_prompt(selection: Selection, kv: KvCacheSpec | None) -> None:
    choosing = decoder(selection, kv)
    at_once, cache = choosing.logits(TOKENS), choosing.cache()
    one_by_one = [choosing.step(token, cache) for token in TOKENS]
    assert np.array_equal(at_once, np.stack(one_by_one))
    assert not np.array_equal(at_once, decoder(None, kv).logits(TOKENS))


@pytest.mark.parametrize("selection", SELECTIONS)
def test_kept_entries_by_loops(selection: Selection) -> None:
    """Two KV heads of three query heads; queries at positions 5 to 8 of 9 entries, of which one is hidden."""
    rng = np.random.default_rng(4)
    heads, d_head, entries, first = slice(0, 2), SPEC.d_head, 9, 5
    query = rng.normal(size=(2, 3, 4, d_head)).astype(np.float32)
    keys = Operands(
        rng.integers(-9, 9, (2, entries, d_head)).astype(np.float32), np.full((2, entries), 0.1, np.float32)
    )
    scores = rng.integers(-3, 3, (2, 3, 4, entries)).astype(np.float32)  # with ties
    factor = rng.integers(1, 3, (2, 3, 4, 1)).astype(np.float32)
    mask = np.arange(entries) > np.arange(first, first + 4)[:, None]
    mask[:, 2] = True
    choosing = chooser(selection)
    hidden = choosing.hidden((1, heads), query, keys, (scores, factor), mask)
    codebooks = choosing.codebooks
    for head, token in np.ndindex(2, 4):
        relevance = []
        for entry in range(entries):
            if codebooks is None:
                relevance.append(
                    sum(scores[head, each, token, entry] * factor[head, each, token, 0] for each in range(3))
                )
                continue
            codes = codebooks.nearest(1, heads, keys.values * np.float32(0.1))[head, entry]
            tables = [codebooks.lookup(1, heads, query[:, each], selection.readout)[head, token] for each in range(3)]
            relevance.append(sum(sum(table[part, codes[part]] for table in tables) for part in range(2)))
        visible = [entry for entry in range(entries) if not mask[token, entry]]
        best = sorted(visible, key=lambda entry: (-relevance[entry], -entry))
        kept = best[: ceil(Fraction("0.3") * len(visible))]
        assert sorted(np.flatnonzero(~hidden[head, 0, token])) == sorted(kept)


def test_refusals() -> None:
    for kv in (
        KvCacheSpec(keep="heavy_hitters", budget=8),
        KvCacheSpec(key_scales="per_channel", group_size=8, key_bits=4),
    ):
        with pytest.raises(WorkloadInputError, match="chosen among keys with a step of their own"):
            decoder(Selection(0.3, "exact"), kv)
