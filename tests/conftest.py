"""Hypothesis profiles: PIMSIM_TEST_PROFILE is "default" (or unset) or "deep"."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings

from tests.counts import PROFILE

# Test processes share the cores: compiled loops that spin while they wait for their threads take them from one another.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Slow generation is no failure: CI machines may be busy.
ALIKE: dict[str, Any] = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=12, **ALIKE)
settings.register_profile("deep", max_examples=2000, **ALIKE)
settings.load_profile(PROFILE)
