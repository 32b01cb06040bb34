"""Operating temperature: leakage by CACTI's off-currents, and cells that conduct as at the read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim import load_config, simulate
from pimsim.base.errors import ConfigError
from pimsim.hardware.machine import build_machine
from pimsim.hardware.operating_temperature import OFF_CURRENTS, at_operating_temperature, leakage_factor
from tests.support.closeness import near

PAIR = "machine.crossbar.pair"
SMALL = ["workload.model=gpt2-small"]


@pytest.mark.parametrize(
    ("cell_class", "kelvin", "factor"),
    [
        ("hp", 300, 1),
        ("hp", 350, 5.69 / 2.8),
        ("lstp", 350, 90.2 / 10.1),
        ("lop", 400, 20.3 / 4.03),
        ("hp", 305, math.sqrt(3.28 / 2.8)),
        ("lstp", 395, math.sqrt(329 * 410) / 10.1),
    ],
)
def test_leakage_follows_the_table(cell_class: str, kelvin: float, factor: float) -> None:
    """At its points, and with the geometric mean half-way between two of them."""
    assert leakage_factor(cell_class, kelvin) == near(factor)


@given(st.sampled_from(sorted(OFF_CURRENTS)), st.floats(300, 400), st.floats(0, 100))
def test_leakage_grows_with_temperature(cell_class: str, kelvin: float, more: float) -> None:
    hotter = min(400.0, kelvin + more)
    assert 1 <= leakage_factor(cell_class, kelvin) <= leakage_factor(cell_class, hotter) * (1 + 1e-12)


@pytest.mark.parametrize("settings", [["machine.technology_nm=28"], ["machine.systolic.leakage_w=1 mW"]])
def test_every_component_leaks_by_its_class(settings: list[str]) -> None:
    cold, hot = (
        build_machine(load_config("pim-llm", [*settings, f"machine.temperature_k={kelvin}"]).machine)
        for kelvin in (300, 350)
    )
    hp, lstp = leakage_factor("hp", 350), leakage_factor("lstp", 350)
    for was, now in zip(cold.components(), hot.components(), strict=True):
        factor = {"sram": lstp, "memory": 1.0, "mesh": 1.0}.get(was.name, hp)
        assert now.leakage_w() == near(factor * was.leakage_w()), was.name
        assert now.action_energies_j() == was.action_energies_j(), was.name


def test_at_its_own_temperatures_a_machine_is_as_it_is() -> None:
    machine = load_config("pim-llm").machine
    assert at_operating_temperature(machine) is machine
    at_300 = load_config("pim-llm", ["machine.temperature_k=300"])
    assert at_operating_temperature(at_300.machine) is at_300.machine
    assert (
        simulate(load_config("pim-llm", SMALL)).energy_j
        == simulate(load_config("pim-llm", [*SMALL, "machine.temperature_k=300"])).energy_j
    )


def test_cells_that_are_read_take_the_energy_of_their_temperature() -> None:
    """The mean conductance of a cell is 0.67 / HRS + 0.33 / LRS; here LRS has 1.05 times its resistance."""
    warm = [f"{PAIR}.thermal.lrs_tcr=1e-3", "machine.temperature_k=350"]
    cell = load_config("pim-llm").machine.crossbar_tile
    assert cell is not None
    lrs_ohm, hrs_ohm = cell.pair.cell.lrs_ohm, cell.pair.cell.hrs_ohm
    factor = (0.67 / hrs_ohm + 0.33 / lrs_ohm / 1.05) / (0.67 / hrs_ohm + 0.33 / lrs_ohm)
    for calibration in ([], [f"{PAIR}.thermal.calibration_k=300"]):
        found = at_operating_temperature(load_config("pim-llm", [*warm, *calibration]).machine).crossbar_tile
        assert found is not None
        assert found.pair.cell.read_power_w == near(factor * cell.pair.cell.read_power_w)


def test_notes_say_what_follows_the_temperature() -> None:
    notes = simulate(load_config("pim-llm", [*SMALL, "machine.temperature_k=350"])).notes
    assert any("leakage of SRAM and digital logic follows off-currents" in note for note in notes)
    assert any("no coefficient of machine.crossbar.pair.thermal is stated" in note for note in notes)
    off = [f"{PAIR}.thermal.hrs_ev=0.1", f"{PAIR}.thermal.temperature_k=330", f"{PAIR}.thermal.calibration_k=300"]
    notes = simulate(load_config("pim-llm", [*SMALL, *off])).notes
    assert any("read at 330 K, and were calibrated at 300 K" in note for note in notes)


def test_exchanged_states_are_one_message() -> None:
    with pytest.raises(ConfigError, match=r"crossbar\.pair: at 400 K, LRS .* is not below HRS"):
        load_config("pim-llm", [f"{PAIR}.thermal.hrs_ev=0.6", "machine.temperature_k=400"])
