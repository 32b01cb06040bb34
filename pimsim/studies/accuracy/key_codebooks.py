"""Selection of attention entries in an evaluation: from the config, with codebooks from the calibration text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from pimsim.config.schema import Config
from pimsim.inference import Decoder
from pimsim.inference.codebooks import CodebookFormat, train_codebooks
from pimsim.inference.kept_entries import EntryChooser, Selection

MAX_SAMPLE = 2048
"""Most keys per KV head from which codebooks are made; of more, those at a fixed stride."""


def selection_of(config: Config) -> Selection | None:
    """Return what a config keeps of each row of scores.

    Args:
        config: Its `machine.prediction`, if `mapping.attention` is sram_cim.

    Returns:
        The selection; None if the machine computes all entries.
    """
    section = config.machine.prediction
    if section is None or config.mapping.attention != "sram_cim":
        return None
    sizes = {name: getattr(section, name) for name in CodebookFormat.__dataclass_fields__}
    return Selection(section.kept_share, section.method, CodebookFormat(**sizes), section.readout)


def make_chooser(selection: Selection, decoder: Decoder, texts: Iterable[NDArray[np.int64]]) -> EntryChooser:
    """Make the chooser of a network, with codebooks if the selection needs them.

    Args:
        selection: What is kept.
        decoder: Decoder of the network that computes all entries, whose keys are the sample.
        texts: Token ids of the calibration text, one array per window.

    Returns:
        The chooser.

    Raises:
        WorkloadInputError: If the codebooks do not fit the heads or the text.
    """
    if not selection.needs_codebooks:
        return EntryChooser(selection)
    keys = np.concatenate([_keys(decoder, tokens) for tokens in texts], axis=2)
    stride = -(-keys.shape[2] // MAX_SAMPLE)
    return EntryChooser(selection, train_codebooks(keys[:, :, stride // 2 :: stride], selection.codebooks))


def _keys(decoder: Decoder, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the keys that the cache holds after some tokens, [layers, kv_heads, tokens, d_head] float32."""
    cache = decoder.cache()
    decoder.prefill(tokens, cache)
    read = (cache.read(layer, cache.length)[0] for layer in range(cache.layers))
    return np.stack([keys.values * keys.steps[..., None] for keys in read])


def selection_notes(selection: Selection | None) -> Iterator[str]:
    """Say which entries of attention the exact model and the arrays compute.

    Args:
        selection: What is kept; None means everything.

    Yields:
        At most one sentence.
    """
    if selection is None:
        return
    form, how = selection.codebooks, "the largest scores"
    if selection.method == "product_quantised":
        how = (
            f"{form.subspaces} codes of {form.centroids} centroids, {selection.readout.replace('_', '-')}, from keys "
            "of the calibration text"
        )
    yield (
        f"each token attends to {selection.kept_share:.4g} of the entries it sees, chosen by {how} "
        "(machine.prediction); the float model attends to all"
    )
