"""The log says that a loop is compiled, for those who read it."""

from __future__ import annotations

import logging

import pytest

from pimsim import load_config
from pimsim.hardware.shared import chosen_period, dram
from pimsim.hardware.shared.chosen_period import ChosenPeriod
from pimsim.hardware.shared.compiled import first_use
from pimsim.hardware.shared.dram import Dram
from tests.pimsim.hardware.shared.traffics import Case


@pytest.fixture(autouse=True)
def _first_use() -> None:
    first_use.log_compilation.cache_clear()


@pytest.mark.parametrize(("compiled", "said"), [(False, True), (True, False)])
def test_a_run_says_once_what_it_compiles(
    compiled: bool, said: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("crossbar.kernels.warming.is_compiled", lambda _: compiled)
    monkeypatch.setattr(chosen_period, "COMPILED_FROM_HOPS", -1)
    memory = Dram(load_config("memory-lpddr5x-timing").machine.memory)
    with caplog.at_level(logging.INFO, "pimsim"):
        for _ in range(2):
            ChosenPeriod(Case(1, 2, ()).network_parameters())
            memory.for_work(dram.LEAST_COMPILED * memory.channels)
    lines = ["compiling packet kernels, once (about 5 s)", "compiling DRAM kernels, once (about 4 s)"]
    assert caplog.messages == (lines if said else [])


@pytest.mark.parametrize("disabled", ["", "1"])
def test_nothing_is_looked_up_for_nobody(disabled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it where Numba does not compile."""
    monkeypatch.setattr("crossbar.kernels.warming.is_compiled", lambda _: pytest.fail("looked up"))
    monkeypatch.setattr(first_use.LOGGER, "isEnabledFor", lambda _: bool(disabled))
    monkeypatch.setenv("NUMBA_DISABLE_JIT", disabled)
    first_use.log_compilation("memory")
