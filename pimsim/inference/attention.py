"""Attention over a KV cache: W8A8 as a systolic array with int32 accumulators computes it, or in float32.

Queries, keys and values are int8 with a step per token and head. A score is an integer sum, times the two steps. The
values' steps cannot leave a sum over tokens, so they are multiplied into the probabilities, and these products are
quantised row by row, to 0 .. 127: the sum over tokens is then one of integers again. See docs/inference.md.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pimsim.inference.quantisation import LARGEST, quantise
from workloads.models import ModelSpec

Float = NDArray[np.float32]
Numerics = Literal["int8", "float"]
Hidden = tuple[int, NDArray[np.bool_]]
"""Where entries begin that not all queries see, and which from there on each does not: [tokens, entries]."""

BLOCK = 64
"""Entries that exponentials are summed over at once, and in which a cache grows."""
TILE = 64
"""Queries at once: entries after the last of them need not be looked at."""
SCORES = 2**17
"""Scores at once: half a megabyte, which stays in a core's own cache."""
EXACT_TERMS = 2**24 // 127**2
"""Products of int8 that float32 adds up exactly, in any order: longer sums are cut."""


class KeyValueCache:
    """Keys and values of one sequence, of all layers.

    Args:
        spec: the model.
        numerics: what the entries are: int8 with a step per token and head, or float32.
        sequence: number of the sequence; read noise is drawn by it and the position.

    Attributes:
        length: tokens that are in it.

    """

    def __init__(self, spec: ModelSpec, numerics: Numerics = "int8", *, sequence: int = 0) -> None:
        self.numerics, self.sequence, self.length = numerics, sequence, 0
        self._shape = (spec.layers, 2, spec.kv_heads)
        self._d_head = spec.d_head
        self._entries: NDArray[Any] = np.zeros(
            (*self._shape, 0, self._d_head), np.int8 if numerics == "int8" else np.float32
        )
        self._steps = np.zeros((*self._shape, 0), np.float32)

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self._entries.nbytes + self._steps.nbytes

    def reserve(self, tokens: int) -> None:
        """Make room for so many tokens in all."""
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
        """Put a layer's keys and values, [tokens, kv_heads, d_head] each, after the `length` tokens that are there."""
        end = self.length + len(key)
        for which, given in enumerate((key, value)):
            place = self._entries[layer, which, :, self.length : end]
            if self.numerics == "float":
                place[...] = given.swapaxes(0, 1)
                continue
            quantised = quantise(given)
            place[...] = quantised.values.swapaxes(0, 1)
            self._steps[layer, which, :, self.length : end] = quantised.step[..., 0].T

    def read(self, layer: int, end: int) -> tuple[Float, Float, Float, Float]:
        """Keys, their steps, values, their steps: the first `end` of them, as float32.

        Returns: [kv_heads, end, d_head] and [kv_heads, end], twice.
        """
        entries = self._entries[layer, :, :, :end].astype(np.float32, copy=False)
        steps = self._steps[layer, :, :, :end]
        return entries[0], steps[0], entries[1], steps[1]


def attend(query: Float, cache: KeyValueCache, layer: int) -> Float:
    """Causal attention of new tokens, whose keys and values are written after the `cache.length` earlier ones.

    Args:
        query: [tokens, heads, d_head].
        cache: the cache.
        layer: whose entries to look at.

    Returns:
        [tokens, heads * d_head].

    """
    tokens, heads, d_head = query.shape
    end = -(-(cache.length + tokens) // BLOCK) * BLOCK
    keys, key_steps, values, value_steps = cache.read(layer, end)
    kv_heads = len(keys)
    out = np.empty((tokens, heads, d_head), np.float32)
    grouped = query.reshape(tokens, kv_heads, heads // kv_heads, d_head).transpose(1, 2, 0, 3)
    into = out.reshape(tokens, kv_heads, heads // kv_heads, d_head).transpose(1, 2, 0, 3)
    for first in range(0, tokens, TILE):
        last = min(first + TILE, tokens)
        seen = -(-(cache.length + last) // BLOCK) * BLOCK
        hidden = _hidden(cache.length + first, last - first, seen)
        at_once = max(1, SCORES // (heads // kv_heads * (last - first) * seen))
        for head in range(0, kv_heads, at_once):
            which = slice(head, head + at_once)
            queries = grouped[which, :, first:last]
            if cache.numerics == "float":
                part = _float_tile(queries, keys[which, :seen], values[which, :seen], hidden)
            else:
                stored = (keys[which, :seen], key_steps[which, :seen], values[which, :seen], value_steps[which, :seen])
                part = _int8_tile(queries, *stored, hidden)
            into[which, :, first:last] = part
    return out.reshape(tokens, heads * d_head)


def _hidden(first: int, tokens: int, seen: int) -> Hidden:
    """The causal mask of `tokens` queries from position `first` on, over `seen` entries."""
    return first, np.arange(seen - first) > np.arange(tokens)[:, None]


def _int8_tile(
    query: Float,
    keys: Float,
    key_steps: Float,
    values: Float,
    value_steps: Float,
    hidden: Hidden,
) -> Float:
    """Attention of some queries of some heads.

    query is [kv_heads, heads of each, tokens, d_head], keys and values are integers, [kv_heads, entries, d_head]. All
    rows of scores end in hidden entries, more of them the more tokens are computed at once: nothing may depend on how
    many there are.
    """
    kv_heads, group, tokens, d_head = query.shape
    quantised = quantise(query)
    rows = quantised.values.reshape(kv_heads, group * tokens, d_head).astype(np.float32)
    scores = _products(rows, keys.swapaxes(1, 2))
    scores *= key_steps[:, None]
    first, mask = hidden
    tail = scores.reshape(kv_heads, group, tokens, -1)[..., first:]
    np.copyto(tail, -np.inf, where=mask)
    scores -= np.maximum.reduce(scores, axis=-1, keepdims=True)
    scores *= quantised.step.reshape(kv_heads, group * tokens, 1) * np.float32(d_head**-0.5)
    np.exp(scores, out=scores)
    total = _row_sums(scores)
    scores *= value_steps[:, None]
    largest = np.maximum.reduce(scores, axis=-1, keepdims=True)
    scores *= LARGEST / largest
    np.rint(scores, out=scores)
    out = _products(scores, values)
    out *= largest / (LARGEST * total)
    return out.reshape(query.shape)


def _products(left: Float, right: Float) -> Float:
    """Products of stacks of matrices of whole numbers up to 127; sums that float32 does not hold are cut and added up.

    Longer sums are added up as integers, and rounded to float32 once.
    """
    terms = left.shape[-1]
    if terms <= EXACT_TERMS:
        return left @ right
    total = np.zeros((*left.shape[:-1], right.shape[-1]), np.int32)
    for start in range(0, terms, EXACT_TERMS):
        part = left[..., start : start + EXACT_TERMS] @ right[..., start : start + EXACT_TERMS, :]
        total += part.astype(np.int32)
    return total.astype(np.float32)


def _row_sums(x: Float) -> Float:
    """Sums of rows in blocks, block after block: zeros at the end of a row make no difference. [..., 1]."""
    blocks: Float = np.add.reduce(x.reshape(*x.shape[:-1], -1, BLOCK), axis=-1)
    total: Float = blocks[..., :1].copy()
    for number in range(1, blocks.shape[-1]):
        total += blocks[..., number : number + 1]
    return total


def _float_tile(query: Float, keys: Float, values: Float, hidden: Hidden) -> Float:
    kv_heads, group, tokens, d_head = query.shape
    rows: Float = query.reshape(kv_heads, group * tokens, d_head) * np.float32(d_head**-0.5)
    scores: Float = rows @ keys.swapaxes(1, 2)
    first, mask = hidden
    np.copyto(scores.reshape(kv_heads, group, tokens, -1)[..., first:], -np.inf, where=mask)
    scores -= np.maximum.reduce(scores, axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= _row_sums(scores)
    out: Float = scores @ values
    return out.reshape(query.shape)
