"""Lines, drivers and column circuits: charges, settling and phases worked out by hand, and their rules."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from crossbar import CrossbarError, program_matrix
from crossbar.circuit_params import DriverParams, IntegrationParams, LineParams, SensingParams
from crossbar.params import CrossbarParams
from tests.crossbar.valid_params import ADC, CELL, DAC, DRIVERS, INTEGRATION, LINES, PAIR, SENSING
from tests.support.closeness import near


def pair_of(**sections: Any) -> CrossbarParams:
    return CrossbarParams.model_validate(PAIR | sections)


# --- charge -----------------------------------------------------------------------------------------------------------


def test_charges_by_hand() -> None:
    """The word line of NeuRRAM: 256 cells of 2.1 fF and 48 fF are 585.6 fF; x 1.3 V x 2.2 V. Others of 1 fF a cell."""
    lines = LineParams(**LINES)
    assert lines.select_charge_j(256, activity=0.1) == near(1.674816e-12), "every driven row is selected"
    assert lines.word_charge_j(128, 0.15, activity=0.1) == near(0.1 * 128e-15 * 0.0225)
    gates = LineParams(**LINES | {"input_line": "select"})
    assert gates.select_charge_j(256, activity=0.1) == near(0.1674816e-12), "of the rows with a 1 only"
    assert gates.word_charge_j(128, 0.15, activity=0.1) == 0, "word lines keep their voltage"
    assert lines.bit_charge_j(256, 0.15) == near(256e-15 * 0.1 * 0.15)


def test_the_select_line_may_not_swing_downwards() -> None:
    with pytest.raises(ValidationError, match=r"select_high_v \(0\.5\) must not be below select_low_v"):
        LineParams(**LINES | {"select_high_v": 0.5})


# --- settling ---------------------------------------------------------------------------------------------------------


def test_settling_by_hand() -> None:
    """256 rows x 128 columns, ideal wires, 7 ln 2 time constants of a 6-bit ADC.

    Row: 1 kOhm x (128 x 2.1 fF + 48 fF) = 316.8 ps of the select line, which is slower than the word line's 128 ps.
    Column, current: 500 Ohm x 256 fF = 128 ps. Voltage: 64 driven rows x 33.67 uS = 2.15488 mS; 256 fF / 2.15488 mS.
    """
    settled = {"cell": CELL | {"read_pulse_s": None}, "lines": LINES, "drivers": DRIVERS}
    current = pair_of(**settled, sensing=SENSING | {"input_ohm": 500.0})
    assert current.read_pulse_s == near(7 * math.log(2) * (316.8e-12 + 128e-12))
    voltage = pair_of(**settled, sensing=SENSING | {"mode": "voltage"})
    assert voltage.read_pulse_s == near(7 * math.log(2) * (316.8e-12 + 256e-15 / 2.15488e-3))


def test_cells_of_intb_settle_with_the_mean_of_their_weights() -> None:
    """int4 in pairs: of 15 weights 4 have a certain bit of |w| and the sign of the cell: a mean of 1 + 99 x 4 / 15 uS.

    The mean is that of 2-bit cells, too. 64 rows of 27.4 uS have 1.7536 mS; those of ternary weights 64 x 33.67 uS.
    """
    settled = {"cell": CELL | {"read_pulse_s": None}, "lines": LINES, "sensing": SENSING | {"mode": "voltage"}}
    for cell_bits in (1, 2):
        int4 = pair_of(**settled, encoding=PAIR["encoding"] | {"weights": "int4", "cell_bits": cell_bits})
        assert int4.read_pulse_s == near(7 * math.log(2) * 256e-15 / 1.7536e-3)
        ternary = pair_of(**settled, encoding=PAIR["encoding"] | {"cell_bits": cell_bits})
        assert ternary.read_pulse_s == near(7 * math.log(2) * 256e-15 / (64 * 33.67e-6))


def test_wires_add_half_of_their_resistance() -> None:
    """Elmore: a line of 128 x 2.82 Ohm and 128 x 2.1 fF adds their product / 2; 256 cells of a bit line likewise."""
    wired = pair_of(cell=CELL | {"read_pulse_s": None}, lines=LINES, wires=PAIR["wires"] | {"model": "approximate"})
    row_s, column_s = 128 * 2.82 * 128 * 2.1e-15 / 2, 256 * 2.82 * 256e-15 / 2
    assert wired.read_pulse_s == near(7 * math.log(2) * (row_s + column_s))


@pytest.mark.parametrize("rows", [32, 256, 4096])
def test_the_time_to_settle_grows_with_the_array(rows: int) -> None:
    """With a clamp of constant resistance, the column's delay is proportional to its cells."""
    array = PAIR["array"] | {"rows": rows, "rows_at_once": 32}
    found = pair_of(cell=CELL | {"read_pulse_s": None}, array=array, lines=LINES, sensing=SENSING | {"input_ohm": 1e3})
    assert found.read_pulse_s == near(7 * math.log(2) * 1e3 * rows * 1e-15)


def test_a_stated_pulse_is_the_time_and_settling_needs_lines() -> None:
    assert pair_of(lines=LINES, drivers=DRIVERS).read_pulse_s == CELL["read_pulse_s"]
    with pytest.raises(ValidationError, match=r"cell\.read_pulse_s=null needs lines: "):
        pair_of(cell=CELL | {"read_pulse_s": None})
    with pytest.raises(ValidationError, match=r"null needs lines with capacitance and resistance"):
        pair_of(cell=CELL | {"read_pulse_s": None}, lines=LINES)


def test_cells_conduct_through_the_conversions_of_a_sum_that_is_not_held() -> None:
    """6 bits at 1 GS/s: 8 ns more than 3.16 ns, twice with separate readout; 0.1 x (0.15 V)^2 x 33.67 uS."""
    watts = 0.1 * 0.0225 * 33.67e-6
    unheld = SENSING | {"held": False}
    separate = PAIR["encoding"] | {"readout": "separate"}
    assert pair_of().cell_read_energy_j == near(watts * 3.16e-9)
    assert pair_of(sensing=unheld).cell_read_energy_j == near(watts * 11.16e-9)
    assert pair_of(sensing=unheld, encoding=separate).cell_read_energy_j == near(watts * 19.16e-9)


# --- integration ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("planes", "split"), [(1, (1,)), (3, (3,)), (4, (2, 2)), (5, (3, 2)), (6, (3, 3)), (7, (4, 3))]
)
def test_phases_of_neurram(planes: int, split: tuple[int, ...]) -> None:
    """Nature 608, 2022: up to 4-bit inputs, which have 3 magnitude bits, in one phase; two phases from 5 bits on."""
    assert IntegrationParams(**INTEGRATION).split(planes) == split


@pytest.mark.parametrize(("bits", "planes"), [(1, 1), (2, 1), (4, 3), (8, 7)])
def test_a_signed_pulse_needs_no_plane_for_the_sign(bits: int, planes: int) -> None:
    assert pair_of(sensing=SENSING | {"integration": INTEGRATION}).planes(bits) == planes
    unsigned = INTEGRATION | {"signed_inputs": False}
    assert pair_of(sensing=SENSING | {"integration": unsigned}).planes(bits) == max(1, planes + (bits > 1))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"sensing": SENSING | {"held": False, "integration": INTEGRATION}}, r"held=false needs integration=null"),
        (
            {"sensing": SENSING | {"integration": INTEGRATION}, "dac": DAC | {"bits": 2}},
            r"weighting=pulse_count needs dac\.bits=1, not 2",
        ),
        (
            {"sensing": SENSING | {"integration": INTEGRATION | {"narrow_later_phases": True}}},
            r"narrow_later_phases: adc\.bits=5 differs from the 6 bits .* series is null",
        ),
    ],
)
def test_circuits_that_do_not_fit_together(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        pair_of(**sections)


def test_computed_arrays_refuse_integration() -> None:
    pair = pair_of(sensing=SENSING | {"integration": INTEGRATION})
    with pytest.raises(CrossbarError, match=r"sensing\.integration adds planes before a conversion.*set it to null"):
        program_matrix([[1], [-1]], pair)


def test_a_serial_converter_takes_a_step_and_the_same_energy_for_every_bit() -> None:
    """NeuRRAM: 0.3 us and 0.4 pJ an output bit. An 8-bit design at 3 bits: 0.9 us, 1.2 pJ, the same area."""
    serial = ADC | {
        "kind": "serial", "bits": 8, "energy_bits": 8, "series": "linear", "sample_rate_hz": 1 / 0.3e-6,
        "conversion_energy_j": 3.2e-12, "area_m2": 1e-9,
    }  # fmt: skip
    three = pair_of(adc=serial).adc.at_bits(3)
    assert (three.conversion_s, three.energy_per_conversion_j) == (near(0.9e-6), near(1.2e-12))
    assert three.converter_area_m2 == 1e-9


def test_sections_are_frozen_and_strict() -> None:
    for model, values in ((DriverParams, DRIVERS), (SensingParams, SENSING)):
        with pytest.raises(ValidationError, match="extra_forbidden"):
            model(**values | {"volts": 1.0})
