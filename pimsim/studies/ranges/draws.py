"""Random numbers of a Monte Carlo run: one row per source of uncertainty, equal for equal names in any two runs."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def draws(name: str, samples: int, seed: int) -> NDArray[np.float64]:
    """Draw one number per sample, one from each of as many equal intervals (a Latin hypercube).

    The numbers depend on the name, and not on the other sources of a run. So two machines that share a constant get the
    same values of it (common random numbers), and what they share cancels in the comparison of both.

    Args:
        name: Name of the source: a dotted key, or a group of keys that vary together.
        samples: Number of samples.
        seed: Seed of the run.

    Returns:
        Numbers between 0 and 1, both excluded, [samples] float64.

    Reference:
        M. D. McKay, R. J. Beckman, W. J. Conover, Technometrics 21(2), 1979.
    """
    digest = hashlib.sha256(name.encode()).digest()
    words = [int.from_bytes(digest[at : at + 4], "big") for at in range(0, 16, 4)]
    random = np.random.default_rng([seed, *words])
    inside = np.clip(random.random(samples), 1e-9, 1 - 1e-9)
    return (random.permutation(samples) + inside) / samples
