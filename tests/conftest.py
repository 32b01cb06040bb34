"""Hypothesis profiles, of PIMSIM_TEST_PROFILE (default, deep, mutants); compilation of kernels beside the tests."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.support.counts import PROFILE

# Before NumPy is imported: threads of BLAS wait by spinning. On busy cores, and each worker of pytest-xdist is busy for
# the other, the dense solutions of the oracles take five times as long with two threads as with one.
for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# Slow generation is not a failure: CI machines may be busy. The default profile draws the same examples each time, so
# that a test that fails fails because of a change; the deep profile draws new ones.
ALIKE: dict[str, Any] = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=9, derandomize=True, **ALIKE)
settings.register_profile("deep", max_examples=2000, **ALIKE)
# For tools.mutants: the same examples for each mutant, and no search for a smaller one after the first failure.
ONCE = (Phase.explicit, Phase.generate)
settings.register_profile("mutants", max_examples=9, derandomize=True, database=None, phases=ONCE, **ALIKE)
settings.load_profile(PROFILE)

# Of the processor time of the tests, a sixth was spent on visiting objects that live as long as the process: modules,
# and 9,000 tests. So they are visited less often, and no longer when all tests are collected.
gc.set_threshold(10_000, 10, 10)

ROOT = Path(__file__).parents[1]
COMPILES = (
    "tests/crossbar/",
    "tests/docs/",
    "tests/end_to_end/test_mitigations",
    "tests/pimsim/cli/test_accuracy",
    "tests/pimsim/cli/test_app_help",
    "tests/pimsim/cli/test_array",
    "tests/pimsim/config/test_ineffective_keys",
    "tests/pimsim/hardware/test_weight_slices",
    "tests/pimsim/hardware/shared/compiled/",
    "tests/pimsim/hardware/shared/test_chosen_period",
    "tests/pimsim/hardware/shared/test_network",
    "tests/pimsim/inference/",
    "tests/pimsim/present/plots/test_plot_accuracy",
    "tests/pimsim/present/plots/test_plot_array",
    "tests/pimsim/present/report/",
    "tests/pimsim/studies/accuracy/",
    "tests/pimsim/studies/array/",
    "tests/pimsim/studies/sweep/measure/",
    "tests/pimsim/studies/validation/",
    "tests/pimsim/studies/sweep/running/test_evaluate_point",
    "tests/tools/training/test_chips",
    "tests/tools/training/test_tune",
)
"""Beginnings of the paths of tests that multiply on arrays or compile networks, and so need compiled kernels."""


def _compiles(item: pytest.Item) -> bool:
    return item.nodeid.startswith(COMPILES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that need compiled kernels last in each half, when `warm_kernels` has compiled them.

    pytest-xdist first gives one half of the tests to each of two workers.
    """
    early, late = ([item for item in items if _compiles(item) is which] for which in (False, True))
    halves = zip(*((of[: len(of) // 2], of[len(of) // 2 :]) for of in (early, late)), strict=True)
    items[:] = [item for half in halves for part in half for item in part]


def pytest_collection_finish() -> None:
    """Take what exists now from the garbage collector's work, which is then that of the running test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Let files of tests stay in the memory of the system: a search writes its study to the disk 1,000 times.

    What is killed or interrupted runs in a process of its own, where `os.fsync` is the real one.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile kernels in the background, once, if several workers run all tests."""
    options = session.config.option
    if getattr(options, "numprocesses", None) and session.config.args_source.name != "ARGS":
        command = [sys.executable, "-m", "tests.support.warm_kernels"]
        session.config.stash[_WARMING] = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the compilation if it is still running."""
    if warming := session.config.stash.get(_WARMING, None):
        warming.kill()
        warming.wait()


_WARMING = pytest.StashKey["subprocess.Popen[bytes]"]()
