"""Attention over a KV cache, in integers like a systolic array with int32 accumulators, or in float32.

In integers of b bits (8 by default), queries, keys and values have one step per token and head. A score is an integer
sum multiplied by the steps of query and key. The steps of the values differ between the tokens of a sum, so they are
multiplied into the attention weights before these are quantised row by row to 0 .. 2^(b-1) - 1. The sum over tokens is
then an integer sum, too. The attention weights are those of the softmax, or of ConSmax with its learned constants.

Reference:
    docs/inference.md, eqs. (4) to (7) and (10). ConSmax: Liu et al., arXiv:2402.10930.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pimsim.inference.quantisation import largest_code, quantise
from workloads.models import ModelSpec
from workloads.neural_network import ConSmaxConstants

Float = NDArray[np.float32]
Numerics = Literal["int8", "float"]
Softmax = Literal["exact", "consmax"]
Hidden = tuple[int, NDArray[np.bool_]]
"""Causal mask: the first entry that is hidden from some query, and the mask from there on, [tokens, entries] bool."""

BLOCK = 64
"""KV entries per partial sum of exponentials; the capacity of a cache is a multiple of it."""
TILE = 64
"""Queries per tile; entries after the last query of a tile are not computed."""
SCORES = 2**17
"""Scores per call of a tile function: 0.5 MB in float32, which fits the private cache of a core."""
LARGEST_EXPONENT = np.float32(60)
"""Largest exponent of ConSmax, which nothing else limits: exp(60) = 1.1e26, times a step of a value, is finite."""
SMALLEST_WEIGHT = np.float32(1e-30)
"""Lower bound of the largest attention weight of a row of ConSmax, all of whose weights may be 0."""
EXACT_TERMS = 2**24 // 127**2
"""Number of int8 products that float32 sums exactly in any order; longer sums are split."""


class KeyValueCache:
    """Keys and values of one sequence for all layers.

    Args:
        spec: The model.
        numerics: Type of the entries: "int8" with one step per token and head, or "float" for float32.
        bits: Bits of an "int8" entry, its sign included, from 2 to 8.
        sequence: Number of the sequence, which selects its read noise together with the position.

    Attributes:
        numerics: Type of the entries.
        bits: Bits of an "int8" entry, and of queries and attention weights.
        sequence: Number of the sequence.
        length: Tokens in the cache.
    """

    def __init__(self, spec: ModelSpec, numerics: Numerics = "int8", *, bits: int = 8, sequence: int = 0) -> None:
        self.numerics, self.bits, self.sequence, self.length = numerics, bits, sequence, 0
        self._shape = (spec.layers, 2, spec.kv_heads)
        self._d_head = spec.d_head
        self._entries: NDArray[Any] = np.zeros(
            (*self._shape, 0, self._d_head), np.int8 if numerics == "int8" else np.float32
        )
        self._steps = np.zeros((*self._shape, 0), np.float32)

    @property
    def nbytes(self) -> int:
        """Size of the allocated memory, bytes."""
        return self._entries.nbytes + self._steps.nbytes

    def reserve(self, tokens: int) -> None:
        """Allocate memory for new tokens; existing entries are kept.

        Args:
            tokens: Number of tokens in total for which there must be memory; the capacity is never reduced.
        """
        capacity = self._entries.shape[3]
        if tokens <= capacity:
            return
        capacity = -(-max(tokens, capacity * 3 // 2) // BLOCK) * BLOCK
        entries = np.zeros((*self._shape, capacity, self._d_head), self._entries.dtype)
        steps = np.zeros((*self._shape, capacity), np.float32)
        entries[..., : self.length, :] = self._entries[..., : self.length, :]
        steps[..., : self.length] = self._steps[..., : self.length]
        self._entries, self._steps = entries, steps

    def write(self, layer: int, key: Float, value: Float) -> None:
        """Write the keys and values of new tokens of one layer after the first `length` tokens.

        `reserve` must have allocated the memory. `length` does not change, since other layers follow.

        Args:
            layer: Number of the layer.
            key: Keys, [tokens, kv_heads, d_head] float32.
            value: Values, [tokens, kv_heads, d_head] float32.
        """
        end = self.length + len(key)
        for which, vectors in enumerate((key, value)):
            entries = self._entries[layer, which, :, self.length : end]
            if self.numerics == "float":
                entries[...] = vectors.swapaxes(0, 1)
                continue
            quantised = quantise(vectors, self.bits)
            entries[...] = quantised.values.swapaxes(0, 1)
            self._steps[layer, which, :, self.length : end] = quantised.step[..., 0].T

    def read(self, layer: int, end: int) -> tuple[Float, Float, Float, Float]:
        """Return the first `end` entries of one layer.

        Args:
            layer: Number of the layer.
            end: Number of entries, at most the allocated ones.

        Returns:
            Keys, [kv_heads, end, d_head]; steps of the keys, [kv_heads, end]; values and their steps, likewise. All are
            float32; the steps are 0 in a float cache.
        """
        entries = self._entries[layer, :, :, :end].astype(np.float32, copy=False)
        steps = self._steps[layer, :, :, :end]
        return entries[0], steps[0], entries[1], steps[1]


def attend(
    query: Float,
    cache: KeyValueCache,
    layer: int,
    window: int | None = None,
    consmax: ConSmaxConstants | None = None,
) -> Float:
    """Compute the causal attention of new tokens.

    Args:
        query: Queries, [tokens, heads, d_head] float32.
        cache: Cache in which the keys and values of the new tokens follow the first `cache.length` tokens.
        layer: Number of the layer.
        window: Largest number of entries that a token attends to, its own included; None means all entries.
        consmax: Constants of ConSmax in this layer; None means the softmax.

    Returns:
        [tokens, heads * d_head] float32.

    Reference:
        docs/inference.md, eqs. (4) to (7) and (10).
    """
    tokens, heads, d_head = query.shape
    end = -(-(cache.length + tokens) // BLOCK) * BLOCK
    keys, key_steps, values, value_steps = cache.read(layer, end)
    kv_heads = len(keys)
    out = np.empty((tokens, heads, d_head), np.float32)
    grouped = query.reshape(tokens, kv_heads, heads // kv_heads, d_head).transpose(1, 2, 0, 3)
    into = out.reshape(tokens, kv_heads, heads // kv_heads, d_head).transpose(1, 2, 0, 3)
    constants = None if consmax is None else _merged(consmax).reshape(kv_heads, heads // kv_heads)
    for first in range(0, tokens, TILE):
        last = min(first + TILE, tokens)
        seen = -(-(cache.length + last) // BLOCK) * BLOCK
        at = cache.length + first
        skipped = 0 if window is None else max(0, at + 1 - window) // BLOCK * BLOCK  # hidden from all of these queries
        hidden = _hidden(at - skipped, last - first, seen - skipped, window)
        at_once = max(1, SCORES // (heads // kv_heads * (last - first) * (seen - skipped)))
        for head in range(0, kv_heads, at_once):
            which = (slice(head, head + at_once), slice(skipped, seen))
            queries = grouped[which[0], :, first:last]
            merged = None if constants is None else constants[which[0], :, None, None]
            if cache.numerics == "float":
                attended = _float_tile(queries, keys[which], values[which], hidden, merged)
            else:
                stored = (keys[which], key_steps[which], values[which], value_steps[which])
                attended = _int8_tile(queries, *stored, hidden, merged, cache.bits)
            into[which[0], :, first:last] = attended
    return out.reshape(tokens, heads * d_head)


def _merged(consmax: ConSmaxConstants) -> Float:
    """Return beta + ln(gamma) of each head, [heads] float32, so that exp(score - beta) / gamma is one exponential."""
    merged: Float = (consmax.beta + np.log(consmax.gamma.astype(np.float64))).astype(np.float32)
    return merged


def _hidden(first: int, tokens: int, seen: int, window: int | None) -> Hidden:
    """Return the causal mask of `tokens` queries from position `first`, over the first `seen` entries."""
    if window is None or window >= first + tokens:
        return first, np.arange(seen - first) > np.arange(tokens)[:, None]
    ahead = np.arange(seen) - np.arange(first, first + tokens)[:, None]
    return 0, (ahead > 0) | (ahead <= -window)


def _int8_tile(
    query: Float,
    keys: Float,
    key_steps: Float,
    values: Float,
    value_steps: Float,
    hidden: Hidden,
    merged: Float | None,
    bits: int,
) -> Float:
    """Compute attention in integers of some queries of some heads.

    Each row of scores ends with hidden entries, whose number depends on how many tokens are computed at once. The
    result of a row must not depend on this number.

    Args:
        query: [kv_heads, query heads per KV head, tokens, d_head] float32.
        keys: Integers, [kv_heads, entries, d_head] float32.
        key_steps: [kv_heads, entries] float32.
        values: Integers, [kv_heads, entries, d_head] float32.
        value_steps: [kv_heads, entries] float32.
        hidden: Causal mask.
        merged: Constants of ConSmax, [kv_heads, query heads per KV head, 1, 1] float32; None means the softmax.
        bits: Bits of all operands.

    Returns:
        An array of the shape of `query`, float32.

    Reference:
        docs/inference.md, eqs. (4) to (7) and (10).
    """
    kv_heads, group, tokens, d_head = query.shape
    quantised, top = quantise(query, bits), largest_code(bits)
    rows = quantised.values.reshape(kv_heads, group * tokens, d_head).astype(np.float32)
    scores = _products(rows, keys.swapaxes(1, 2))
    scores *= key_steps[:, None]
    first, mask = hidden
    tail = scores.reshape(kv_heads, group, tokens, -1)[..., first:]
    np.copyto(tail, -np.inf, where=mask)
    if merged is None:
        scores -= np.maximum.reduce(scores, axis=-1, keepdims=True)
    scores *= quantised.step.reshape(kv_heads, group * tokens, 1) * np.float32(d_head**-0.5)
    if merged is not None:
        _subtract_merged(scores.reshape(kv_heads, group, tokens, -1), merged)
    np.exp(scores, out=scores)
    total = _row_sums(scores) if merged is None else np.float32(1)
    scores *= value_steps[:, None]
    largest = np.maximum.reduce(scores, axis=-1, keepdims=True)
    if merged is not None:
        np.maximum(largest, SMALLEST_WEIGHT, out=largest)
    scores *= top / largest
    np.rint(scores, out=scores)
    out = _products(scores, values)
    out *= largest / (top * total)
    return out.reshape(query.shape)


def _subtract_merged(scores: Float, merged: Float) -> None:
    """Turn scores into the exponents of ConSmax, in place; hidden entries keep minus infinity."""
    scores -= merged
    np.minimum(scores, LARGEST_EXPONENT, out=scores)


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


def _float_tile(query: Float, keys: Float, values: Float, hidden: Hidden, merged: Float | None) -> Float:
    kv_heads, group, tokens, d_head = query.shape
    rows: Float = query.reshape(kv_heads, group * tokens, d_head) * np.float32(d_head**-0.5)
    scores: Float = rows @ keys.swapaxes(1, 2)
    first, mask = hidden
    np.copyto(scores.reshape(kv_heads, group, tokens, -1)[..., first:], -np.inf, where=mask)
    if merged is None:
        scores -= np.maximum.reduce(scores, axis=-1, keepdims=True)
    else:
        _subtract_merged(scores.reshape(kv_heads, group, tokens, -1), merged)
    np.exp(scores, out=scores)
    if merged is None:
        scores /= _row_sums(scores)
    out: Float = scores @ values
    return out.reshape(query.shape)
