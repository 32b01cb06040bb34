"""Upkeep: what rewrites and checks take of the time, of the energy, and of the cells."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim import load_config, load_weights, simulate
from pimsim.results.upkeep_figures import S_PER_YEAR, Upkeep
from tests.support.closeness import near

BY_HAND = Upkeep(
    rewrite_interval_s=100.0, rewrite_s=10.0, rewrite_energy_j=50.0, check_interval_s=20.0, check_s=1.0,
    check_energy_j=2.0, tokens_per_s=8.0, energy_per_token_j=0.5, writes_per_rewrite=4.0, endurance_writes=1e6,
)  # fmt: skip
"""10 of 100 s and 1 of 20 s are upkeep; 50 J of 100 s and 2 J of 20 s are 0.6 W."""
SMALL = ["workload.model=gpt2-small", "machine.crossbar.calibration_vectors=8"]
UPKEEP = "machine.crossbar.pair.upkeep"


def test_the_figures_are_those_by_hand() -> None:
    assert BY_HAND.unavailable_share == near(0.15)
    assert BY_HAND.power_w == near(0.6)
    assert BY_HAND.effective_tokens_per_s == near(6.8)
    assert BY_HAND.effective_tokens_per_j == near(6.8 / (6.8 * 0.5 + 0.6))
    assert BY_HAND.writes_per_year == near(4 * S_PER_YEAR / 100)
    assert BY_HAND.life_s == near(1e6 / 4 * 100)
    assert BY_HAND.life_years == near(2.5e7 / (365.25 * 86400))


def test_a_chip_that_never_ends_its_upkeep_computes_no_token() -> None:
    stuck = replace(BY_HAND, rewrite_interval_s=10.0)
    assert (stuck.available_share, stuck.effective_tokens_per_s, stuck.effective_tokens_per_j) == (0, 0, 0)
    assert stuck.unavailable_share == near(1.05)
    endless = replace(BY_HAND, rewrite_interval_s=None, check_interval_s=None)
    assert (endless.unavailable_share, endless.power_w, endless.life_s, endless.life_years) == (0, 0, None, None)
    assert endless.effective_tokens_per_j == near(2)


@given(st.floats(20, 1e9), st.floats(1, 100))
def test_longer_intervals_cost_less_and_wear_less(interval_s: float, factor: float) -> None:
    short = replace(BY_HAND, rewrite_interval_s=interval_s)
    long = replace(BY_HAND, rewrite_interval_s=interval_s * factor)
    assert long.power_w <= short.power_w
    assert long.effective_tokens_per_j >= short.effective_tokens_per_j * (1 - 1e-12)
    assert long.life_s == near((short.life_s or 0) * factor)
    assert long.writes_per_year * (long.life_years or 0) == near(long.endurance_writes)


def test_a_run_states_the_upkeep_of_its_chip() -> None:
    """A rewrite is a load; a check is the calibration of a load, and drift compensation adds its vectors to both."""
    plain = simulate(load_config("pim-llm", SMALL))
    assert plain.feasibility.upkeep is None
    assert "upkeep" not in plain.feasibility.to_dict()
    checked = [*SMALL, f"{UPKEEP}.interval_s=3600", f"{UPKEEP}.drift_compensation=global", f"{UPKEEP}.test_vectors=24"]
    run = simulate(load_config("pim-llm", [*checked, "machine.crossbar.rewrite_interval_s=86400"]))
    upkeep = run.feasibility.upkeep
    assert upkeep is not None
    assert (run.latency_s, run.energy_j) == (plain.latency_s, plain.energy_j)
    assert upkeep.rewrite_s == run.feasibility.weight_load_s
    assert upkeep.rewrite_energy_j == run.feasibility.weight_load_energy_j
    assert upkeep.check_s == near(4 * plain.feasibility.calibration_s) == near(run.feasibility.calibration_s)
    assert upkeep.check_energy_j == near(4 * plain.feasibility.calibration_energy_j)
    assert upkeep.tokens_per_s == near(1 / run.latency_s)
    assert run.to_dict()["feasibility"]["upkeep"]["life_years"] == near(1e6 * 86400 / S_PER_YEAR)
    assert sum("upkeep" in note for note in run.notes) == 2


def test_ranges_of_programming_are_not_set_again() -> None:
    settings = [*SMALL, f"{UPKEEP}.interval_s=3600", f"{UPKEEP}.adc_ranges=at_programming"]
    assert simulate(load_config("pim-llm", settings)).feasibility.upkeep is None
    assert not load_weights(load_config("pim-llm", settings)).provision.checks


def test_a_load_has_the_check_of_its_runs() -> None:
    config = load_config("pim-llm", [*SMALL, f"{UPKEEP}.interval_s=3600", "schedule=dataflow"])
    run, load = simulate(config), load_weights(config)
    assert load.provision.checks == run.provision.checks
    assert load.feasibility.upkeep is not None
    assert load.feasibility.upkeep.effective_tokens_per_j == 0


@pytest.mark.parametrize(("writes", "life"), [("1.0e6", 1.0), ("1.0e4", 0.01)])
def test_the_life_is_proportional_to_the_endurance(writes: str, life: float) -> None:
    of_cell = f"machine.crossbar.pair.cell.endurance_writes={writes}"
    run = simulate(load_config("pim-llm", [*SMALL, "machine.crossbar.rewrite_interval_s=1 Ms", of_cell]))
    assert run.feasibility.upkeep is not None
    assert run.feasibility.upkeep.life_s == near(1e12 * life)
