"""Hypothesis profiles, by PIMSIM_TEST_PROFILE: "default" (or unset) or "deep". Kernels compiled beside the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.counts import PROFILE

# Slow generation is no failure: CI machines may be busy.
ALIKE: dict[str, Any] = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=12, **ALIKE)
settings.register_profile("deep", max_examples=2000, **ALIKE)
settings.load_profile(PROFILE)

ROOT = Path(__file__).parents[1]
COMPILES = (
    "tests/crossbar/",
    "tests/docs/",
    "tests/end_to_end/test_mitigations",
    "tests/pimsim/cli/",
    "tests/pimsim/inference/",
    "tests/pimsim/studies/accuracy/",
    "tests/pimsim/studies/array/",
    "tests/pimsim/studies/sweep/measure/",
)
"""Tests that multiply on arrays."""


def _compiles(item: pytest.Item) -> bool:
    return item.nodeid.startswith(COMPILES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that need compiled kernels come last in either half, when `warm_kernels` has them ready.

    A half is what pytest-xdist gives to each of two workers at first.
    """
    early, late = ([item for item in items if _compiles(item) is which] for which in (False, True))
    halves = zip(*((of[: len(of) // 2], of[len(of) // 2 :]) for of in (early, late)), strict=True)
    items[:] = [item for half in halves for part in half for item in part]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile kernels in the background, once, of a run of all tests by several workers."""
    options = session.config.option
    if getattr(options, "numprocesses", None) and session.config.args_source.name != "ARGS":
        command = [sys.executable, "-m", "tests.support.warm_kernels"]
        session.config.stash[_WARMING] = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave nothing behind."""
    if warming := session.config.stash.get(_WARMING, None):
        warming.kill()
        warming.wait()


_WARMING = pytest.StashKey["subprocess.Popen[bytes]"]()
