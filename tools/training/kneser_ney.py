"""Baseline: a character n-gram model with interpolated modified Kneser-Ney smoothing.

The highest order counts occurrences; each lower order counts the distinct characters that precede an n-gram. Each order
has three discounts, computed from its counts of counts. The order below unigrams is the uniform distribution.

Reference:
    Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling", TR-10-98, Harvard University,
    1998, section 3, eqs. (23) to (27).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class _Order:
    """One order of the model.

    Attributes:
        grams: Codes of its n-grams, sorted, [grams].
        discounted: max(c - D(c), 0) / c(context) of each n-gram, [grams].
        contexts: Codes of the contexts, sorted, [contexts].
        backoff: Weight of the lower order in each context, [contexts].
    """

    grams: Ids
    discounted: NDArray[np.float64]
    contexts: Ids
    backoff: NDArray[np.float64]


class KneserNey:
    """Model of P(token | the `order` - 1 previous tokens).

    The code of an n-gram has its tokens as digits in base `vocabulary`; the last token is the lowest digit.

    Args:
        sequences: Training sequences of token ids.
        vocabulary: Number of tokens.
        order: Order of the n-grams.
        boundary: Token that precedes each sequence.

    Raises:
        ValueError: If the codes of the n-grams exceed 64 bits.
    """

    def __init__(self, sequences: Sequence[Ids], vocabulary: int, order: int = 5, boundary: int = 0) -> None:
        if vocabulary**order >= 2**63:
            raise ValueError(f"the codes of {order}-grams of {vocabulary} tokens exceed 64 bits")
        self.vocabulary, self.order, self.boundary = vocabulary, order, boundary
        codes = np.concatenate([self._codes(sequence) for sequence in sequences])
        grams, counts = np.unique(codes, return_counts=True)
        self._orders: list[_Order] = []
        for length in range(order, 0, -1):
            self._orders.insert(0, self._smoothed(grams, counts.astype(np.int64)))
            # Each distinct n-gram is one distinct predecessor of the n-gram without its first token.
            grams, counts = np.unique(grams % vocabulary ** (length - 1), return_counts=True)

    def _codes(self, tokens: Ids) -> Ids:
        """Return the code of the n-gram that ends with each token, [tokens]."""
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
        """Return the probability of each token of a sequence given the previous ones, [tokens] float64."""
        codes = self._codes(tokens)
        result = np.full(len(tokens), 1 / self.vocabulary)
        for length, order in enumerate(self._orders, start=1):
            shortened = codes % self.vocabulary**length
            own, _ = _found(order.grams, order.discounted, shortened)
            share, known = _found(order.contexts, order.backoff, shortened // self.vocabulary)
            result = np.where(known, own + share * result, result)
        return result

    def distributions(self, tokens: Ids) -> tuple[NDArray[np.float32], Ids]:
        """Compute the distribution of the next token after each token of a training sequence except the last.

        Args:
            tokens: A sequence that the model was trained on.

        Returns:
            The distinct distributions, [contexts, vocabulary] float32, and the number of the distribution after each
            token, [tokens - 1].
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
    """Compute the discounts of n-grams with counts 0, 1, 2, and 3 or more.

    If an order is so small that one of the counts 1 to 4 does not occur, its discounts are 0.5 n for count n, which is
    within the bounds of the formula.

    Args:
        counts: Count of each n-gram of one order.

    Returns:
        Discounts, [4] float64.

    Reference:
        Chen and Goodman 1998, eq. (26).
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)[:5].astype(float)
    if not n[1:].all():
        return np.array([0, 0.5, 1.0, 1.5])
    y = n[1] / (n[1] + 2 * n[2])
    formula = np.array([0, *(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3))])
    return np.clip(formula, 0, [0, 1, 2, 3])


def _found(keys: Ids, values: NDArray[np.float64], wanted: Ids) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the values of the wanted keys, 0 for missing keys, and which keys exist; `keys` is sorted."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    known = keys[place] == wanted
    return np.where(known, values[place], 0.0), known
