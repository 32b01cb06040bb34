"""Accuracy measures: likelihood of the next tokens, and distances between the outputs of two models."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossbar.array_activity import snr_db

CHUNK = 2**20
"""Number of logits that are converted to float64 at a time; limits the memory."""

Floats = NDArray[np.float32]
Ids = NDArray[np.integer]


def nll(logits: Floats, targets: Ids) -> float:
    """Compute the negative log likelihood of the targets, summed over tokens.

    Args:
        logits: Logits of the model, [tokens, vocab] float32.
        targets: Token ids to predict, [tokens] integers.

    Returns:
        Negative log likelihood in nats.

    Reference:
        docs/accuracy.md, eq. (1).
    """
    return math.fsum(nll_terms(logits, targets))


def nll_terms(logits: Floats, targets: Ids) -> list[float]:
    """Compute the terms that `nll` adds.

    Args:
        logits: Logits of the model, [tokens, vocab] float32.
        targets: Token ids to predict, [tokens] integers.

    Returns:
        Negative log likelihood of every `tokens_per_chunk` tokens, nats.
    """
    return [
        float(-_log_probabilities(chunk)[np.arange(len(wanted)), wanted].sum())
        for chunk, wanted in _chunks(logits, targets)
    ]


def tokens_per_chunk(vocab: int) -> int:
    """Return the number of tokens whose logits are compared at a time.

    Args:
        vocab: Logits of a token.

    Returns:
        At least 1.
    """
    return max(1, CHUNK // vocab)


@dataclass
class Comparison:
    """Running comparison of a model's logits with those of the exact model.

    Attributes:
        tokens: Number of tokens compared so far.
        agreed: Number of tokens for which both models have the same most likely next token.
        divergence: Kullback-Leibler divergence, summed over tokens, nats.
        signal: Power of the centered log probabilities of the exact model, summed over tokens and vocabulary.
        noise: Power of the differences between the centered log probabilities of both models, summed likewise.
    """

    tokens: int = 0
    agreed: int = 0
    divergence: float = 0.0
    signal: float = 0.0
    noise: float = 0.0

    def add(self, logits: Floats, exact: Floats) -> None:
        """Add the logits of more tokens to the comparison.

        Args:
            logits: Logits of the compared model, [tokens, vocab] float32.
            exact: Logits of the exact model for the same tokens, [tokens, vocab] float32.

        Reference:
            docs/accuracy.md, eqs. (3) to (5).
        """
        for chunk, reference in _chunks(logits, exact):
            self.tokens += len(chunk)
            self.agreed += int(np.count_nonzero(chunk.argmax(axis=1) == reference.argmax(axis=1)))
            compared, expected = _log_probabilities(chunk), _log_probabilities(reference)
            self.divergence += float((np.exp(expected) * (expected - compared)).sum())
            # A constant added to all logits of a token changes no probability, so it is not counted as an error.
            centered = expected - expected.mean(axis=1, keepdims=True)
            self.signal += float((centered**2).sum())
            self.noise += float(((compared - compared.mean(axis=1, keepdims=True) - centered) ** 2).sum())

    @property
    def agreement(self) -> float:
        """Fraction of tokens for which both models have the same most likely next token."""
        return self.agreed / self.tokens

    @property
    def kl(self) -> float:
        """Kullback-Leibler divergence of the compared model from the exact model, nats per token."""
        return self.divergence / self.tokens

    @property
    def snr_db(self) -> float:
        """Signal-to-noise ratio of the logits, each token's mean removed, dB."""
        return snr_db(self.signal, self.noise)


@dataclass
class Powers:
    """Running signal and noise power of values compared with exact values, and counts of ADC conversions.

    Attributes:
        signal: Sum of the squares of the exact values.
        noise: Sum of the squares of the errors.
        conversions: Number of ADC conversions; 0 if the values do not come from arrays.
        saturated: Number of ADC conversions that were out of range.
    """

    signal: float = 0.0
    noise: float = 0.0
    conversions: int = 0
    saturated: int = 0

    def add(self, values: NDArray[np.generic], exact: NDArray[np.generic]) -> None:
        """Add more values.

        Args:
            values: Computed values, any shape.
            exact: Exact values, same shape.
        """
        wide = exact.astype(np.float64)
        self.signal += float(np.square(wide).sum())  # not np.vdot: the order of BLAS depends on its number of threads
        wide -= values.astype(np.float64)
        self.noise += float(np.square(wide, out=wide).sum())

    def __add__(self, other: Powers) -> Powers:
        """Return the sums of both accumulators.

        Args:
            other: Second accumulator.

        Returns:
            A new accumulator; both operands are unchanged.
        """
        return Powers(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def snr_db(self) -> float:
        """Signal-to-noise ratio, dB."""
        return snr_db(self.signal, self.noise)

    @property
    def saturated_fraction(self) -> float:
        """Fraction of the ADC conversions that were out of range; 0 without conversions."""
        return self.saturated / self.conversions if self.conversions else 0.0


def _chunks(first: Floats, second: NDArray[np.generic]) -> Iterator[tuple[Floats, NDArray[np.generic]]]:
    step = tokens_per_chunk(first.shape[1])
    for start in range(0, len(first), step):
        yield first[start : start + step], second[start : start + step]


def _log_probabilities(logits: NDArray[np.generic]) -> NDArray[np.float64]:
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    wide -= np.log(np.exp(wide).sum(axis=1, keepdims=True))
    return wide
