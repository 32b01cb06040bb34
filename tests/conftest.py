"""Hypothesis profiles: PIMSIM_TEST_PROFILE is "default" (or unset) or "deep"."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.counts import PROFILE

settings.register_profile("default", max_examples=50, deadline=None, print_blob=True)
settings.register_profile(
    "deep", max_examples=2500, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(PROFILE)
