"""The series of ADC designs, against MNSIM's table (as in the page of facts on MNSIM) and interpolation by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from crossbar.adc_series import SERIES, adc_factors, adc_scaling
from crossbar.params import AdcParams
from pimsim.config.loading import load_config
from tests.support.closeness import near

TABLE = {4: (0.7, 1.0, 500), 6: (1.26, 1.0, 1650), 8: (4.0, 1.1, 1650), 10: (6.92, 1.5, 1600)}
"""MNSIM's ADC choices 7, 6, 3 and 1: power in mW, rate in GS/s, area in um^2 by bits."""
CHOICE_4 = (1.26, 1.0, 580)
ENERGIES_PJ = {4: 4.2, 6: 10.08, 8: 36.36364, 10: 55.36}
"""Power times (bits + 2) / rate, by hand."""
BITS = "machine.crossbar.pair.adc.bits"


def adc(base: str, bits: int, *settings: str) -> AdcParams:
    crossbar = load_config(base, [f"{BITS}={bits}", *settings]).machine.crossbar
    assert crossbar is not None
    return crossbar.pair.adc


@pytest.mark.parametrize("own", TABLE)
@pytest.mark.parametrize("bits", TABLE)
def test_from_each_preset_the_series_gives_each_design_of_mnsim(own: int, bits: int) -> None:
    found, (_, rate_ghz, area_um2) = adc(f"adc-mnsim-{own}bit", bits), TABLE[bits]
    assert found.energy_per_conversion_j == near(ENERGIES_PJ[bits] * 1e-12, rel=2e-6)
    assert found.conversion_s == near((bits + 2) / rate_ghz * 1e-9)
    assert found.converter_area_m2 == near(area_um2 * 1e-12)
    other = adc(f"adc-mnsim-{bits}bit", bits)
    assert found.energy_per_conversion_j == near(other.energy_per_conversion_j, rel=2e-6)
    assert (found.scaling is None) == (own == bits)
    assert found.scaling is None or found.scaling.basis == "design"


@pytest.mark.parametrize("bits", TABLE)
def test_the_small_series_has_the_small_design_of_six_bits(bits: int) -> None:
    found = adc("adc-mnsim-6bit-small", bits)
    assert found.converter_area_m2 == near((CHOICE_4 if bits == 6 else TABLE[bits])[2] * 1e-12)
    assert found.energy_per_conversion_j == near(ENERGIES_PJ[bits] * 1e-12, rel=2e-6)


@pytest.mark.parametrize(
    ("bits", "picojoules", "um2"), [(5, 6.506612, 1650), (7, 19.145377, 1650), (9, 44.867482, 1600)]
)
def test_between_two_designs_log_energy_is_interpolated(bits: int, picojoules: float, um2: float) -> None:
    """The middle is the geometric mean: sqrt(4.2 x 10.08), sqrt(10.08 x 36.36364), sqrt(36.36364 x 55.36)."""
    found = adc("defaults", bits)
    assert found.energy_per_conversion_j == near(picojoules * 1e-12, rel=1e-6)
    assert found.converter_area_m2 == near(um2 * 1e-12), "of the next larger design"
    rate_ghz = math.sqrt(TABLE[bits - 1][1] * TABLE[bits + 1][1])
    assert found.conversion_s == near((bits + 2) / rate_ghz * 1e-9)
    assert found.scaling is not None
    assert found.scaling.basis == "interpolated"
    assert "interpolated" in found.scaling.text


def test_energy_is_linear_in_bits_nowhere() -> None:
    """Linear scaling is 1.6 times too high at 4 bits and 2.7 times too low at 8 bits."""
    linear = {bits: 10.08e-12 * bits / 6 for bits in range(1, 17)}
    for name in SERIES:
        series = f"machine.crossbar.pair.adc.series={name}"
        found = {bits: adc("defaults", bits, series).energy_per_conversion_j for bits in linear}
        assert [bits for bits in linear if found[bits] == near(linear[bits], rel=0.02)] == [6]
        assert sorted(found.values()) == list(found.values())
    assert linear[4] / adc("defaults", 4).energy_per_conversion_j == near(1.6)
    assert adc("defaults", 8).energy_per_conversion_j / linear[8] == pytest.approx(2.7, abs=0.01)


@pytest.mark.parametrize(("bits", "picojoules", "um2"), [(3, 2.1, 250), (1, 0.525, 62.5), (12, 221.44, 6400)])
def test_outside_the_designs_everything_doubles_and_is_called_extrapolated(
    bits: int, picojoules: float, um2: float
) -> None:
    found = adc("defaults", bits)
    assert found.energy_per_conversion_j == near(picojoules * 1e-12)
    assert found.converter_area_m2 == near(um2 * 1e-12)
    assert found.scaling is not None
    assert (found.scaling.basis, found.scaling.lowest_bits, found.scaling.highest_bits) == ("extrapolated", 4, 10)
    assert "extrapolated" in found.scaling.text


def test_walden_doubles_energy_and_area_per_bit_and_has_a_range() -> None:
    walden = "machine.crossbar.pair.adc.series=walden"
    found = adc("adc-isaac-8bit", 10, walden)
    assert found.energy_per_conversion_j == near(4 * 15.625e-12)
    assert found.conversion_s == near(12 / 1.28e9)
    assert found.converter_area_m2 == near(4800e-12)
    bases = {}
    for bits in (3, 4, 7, 10, 11):
        scaling = adc("adc-isaac-8bit", bits, walden).scaling
        assert scaling is not None
        bases[bits] = scaling.basis
    assert bases == {3: "extrapolated", 4: "law", 7: "law", 10: "law", 11: "extrapolated"}


@pytest.mark.parametrize("name", SERIES)
def test_the_own_bits_change_nothing_and_there_and_back_is_one(name: Any) -> None:
    for bits in range(1, 17):
        same = adc_factors(name, bits, bits)
        assert (same.energy, same.rate, same.area) == (1.0, 1.0, 1.0)
        there, back = adc_factors(name, 6, bits), adc_factors(name, bits, 6)
        assert there.energy * back.energy == near(1)
        assert (there.rate * back.rate, there.area * back.area) == (near(1), near(1))


def test_a_fitted_energy_keeps_its_factor() -> None:
    """The published 12.0399 pJ at 6 bits is 1.19444 times MNSIM's; so is its energy at other bits."""
    for bits, picojoules in ENERGIES_PJ.items():
        found = adc("pim-llm-published", bits, "machine.crossbar.pair.adc.series=mnsim").energy_per_conversion_j
        assert found == near(12.0399 / 10.08 * picojoules * 1e-12, rel=1e-6)


def test_a_design_from_outside_the_range_is_an_extrapolation_too() -> None:
    assert adc_scaling("mnsim", 12, 8).basis == "extrapolated"
    assert adc_scaling("mnsim", 5, 8).basis == "interpolated"
