"""Perplexities with confidence intervals from resampled chapters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossbar.intervals import CONFIDENCE, Interval

RESAMPLES = 10_000


@dataclass(frozen=True)
class Losses:
    """Losses of the held-out chapters.

    Attributes:
        nats: Sum of the negative log likelihoods of each chapter, [chapters] float64, nats.
        characters: Characters of each chapter, [chapters] int64.
    """

    nats: NDArray[np.float64]
    characters: NDArray[np.int64]

    @property
    def perplexity(self) -> float:
        """Perplexity per character over all chapters."""
        return float(np.exp(self.nats.sum() / self.characters.sum()))


def perplexity(losses: Losses, seed: int = 0) -> Interval:
    """Compute the perplexity per character with the percentile interval of a bootstrap over chapters.

    Args:
        losses: Losses of the chapters.
        seed: Seed of the bootstrap.

    Returns:
        The perplexity and its interval.

    Reference:
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    return _interval(losses.perplexity, _resampled(losses, _draws(losses, seed)))


def ratio(losses: Losses, reference: Losses, seed: int = 0) -> Interval:
    """Compute the ratio of two perplexities on the same chapters with the interval of a paired bootstrap.

    Args:
        losses: Losses of the model.
        reference: Losses of the reference.
        seed: Seed of the bootstrap, which draws the same chapters for both.

    Returns:
        The ratio and its interval.
    """
    draws = _draws(losses, seed)
    resampled = _resampled(losses, draws) / _resampled(reference, draws)
    return _interval(losses.perplexity / reference.perplexity, resampled)


def rounded(interval: Interval, digits: int = 4) -> dict[str, float]:
    """Round an interval for a file.

    Args:
        interval: Interval with bounds.
        digits: Number of decimals.

    Returns:
        Estimate and bounds by name.
    """
    low, high = interval.ends or (interval.mean, interval.mean)
    return {name: round(each, digits) for name, each in (("value", interval.mean), ("low", low), ("high", high))}


def _draws(losses: Losses, seed: int) -> NDArray[np.int64]:
    chapters = len(losses.characters)
    return np.random.default_rng(seed).integers(chapters, size=(RESAMPLES, chapters))


def _resampled(losses: Losses, draws: NDArray[np.int64]) -> NDArray[np.float64]:
    rates = losses.nats[draws].sum(axis=1) / losses.characters[draws].sum(axis=1)
    result: NDArray[np.float64] = np.exp(rates)
    return result


def _interval(value: float, resampled: NDArray[np.float64]) -> Interval:
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [outside, 1 - outside])
    return Interval(value, float(low), float(high))
