"""Number of samples of a Monte Carlo run: the default, and its bounds."""

from __future__ import annotations

from pimsim.base.errors import WorkloadInputError

SAMPLES = 1000
MIN_SAMPLES = 40
"""Least number: the ends of a 95 % interval lie between samples from 40 on."""

MAX_SAMPLES = 1_000_000
"""Largest number: a sample takes about a millisecond, and 300 bytes."""


def check_samples(samples: int) -> None:
    """Check a number of samples.

    Args:
        samples: The number.

    Raises:
        WorkloadInputError: If it is out of bounds.
    """
    if not MIN_SAMPLES <= samples <= MAX_SAMPLES:
        raise WorkloadInputError(f"samples: {samples:,} is not between {MIN_SAMPLES} and {MAX_SAMPLES:,}")
