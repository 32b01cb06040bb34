"""The exception of the array model."""

from __future__ import annotations


class CrossbarError(ValueError):
    """Invalid weights, activations, conductances or parameters.

    The message names the value, its position and the valid range.
    """
