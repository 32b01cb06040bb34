"""Number of entries that a fraction of a row keeps, one rule for the time of a machine and for its numbers."""

from __future__ import annotations

import math
from fractions import Fraction


def kept_entries(entries: int, share: float) -> int:
    """Return how many entries of a row are kept.

    Args:
        entries: Entries of the row, at least 1.
        share: Fraction, above 0 and at most 1. A decimal means what is written: 0.07 of 100 entries are 7.

    Returns:
        The fraction of the entries, rounded up.
    """
    return math.ceil(Fraction(repr(float(share))) * entries)
