"""The loop in which networks are simulated: that of their size, whatever the tests before have simulated."""

from __future__ import annotations

import pytest

from pimsim.hardware.shared import chosen_period
from pimsim.hardware.shared.chosen_period import ChosenPeriod


@pytest.fixture(autouse=True)
def _no_hops_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChosenPeriod, "hops", 0)
    monkeypatch.setattr(ChosenPeriod, "expected_hops", 0)


@pytest.fixture(params=["python", "compiled"])
def each_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test in both packet loops."""
    monkeypatch.setattr(chosen_period, "COMPILED_FROM_HOPS", 1 << 60 if request.param == "python" else -1)
