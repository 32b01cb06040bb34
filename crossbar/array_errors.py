"""The one error of the array model."""

from __future__ import annotations


class CrossbarError(ValueError):
    """Weights, activations or conductances that an array cannot take: which, where, and what it can take."""
