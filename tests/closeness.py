"""Equal but for rounding, for quantities of any size."""

from __future__ import annotations

from typing import Any

import pytest


def near(expected: Any, rel: float = 1e-6) -> Any:
    """As `pytest.approx` without its absolute tolerance, to which 1 pJ and 2 pJ are the same: 1e-12."""
    return pytest.approx(expected, rel=rel, abs=0)
