"""Comparison of floats up to rounding, for quantities of any size."""

from __future__ import annotations

from typing import Any

import pytest


def near(expected: Any, rel: float = 1e-6) -> Any:
    """Return `pytest.approx` without its absolute tolerance of 1e-12, for which 1 pJ and 2 pJ are equal.

    1e-300 remains for subnormal numbers, whose relative rounding error is large.
    """
    return pytest.approx(expected, rel=rel, abs=1e-300)
