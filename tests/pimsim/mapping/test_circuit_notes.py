"""Notes on circuits of arrays: of narrowed conversions outside a series, and of bit lines that do not move."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pimsim import load_config, simulate
from pimsim.mapping.circuit_notes import circuit_notes, input_bits
from pimsim.studies.sweep.running.sweep_run import run_sweep
from pimsim.studies.sweep.space.plan import load_sweep
from pimsim.studies.sweep.table.point_adcs import adc_scalings
from tests.crossbar.valid_params import INTEGRATION, LINES

PAIR = "machine.crossbar.pair"
NARROW: Mapping[str, Any] = {
    "workload.model": "gpt2-small",
    f"{PAIR}.sensing.integration": INTEGRATION | {"narrow_later_phases": True},
}
"""Inputs of 8 bits have 7 planes of magnitude: phases of 4 and 3 planes, the second one narrower by 4 bits."""


@pytest.mark.parametrize(
    ("changes", "bits", "basis"),
    [
        ({}, 2, "extrapolated"),  # 6 - 4; the designs of MNSIM have 4 to 10 bits
        ({f"{PAIR}.adc.bits": 8}, 4, "a design of the series"),
        ({f"{PAIR}.adc.bits": 9}, 5, "interpolated in log energy"),
        ({f"{PAIR}.adc.bits": 10, f"{PAIR}.adc.energy_bits": 6}, 6, ""),  # the figures of 6 bits are stated
    ],
)
def test_a_narrowed_conversion_says_where_its_energy_is_from(changes: dict[str, Any], bits: int, basis: str) -> None:
    run = simulate(load_config("pim-llm", NARROW | changes))
    assert run.energies_j[f"tile.adc_conversion_{bits}b"] > 0
    notes = [note for note in run.notes if note.startswith("ADC conversions of ")]
    if basis:
        (note,) = notes
        assert note.startswith(f"ADC conversions of {bits} bits ({PAIR}.sensing.integration.narrow_later_phases): ")
        assert basis in note
        assert "by series mnsim (4 to 10 bits)" in note
    else:
        assert not notes


def test_inputs_of_one_phase_have_no_narrowed_conversion() -> None:
    config = load_config("pim-llm", NARROW | {f"{PAIR}.encoding.activation_bits": 4})
    assert list(input_bits(config)) == [4]
    assert circuit_notes(config, input_bits(config)) == ()
    off = INTEGRATION | {"narrow_later_phases": False}
    assert circuit_notes(load_config("pim-llm", NARROW | {f"{PAIR}.sensing.integration": off}), [8]) == ()


def test_a_sweep_has_the_derivations_of_its_narrowed_conversions(tmp_path: Path) -> None:
    file = tmp_path / "phases.yaml"
    narrow = "\n".join(
        f"    {key}: {str(value).lower()}" for key, value in dict(NARROW[f"{PAIR}.sensing.integration"]).items()
    )
    file.write_text(
        "name: phases\nbase: pim-llm\nmodels: [gpt2-small]\nmetrics: [energy_j]\n"
        f"set:\n  {PAIR}.sensing.integration:\n{narrow}\n"
        f"axes:\n  {PAIR}.encoding.activation_bits: [4, 8]\n",
        encoding="utf-8",
    )
    found = adc_scalings(run_sweep(load_sweep(str(file)), tmp_path / "phases.h5", workers=1))
    assert [(each.bits, each.basis) for each in found] == [(2, "extrapolated")]


@pytest.mark.parametrize(
    ("changes", "noted"),
    [
        ({f"{PAIR}.lines": LINES | {"bit_swing_v": 0.0}, f"{PAIR}.sensing.mode": "voltage"}, True),
        ({f"{PAIR}.lines": LINES, f"{PAIR}.sensing.mode": "voltage"}, False),
        ({f"{PAIR}.lines": LINES | {"bit_swing_v": 0.0}}, False),
    ],
)
def test_bit_lines_without_a_swing_are_noted_in_voltage_mode(changes: dict[str, Any], noted: bool) -> None:
    run = simulate(load_config("pim-llm", {"workload.model": "gpt2-small"} | changes))
    assert bool(run.energies_j.get("tile.bit_line")) == (f"{PAIR}.sensing.mode" in changes and not noted)
    found = [note for note in run.notes if note.startswith(f"{PAIR}.lines.bit_swing_v=0 counts no charge")]
    assert len(found) == noted
    digital = load_config("pim-llm", changes | {"mapping.projections": "systolic"})
    assert circuit_notes(digital, input_bits(digital)) == ()


def test_the_shipped_macro_of_voltage_mode_has_the_note() -> None:
    """macro-neurram counts the charge of its lines in the activity of the cells; 1-bit inputs take one phase."""
    notes = simulate(load_config("macro-neurram")).notes
    assert [note for note in notes if "bit_swing_v=0" in note]
    assert not [note for note in notes if note.startswith("ADC conversions of ")]


@pytest.mark.parametrize(
    ("vectors", "gains", "noted"), [(0, "column", True), (32, "column", False), (0, "none", False)]
)
def test_gains_that_are_measured_for_nothing_are_noted(vectors: int, gains: str, noted: bool) -> None:
    config = load_config(
        "pim-llm",
        {
            "workload.model": "gpt2-small",
            "machine.crossbar.calibration_vectors": vectors,
            "machine.crossbar.pair.correction.gains": gains,
        },
    )
    assert any("measurement of the gains" in each for each in simulate(config).notes) == noted
