"""The yardstick: an n-gram model of characters with interpolated modified Kneser-Ney smoothing.

After Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling", TR-10-98, Harvard 1998,
section 3 (eqs. 23 to 27): the highest order counts occurrences, each lower one the distinct characters that precede;
three discounts an order, from its counts of counts; below the unigrams the uniform distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class _Order:
    """One order: its n-grams and contexts as sorted codes, and what stands in the formula for each."""

    grams: Ids
    discounted: NDArray[np.float64]  # [grams] max(c - D(c), 0) / c(context)
    contexts: Ids
    backoff: NDArray[np.float64]  # [contexts] the share that the lower order gets


class KneserNey:
    """P(token | the `order` - 1 tokens before it), from sequences that each start after `boundary` tokens.

    An n-gram's code has its tokens as digits of base `vocabulary`, the last one lowest.
    """

    def __init__(self, sequences: Sequence[Ids], vocabulary: int, order: int = 5, boundary: int = 0) -> None:
        if vocabulary**order >= 2**63:
            raise ValueError(f"{order}-grams of {vocabulary} tokens have no 64-bit code")
        self.vocabulary, self.order, self.boundary = vocabulary, order, boundary
        codes = np.concatenate([self._codes(sequence) for sequence in sequences])
        grams, counts = np.unique(codes, return_counts=True)
        self._orders: list[_Order] = []
        for length in range(order, 0, -1):
            self._orders.insert(0, self._smoothed(grams, counts.astype(np.int64)))
            # Each distinct n-gram is one distinct predecessor of the n-gram that is one token shorter.
            grams, counts = np.unique(grams % vocabulary ** (length - 1), return_counts=True)

    def _codes(self, tokens: Ids) -> Ids:
        """The code of the n-gram that ends in each token, [tokens]."""
        padded = np.concatenate([np.full(self.order - 1, self.boundary, np.int64), tokens])
        places = self.vocabulary ** np.arange(self.order - 1, -1, -1, dtype=np.int64)
        windows: Ids = np.lib.stride_tricks.sliding_window_view(padded, self.order)
        return windows @ places

    def _smoothed(self, grams: Ids, counts: Ids) -> _Order:
        discount = discounts(counts)[np.minimum(counts, 3)]
        contexts, context_of = np.unique(grams // self.vocabulary, return_inverse=True)
        total = np.bincount(context_of, counts)
        return _Order(
            grams,
            (counts - discount) / total[context_of],
            contexts,
            np.bincount(context_of, discount) / total,
        )

    def probabilities(self, tokens: Ids) -> NDArray[np.float64]:
        """Of each token of a sequence given those before it, [tokens]."""
        codes = self._codes(tokens)
        result = np.full(len(tokens), 1 / self.vocabulary)
        for length, order in enumerate(self._orders, start=1):
            shortened = codes % self.vocabulary**length
            own, _ = _found(order.grams, order.discounted, shortened)
            share, known = _found(order.contexts, order.backoff, shortened // self.vocabulary)
            result = np.where(known, own + share * result, result)
        return result

    def distributions(self, tokens: Ids) -> tuple[NDArray[np.float32], Ids]:
        """Of the token after each but the last of a sequence the model was made of: each distinct one, and which it is.

        [contexts, vocabulary] and [tokens - 1]. Contexts are longer here than at a sequence's start, where
        `probabilities` has boundaries instead.
        """
        table = np.full((1, self.vocabulary), 1 / self.vocabulary, np.float32)
        shorter = np.zeros(1, np.int64)
        for length, order in enumerate(self._orders, start=1):
            suffix = np.searchsorted(shorter, order.contexts % self.vocabulary ** max(0, length - 2))
            table = table[suffix] * order.backoff[:, None].astype(np.float32)
            contexts, following = np.divmod(order.grams, self.vocabulary)
            table[np.searchsorted(order.contexts, contexts), following] += order.discounted
            shorter = order.contexts
        return table, np.searchsorted(shorter, self._codes(tokens)[1:] // self.vocabulary)


def discounts(counts: Ids) -> NDArray[np.float64]:
    """What to take off counts of 0, 1, 2, and 3 or more, [4]: Chen and Goodman's eq. 26.

    An order so small that one of these counts does not occur gets the discount 0.5 n, which is within their bounds.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)[:5].astype(float)
    if not n[1:].all():
        return np.array([0, 0.5, 1.0, 1.5])
    y = n[1] / (n[1] + 2 * n[2])
    taken = np.array([0, *(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3))])
    return np.clip(taken, 0, [0, 1, 2, 3])


def _found(keys: Ids, values: NDArray[np.float64], wanted: Ids) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Values at the wanted keys, 0 where there is none; and where there is one."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    known = keys[place] == wanted
    return np.where(known, values[place], 0.0), known
