"""From logits to nats: what a model makes of the tokens that come next, and how far two models are apart."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossbar.array_activity import snr_db

CHUNK = 2**20
"""Logits that are looked at in float64 at once."""

Floats = NDArray[np.float32]
Ids = NDArray[np.integer]


def nll(logits: Floats, targets: Ids) -> float:
    """Negative log likelihood of the targets, in nats, added up. `logits` is [tokens, vocab]."""
    return math.fsum(
        float(-_log_probabilities(part)[np.arange(len(wanted)), wanted].sum())
        for part, wanted in _chunks(logits, targets)
    )


@dataclass
class Comparison:
    """A model beside the exact one, over some tokens; `add` adds more of them."""

    tokens: int = 0
    agreed: int = 0
    divergence: float = 0.0
    signal: float = 0.0
    noise: float = 0.0

    def add(self, logits: Floats, exact: Floats) -> None:
        """Logits of the same tokens, [tokens, vocab] each."""
        for part, reference in _chunks(logits, exact):
            self.tokens += len(part)
            self.agreed += int(np.count_nonzero(part.argmax(axis=1) == reference.argmax(axis=1)))
            mine, theirs = _log_probabilities(part), _log_probabilities(reference)
            self.divergence += float((np.exp(theirs) * (theirs - mine)).sum())
            # What is the same for all logits of a token changes no probability.
            centred = theirs - theirs.mean(axis=1, keepdims=True)
            self.signal += float((centred**2).sum())
            self.noise += float(((mine - mine.mean(axis=1, keepdims=True) - centred) ** 2).sum())

    @property
    def agreement(self) -> float:
        """Part of the tokens after which both think the same one the likeliest."""
        return self.agreed / self.tokens

    @property
    def kl(self) -> float:
        """Kullback-Leibler divergence of this model from the exact one, in nats per token."""
        return self.divergence / self.tokens

    @property
    def snr_db(self) -> float:
        """Power of the exact logits, without each token's mean, over that of the errors."""
        return snr_db(self.signal, self.noise)


@dataclass
class Powers:
    """Signal and noise of numbers beside the exact ones, and conversions of ADCs if there are any."""

    signal: float = 0.0
    noise: float = 0.0
    conversions: int = 0
    saturated: int = 0

    def add(self, values: NDArray[np.generic], exact: NDArray[np.generic]) -> None:
        """Numbers of one shape."""
        wide = exact.astype(np.float64)
        self.signal += float(np.vdot(wide, wide))
        wide -= values.astype(np.float64)
        self.noise += float(np.vdot(wide, wide))

    def __add__(self, other: Powers) -> Powers:
        """Both together."""
        return Powers(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def snr_db(self) -> float:
        """Their ratio in decibels."""
        return snr_db(self.signal, self.noise)

    @property
    def saturated_part(self) -> float:
        """Part of the conversions that were out of range."""
        return self.saturated / self.conversions if self.conversions else 0.0


def _chunks(first: Floats, second: NDArray[np.generic]) -> Iterator[tuple[Floats, NDArray[np.generic]]]:
    step = max(1, CHUNK // first.shape[1])
    for start in range(0, len(first), step):
        yield first[start : start + step], second[start : start + step]


def _log_probabilities(logits: NDArray[np.generic]) -> NDArray[np.float64]:
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    wide -= np.log(np.exp(wide).sum(axis=1, keepdims=True))
    return wide
