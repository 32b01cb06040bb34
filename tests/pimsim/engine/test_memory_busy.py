"""Busy time of the memory under the contended schedule, with and without a timing table."""

from __future__ import annotations

import math

import pytest

from pimsim import RunResult, load_config, simulate
from tests.support.closeness import near


def run(memory: str, schedule: str, *settings: str) -> RunResult:
    layers = {"extends": ["pim-llm", memory], "name": memory}
    return simulate(load_config(layers, ["workload.model=gpt2-small", f"schedule={schedule}", *settings]))


def busy_ps(result: RunResult) -> int:
    (found,) = (each.busy_ps for each in result.components if each.name == "memory")
    return found


def background_j(result: RunResult) -> float:
    return result.energies_j["memory.leakage"]


@pytest.mark.parametrize("part", ["memory-lpddr5", "memory-hbm2"])
def test_a_timing_table_does_not_change_the_rule_for_background_power(part: str) -> None:
    """The port of 64 bytes per 10 ns is slower than both parts, so it decides how long the memory is busy.

    The closed form of the serial schedule is the sum of the same activities, one after another.
    """
    plain, table = run(part, "contended"), run(f"{part}-timing", "contended")
    assert busy_ps(table) == near(busy_ps(plain), rel=1e-4)
    assert background_j(table) == near(background_j(plain), rel=2e-3)  # refresh power, from the table, differs
    for result, serial in ((plain, run(part, "serial")), (table, run(f"{part}-timing", "serial"))):
        assert busy_ps(result) == near(busy_ps(serial), rel=1e-4)
        assert background_j(result) == near(background_j(serial), rel=1e-4)
    channels_ps = sum(each.busy_ps for each in table.media if each.component == "memory")
    assert 0 < channels_ps < busy_ps(table) / 5
    assert math.fsum(each.energy_j for each in table.accounting.counted) == near(table.energy_j, rel=1e-9)


def test_channels_that_need_longer_are_busy_for_longer() -> None:
    """One channel in place of four: the DRAM is slower than the port, and busy at least as long as its channels are."""
    table = run("memory-lpddr5-timing", "contended", "machine.sram.width_bits=8192", "machine.memory.channels=1")
    [channels_ps] = [each.busy_ps for each in table.media if each.component == "memory"]
    assert channels_ps <= busy_ps(table) <= table.latency_ps
