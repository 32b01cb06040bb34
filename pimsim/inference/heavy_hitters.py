"""Heavy hitters: the tokens that got the most attention so far stay in the KV cache, with the newest ones.

Each KV head adds up the attention weights that its cached tokens get from all queries. When the cache would exceed its
budget, the head drops the token with the smallest sum, except for the sinks and for the newest tokens. Ties drop the
oldest token. A dropped token never comes back.

The choice for a query depends on the attention of all queries before it. The scores of all queries are computed at
once; the recurrence here then visits the queries in order, with all heads at once.

Reference:
    docs/kv-quality.md, eq. (5). Zhang et al., "H2O", arXiv:2306.14048, algorithm 1 and section 4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workloads.kv_cache import KvCacheSpec

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]

LARGEST_EXPONENT = np.float32(60)
"""Largest exponent of ConSmax, which nothing else limits: exp(60) = 1.1e26, times a step of a value, is finite."""


class HeavyHitters:
    """Tokens that the KV heads of one sequence keep.

    Args:
        kv: What the cache keeps: its budget, sinks and newest tokens.
        layers: Layers of the model.
        kv_heads: KV heads of a layer.
    """

    def __init__(self, kv: KvCacheSpec, layers: int, kv_heads: int) -> None:
        assert kv.budget is not None
        self.budget, self.sinks = kv.budget, kv.sinks
        self.newest = kv.newest
        self._kept = np.zeros((layers, kv_heads), np.int64)
        self._lost = np.zeros((layers, kv_heads, 0), np.float32)  # 0, or minus infinity for a dropped token
        self._sums = np.zeros((layers, kv_heads, 0), np.float32)  # infinity for a dropped token

    def reserve(self, capacity: int) -> None:
        """Allocate memory for tokens; those before are kept.

        Args:
            capacity: Number of tokens in total.
        """
        more = ((0, 0), (0, 0), (0, capacity - self._lost.shape[2]))
        self._lost, self._sums = np.pad(self._lost, more), np.pad(self._sums, more)

    def hidden(
        self, place: tuple[int, slice], first: int, scores: Float, factor: Float | None, window: int | None,
        merged: Float | None,
    ) -> Mask:  # fmt: skip
        """Decide for some queries which tokens they see, and add up the attention that these get.

        Args:
            place: Number of the layer, and KV heads.
            first: Position of the first query.
            scores: Scores of the queries with all tokens, [kv_heads, query heads per KV head, tokens, entries] float32.
            factor: Factor of the scores of each query, [kv_heads, query heads per KV head, tokens, 1] float32; None
                means 1.
            window: Largest number of tokens that a query of this layer attends to; None means all of them.
            merged: Constants of ConSmax, [kv_heads, query heads per KV head, 1, 1] float32; None means the softmax.

        Returns:
            Hidden tokens, [kv_heads, 1, tokens, entries] bool, those after the query included.
        """
        lost, sums, kept = self._lost[place], self._sums[place], self._kept[place]
        tokens, entries = scores.shape[2:]
        hidden = np.ones((len(lost), 1, tokens, entries), np.bool_)
        for number in range(tokens):
            position = first + number
            seen = position + 1
            if window is not None and position >= window:
                kept -= lost[:, position - window] == 0
                lost[:, position - window], sums[:, position - window] = -np.inf, np.inf
            kept += 1
            full = kept > self.budget
            if full.any():
                victims = self.sinks + sums[:, self.sinks : seen - self.newest].argmin(axis=1)
                dropping = np.flatnonzero(full)
                lost[dropping, victims[dropping]], sums[dropping, victims[dropping]] = -np.inf, np.inf
                kept -= full
            row = scores[:, :, number, :seen] + lost[:, None, :seen]
            given = attention_weights(
                row,
                None if factor is None else factor[:, :, number],
                None if merged is None else merged[:, :, 0],
            )
            sums[:, :seen] += np.add.reduce(given, axis=1)
            hidden[:, 0, number, :seen] = lost[:, :seen] < 0
        return hidden


def attention_weights(row: Float, factor: Float | None, merged: Float | None) -> Float:
    """Turn the scores of one query into attention weights, in place.

    Args:
        row: Scores, [kv_heads, query heads per KV head, tokens] float32; minus infinity for a token that is hidden.
        factor: Factor of the scores, [kv_heads, query heads per KV head, 1] float32; None means 1.
        merged: Constants of ConSmax, [kv_heads, query heads per KV head, 1] float32; None means the softmax.

    Returns:
        `row`, whose sum over the tokens is 1 with the softmax.
    """
    if merged is None:
        row -= np.maximum.reduce(row, axis=-1, keepdims=True)
    if factor is not None:
        row *= factor
    if merged is not None:
        row -= merged
        np.minimum(row, LARGEST_EXPONENT, out=row)
    np.exp(row, out=row)
    if merged is None:
        row /= np.add.reduce(row, axis=-1, keepdims=True)
    return row
