"""Attention over a KV cache, in integers like a systolic array with int32 accumulators, or in float32.

In integers of b bits (8 by default), queries, keys and values have one step per token and head. A score is an integer
sum multiplied by the steps of query and key. The steps of the values differ between the tokens of a sum, so they are
multiplied into the attention weights before these are quantised row by row to 0 .. 2^(b-1) - 1. The sum over tokens is
then an integer sum, too. The attention weights are those of the softmax, or of ConSmax with its learned constants.

What a query reads of the cache depends on its position: tokens that the policy of the cache has dropped are hidden, and
entries whose group of tokens is not complete yet have more bits. Both are masks, so that all queries of a call are
computed at once, and each gets what a decode step at its position would read.

Reference:
    docs/inference.md, eqs. (4) to (7) and (10), and docs/kv-quality.md. ConSmax: Liu et al., arXiv:2402.10930.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pimsim.inference.heavy_hitters import LARGEST_EXPONENT
from pimsim.inference.kept_entries import EntryChooser
from pimsim.inference.kv_store import BLOCK, KeyValueCache, Operands
from pimsim.inference.kv_visibility import dropped_tokens, hidden_tokens, sliding_window
from pimsim.inference.quantisation import largest_code, quantise
from workloads.neural_network import ConSmaxConstants

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]
Softmax = Literal["exact", "consmax"]
Hidden = tuple[int, Mask]
"""Mask: the first entry that is hidden from some query, and the mask from there on, [tokens, entries] bool, or
[kv_heads or 1, 1, tokens, entries]."""

TILE = 64
"""Queries per tile; entries after the last query of a tile are not computed."""
SCORES = 2**17
"""Scores per tile of some heads: 0.5 MB in float32, which fits the private cache of a core."""
SMALLEST_WEIGHT = np.float32(1e-30)
"""Lower bound of the largest attention weight of a row of ConSmax, all of whose weights may be 0."""
EXACT_TERMS = 2**24 // 127**2
"""Number of int8 products that float32 sums exactly in any order; longer sums are split."""


def attend(
    query: Float,
    cache: KeyValueCache,
    layer: int,
    window: int | None = None,
    consmax: ConSmaxConstants | None = None,
    chooser: EntryChooser | None = None,
) -> Float:
    """Compute the causal attention of new tokens.

    With heavy hitters, this also adds up the attention that cached tokens get: it is called once for each new token.

    Args:
        query: Queries, [tokens, heads, d_head] float32.
        cache: Cache in which the keys and values of the new tokens follow the first `cache.length` tokens.
        layer: Number of the layer.
        window: Largest number of entries that a token attends to, its own included; None means all entries. The policy
            of the cache may hide more.
        consmax: Constants of ConSmax in this layer; None means the softmax.
        chooser: Selection of the entries that are computed; None means all that a query sees.

    Returns:
        [tokens, heads * d_head] float32.

    Reference:
        docs/inference.md, eqs. (4) to (7) and (10).
    """
    tokens, heads, d_head = query.shape
    end = -(-(cache.length + tokens) // BLOCK) * BLOCK
    keys, values = cache.read(layer, end)
    kv_heads = len(keys.values)
    dropped = dropped_tokens(cache.kv, (cache.layers, kv_heads), layer, end, window)
    if (newest := sliding_window(cache.kv)) is not None:
        window = newest if window is None else min(newest, window)
    out = np.empty((tokens, heads, d_head), np.float32)
    grouped = query.reshape(tokens, kv_heads, heads // kv_heads, d_head).transpose(1, 2, 0, 3)
    into = out.reshape(tokens, kv_heads, heads // kv_heads, d_head).transpose(1, 2, 0, 3)
    constants = None if consmax is None else merged_constants(consmax).reshape(kv_heads, heads // kv_heads)
    for first in range(0, tokens, TILE):
        last = min(first + TILE, tokens)
        seen = -(-(cache.length + last) // BLOCK) * BLOCK
        at = cache.length + first
        skipped = 0  # entries that are hidden from all of these queries
        if window is not None and cache.hitters is None:
            skipped = max(0, at + 1 - window) // BLOCK * BLOCK
        hidden = _hidden(at - skipped, last - first, seen - skipped, window)
        if dropped is not None:
            hidden = 0, _everywhere(hidden) | hidden_tokens(dropped[:, skipped:seen], at, last - first)
        complete = cache.complete(at, last - first, slice(skipped, seen))
        at_once = max(1, SCORES // (heads // kv_heads * (last - first) * (seen - skipped)))
        for head in range(0, kv_heads, at_once):
            which = (slice(head, head + at_once), slice(skipped, seen))
            merged = None if constants is None else constants[which[0], :, None, None]
            scores, factor = _scores(grouped[which[0], :, first:last], keys.of(which), complete, cache)
            of_heads = hidden
            if cache.hitters is not None:
                of_heads = 0, cache.hitters.hidden((layer, which[0]), at, scores, factor, window, merged)
            elif dropped is not None and len(dropped) > 1:
                of_heads = 0, hidden[1][which[0]]
            if chooser is not None:
                queries, seen_keys = grouped[which[0], :, first:last], keys.of(which)
                mask = _everywhere(of_heads) if of_heads[1].ndim == 2 else of_heads[1]
                of_heads = 0, chooser.hidden((layer, which[0]), queries, seen_keys, (scores, factor), mask)
            total = _exponentials(scores, factor, of_heads, merged)
            into[which[0], :, first:last] = _weighted(scores, total, values.of(which), complete, cache)
    return out.reshape(tokens, heads * d_head)


def merged_constants(consmax: ConSmaxConstants) -> Float:
    """Merge the constants of ConSmax, so that exp(score - beta) / gamma is one exponential.

    Args:
        consmax: Constants of a layer.

    Returns:
        beta + ln(gamma) of each head, [heads] float32.
    """
    merged: Float = (consmax.beta + np.log(consmax.gamma.astype(np.float64))).astype(np.float32)
    return merged


def _hidden(first: int, tokens: int, seen: int, window: int | None) -> Hidden:
    """Return the causal mask of `tokens` queries from position `first`, over the first `seen` entries."""
    if window is None or window >= first + tokens:
        return first, np.arange(seen - first) > np.arange(tokens)[:, None]
    ahead = np.arange(seen) - np.arange(first, first + tokens)[:, None]
    return 0, (ahead > 0) | (ahead <= -window)


def _everywhere(hidden: Hidden) -> Mask:
    """Return a mask over all entries, [tokens, entries] bool."""
    first, mask = hidden
    return np.pad(mask, ((0, 0), (first, 0)))


def _scores(query: Float, keys: Operands, complete: Mask | None, cache: KeyValueCache) -> tuple[Float, Float | None]:
    """Multiply queries and keys.

    Args:
        query: [kv_heads, query heads per KV head, tokens, d_head] float32.
        keys: Keys.
        complete: Entries whose group of tokens is complete for each query, [tokens, entries]; None means that the cache
            has no groups of tokens.
        cache: The cache, for its numbers.

    Returns:
        Scores, [kv_heads, query heads per KV head, tokens, entries] float32, and the factor of each query that is still
        to be multiplied to them, [kv_heads, query heads per KV head, tokens, 1]; None means 1.

    Reference:
        docs/inference.md, eq. (4).
    """
    kv_heads, group, tokens, d_head = query.shape
    shape = (kv_heads, group, tokens, -1)
    scale = np.float32(d_head**-0.5)
    if cache.numerics == "float":
        rows: Float = query.reshape(kv_heads, group * tokens, d_head) * scale
        return (rows @ keys.values.swapaxes(1, 2)).reshape(shape), None
    quantised = quantise(query, cache.kv.operand_bits)
    rows = quantised.values.reshape(kv_heads, group * tokens, d_head).astype(np.float32)
    scores = _products(rows, keys.values.swapaxes(1, 2))
    scores *= keys.steps[:, None]
    scores = scores.reshape(shape)
    if keys.fresh is not None and keys.fresh_steps is not None:
        assert complete is not None
        first = int(complete[0].sum())  # complete for all of these queries
        fresh = _products(rows, keys.fresh[:, first:].swapaxes(1, 2))
        fresh *= keys.fresh_steps[:, None, first:]
        np.copyto(scores[..., first:], fresh.reshape(shape), where=~complete[:, first:])
    return scores, quantised.step * scale


def _exponentials(scores: Float, factor: Float | None, hidden: Hidden, merged: Float | None) -> Float | np.float32:
    """Turn scores into attention weights before their division, in place.

    Each row of scores ends with hidden entries, whose number depends on how many tokens are computed at once. The
    result of a row must not depend on this number.

    Args:
        scores: Scores, [kv_heads, query heads per KV head, tokens, entries] float32.
        factor: Their factors, as `_scores` returns them.
        hidden: Mask.
        merged: Constants of ConSmax, [kv_heads, query heads per KV head, 1, 1] float32; None means the softmax.

    Returns:
        Number by which the weights of each row are to be divided.

    Reference:
        docs/inference.md, eqs. (5) and (10).
    """
    first, mask = hidden
    np.copyto(scores[..., first:], -np.inf, where=mask)
    if merged is None:
        scores -= np.maximum.reduce(scores, axis=-1, keepdims=True)
    if factor is not None:
        scores *= factor
    if merged is not None:
        scores -= merged
        np.minimum(scores, LARGEST_EXPONENT, out=scores)
    np.exp(scores, out=scores)
    return _row_sums(scores) if merged is None else np.float32(1)


def _weighted(
    weights: Float, total: Float | np.float32, values: Operands, complete: Mask | None, cache: KeyValueCache
) -> Float:
    """Multiply attention weights and values.

    Args:
        weights: [kv_heads, query heads per KV head, tokens, entries] float32; overwritten.
        total: Number by which each row is to be divided.
        values: Values.
        complete: As for `_scores`.
        cache: The cache, for its numbers.

    Returns:
        [kv_heads, query heads per KV head, tokens, d_head] float32.

    Reference:
        docs/inference.md, eqs. (6) and (7).
    """
    kv_heads, group, tokens, entries = weights.shape
    if cache.numerics == "float":
        if not isinstance(total, np.float32):
            weights /= total
        rows = weights.reshape(kv_heads, group * tokens, entries)
        return (rows @ values.values).reshape(kv_heads, group, tokens, -1)
    steps, table, top = values.steps[:, None, None], values.values, largest_code(cache.kv.operand_bits)
    if values.fresh is not None and values.fresh_steps is not None:
        assert complete is not None
        steps = np.where(complete, steps, values.fresh_steps[:, None, None])
    weights *= steps
    largest = np.maximum.reduce(weights, axis=-1, keepdims=True)
    if isinstance(total, np.float32):  # ConSmax
        np.maximum(largest, SMALLEST_WEIGHT, out=largest)
    weights *= top / largest
    np.rint(weights, out=weights)
    if values.fresh is not None:
        assert complete is not None
        first = int(complete[0].sum())  # complete for all of these queries
        weights = np.concatenate([weights * complete, weights[..., first:] * ~complete[:, first:]], axis=-1)
        table = np.concatenate([table, values.fresh[:, first:]], axis=1)
    out = _products(weights.reshape(kv_heads, group * tokens, -1), table).reshape(kv_heads, group, tokens, -1)
    out *= largest / (top * total)
    return out


def _products(left: Float, right: Float) -> Float:
    """Multiply stacks of matrices of integers with magnitudes up to 127.

    Sums of more than `EXACT_TERMS` products are split into exact parts, which are added as integers and rounded to
    float32 once.

    Args:
        left: [..., rows, terms] float32.
        right: [..., terms, columns] float32.

    Returns:
        [..., rows, columns] float32.
    """
    terms = left.shape[-1]
    if terms <= EXACT_TERMS:
        return left @ right
    total = np.zeros((*left.shape[:-1], right.shape[-1]), np.int32)
    for start in range(0, terms, EXACT_TERMS):
        exact = left[..., start : start + EXACT_TERMS] @ right[..., start : start + EXACT_TERMS, :]
        total += exact.astype(np.int32)
    return total.astype(np.float32)


def _row_sums(x: Float) -> Float:
    """Return the sums of rows, [..., 1], added block by block, so that zeros at the end of a row do not change bits."""
    blocks: Float = np.add.reduce(x.reshape(*x.shape[:-1], -1, BLOCK), axis=-1)
    total: Float = blocks[..., :1].copy()
    for number in range(1, blocks.shape[-1]):
        total += blocks[..., number : number + 1]
    return total
