"""Converters of MNSIM: figures of MNSIM/Hardware_Model/ADC.py and DAC.py at commit 762fabc, computed by its classes.

`benchmarks/compare_mnsim.py` compares with those classes side by side: 6,900 figures of 300 random files, none differs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.importers.mnsim_converters import ADCS, DACS
from tests.support.closeness import near
from tests.support.config_parts import pair_of
from tests.support.mnsim_import import OLD, imported

OF_CHOICE = {
    1: (10, 55.36, 8.0, 1600),
    2: (8, 15.625, 7.8125, 1200),
    3: (8, 36.363636, 9.0909091, 1650),
    4: (6, 10.08, 8.0, 580),
    5: (8, 36.363636, 9.0909091, 1650),
    6: (6, 10.08, 8.0, 1650),
    7: (4, 4.2, 6.0, 500),
    8: (1, 0.001629, 1.0, 1),
    9: (8, 2.49173333, 42.6666667, 15899),
}
"""Of each ADC_Choice: precision, energy in pJ, latency in ns, area in um^2, as the class ADC of MNSIM prints them."""


@pytest.mark.parametrize("choice", ADCS)
def test_adc_choices(choice: int, tmp_path: Path) -> None:
    _, config = imported(tmp_path, ADC_Choice=str(choice))
    bits, energy_pj, latency_ns, area_um2 = OF_CHOICE[choice]
    adc = pair_of(config).adc
    assert (adc.bits, adc.energy_bits) == (bits, bits)
    assert adc.energy_per_conversion_j == near(energy_pj * 1e-12)
    assert adc.conversion_s == near(latency_ns * 1e-9)
    assert adc.converter_area_m2 == near(area_um2 * 1e-12)
    assert adc.series == {2: None, 4: "mnsim_small", 8: None, 9: None}.get(choice, "mnsim")
    assert adc.kind == ("ramp" if choice == 9 else "sar")


@pytest.mark.parametrize("choice", DACS)
def test_dac_choices(choice: int, tmp_path: Path) -> None:
    text, config = imported(tmp_path, DAC_Choice=str(choice))
    bits = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 1}[choice]
    dac = pair_of(config).dac
    assert (dac.bits, dac.conversion_s) == (bits, near((bits + 2) * 1e-9))
    assert (dac.power_w, dac.area_m2) == (near(3.9e-6 * 2 ** (bits - 1)), near(0.166e-12 * 2 ** (bits - 1)))
    assert ("0.4992 W, without the factor 1e-3" in text) == (choice == 6)


def test_converters_of_the_users_own(tmp_path: Path) -> None:
    _, config = imported(
        tmp_path,
        ADC_Choice="-1", ADC_Precision="5", ADC_Power="0.002", ADC_Sample_Rate="0.5", ADC_Area="900",
        DAC_Choice="-1", DAC_Precision="2", DAC_Power="1e-5", DAC_Sample_Rate="2", DAC_Area="0.5",
    )  # fmt: skip
    adc, dac = pair_of(config).adc, pair_of(config).dac
    assert (adc.bits, adc.sample_rate_hz, adc.conversion_energy_j) == (5, 0.5e9, near(28e-12))
    assert (adc.energy_bits, adc.series, adc.area_m2) == (5, None, near(900e-12))
    assert (dac.bits, dac.sample_rate_hz, dac.power_w, dac.area_m2) == (2, 2e9, 1e-5, near(0.5e-12))


@pytest.mark.parametrize(("version", "energy_pj", "latency_ns"), [({}, 0.001629, 1.0), (OLD, 0.004887, 3.0)])
def test_a_1_bit_adc_is_a_sense_amplifier(
    version: dict[str, str | None], energy_pj: float, latency_ns: float, tmp_path: Path
) -> None:
    """One step; before 2023-11-21 bits + 2 steps, as all ADCs."""
    own = {"ADC_Choice": "-1", "ADC_Area": "1", "ADC_Precision": "1", "ADC_Power": "1.629e-6", "ADC_Sample_Rate": "1"}
    _, config = imported(tmp_path, **own, **version)
    adc = pair_of(config).adc
    assert (adc.energy_per_conversion_j, adc.conversion_s) == (near(energy_pj * 1e-12), near(latency_ns * 1e-9))


def test_a_logic_gate_adds_its_area(tmp_path: Path) -> None:
    text, config = imported(tmp_path, Logic_Op="2")
    assert pair_of(config).adc.area_m2 == near((1650 + 19.2 * 0.18) * 1e-12)
    assert "1650 um^2, and 3.456 um^2 for Logic_Op = 2" in text
