"""Rows in a pool of processes: an interrupt waits until all processes are known that the pool starts."""

from __future__ import annotations

import os
import signal

import pytest

from pimsim.studies.comparison.comparison_points import _interrupts_wait


def _work_through(number: signal.Signals, finished: list[signal.Signals]) -> None:
    with _interrupts_wait():
        os.kill(os.getpid(), number)
        finished.append(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_for_the_end_of_the_block(number: signal.Signals) -> None:
    before = signal.signal(number, signal.default_int_handler)
    finished: list[signal.Signals] = []
    try:
        with pytest.raises(KeyboardInterrupt):
            _work_through(number, finished)
        assert finished == [number]
        assert signal.getsignal(number) is signal.default_int_handler
        with _interrupts_wait():
            finished.append(number)
    finally:
        signal.signal(number, before)
