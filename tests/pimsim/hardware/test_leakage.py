"""Leakage under the three gatings, alone and in whole runs."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.config.schema import Config
from pimsim.hardware.leakage import Gating, leakage_energy_j
from pimsim.hardware.machine import build_machine
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate
from tests.support import component_strategies, strategies
from tests.support.closeness import near
from tests.support.counts import MACHINES
from workloads.trace import Trace


@pytest.mark.parametrize(("gating", "joules"), [("ungated", 0.06), ("idle_gated", 0.05), ("not_charged", 0.0)])
def test_by_hand(gating: Gating, joules: float) -> None:
    """Three pieces of 10 mW over 2 s, busy for 5 s between them."""
    assert leakage_energy_j(0.01, 3, 5 * 10**12, 2 * 10**12, gating) == near(joules, rel=1e-12)


@given(
    watts=component_strategies.watts,
    units=st.integers(0, 5000),
    latency_ps=st.integers(0, 10**15),
    busy_share=st.floats(0, 1),
)
def test_gating_never_costs_more_than_leaving_everything_on(
    watts: float, units: int, latency_ps: int, busy_share: float
) -> None:
    busy_ps = int(busy_share * units * latency_ps)
    ungated, idle_gated, not_charged = (
        leakage_energy_j(watts, units, busy_ps, latency_ps, each) for each in ("ungated", "idle_gated", "not_charged")
    )
    assert not_charged == 0 <= idle_gated <= ungated * (1 + 1e-12)
    assert ungated == near(watts * units * latency_ps * 1e-12, rel=1e-12)


def under(config: Config, trace: Trace, gating: Gating) -> RunResult:
    return simulate(config.model_copy(update={"leakage_gating": gating}), trace)


@settings(max_examples=MACHINES)
@given(run=strategies.runs())
def test_whole_runs(run: tuple[Config, Trace]) -> None:
    """Gating changes nothing but the leakage: every component by its power, its pieces, and its time."""
    config, trace = run
    ungated, idle_gated, not_charged = (
        under(config, trace, gating) for gating in ("ungated", "idle_gated", "not_charged")
    )
    assert ungated.latency_ps == idle_gated.latency_ps == not_charged.latency_ps
    assert ungated.counts == idle_gated.counts == not_charged.counts
    dynamic_j = math.fsum(count * ungated.action_energies_j[action] for action, count in ungated.counts.items())
    assert not_charged.energy_j == near(dynamic_j, rel=1e-12)
    machine = build_machine(config.machine)
    there = {record.name for record in idle_gated.components}
    for component in machine.components():
        if component is machine.programming and component.name not in there:
            continue  # its drivers rest during the run
        per_tile = component.name in ("tile", "programming")
        pieces = ungated.tiles.tiles_available if per_tile else component.units * config.machine.chips.count
        record = idle_gated.component(component.name)
        assert record.units == pieces
        assert record.busy_ps <= pieces * idle_gated.latency_ps
        seconds = ungated.latency_ps * 1e-12
        assert ungated.component(component.name).leakage_j == near(component.leakage_w() * pieces * seconds, rel=1e-12)
        assert record.leakage_j == near(component.leakage_w() * record.busy_ps * 1e-12, rel=1e-12)
        assert not_charged.component(component.name).leakage_j == 0
    for result in (ungated, idle_gated):
        leakage_j = math.fsum(component.leakage_j for component in result.components)
        assert result.energy_j == near(dynamic_j + leakage_j, rel=1e-12)
