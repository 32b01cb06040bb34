"""Converters that MNSIM computes for 0: MNSIM/Hardware_Model/PE.py, `calculate_ADC_num` and `calculate_DAC_num`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.base.errors import ConfigError
from tests.support.closeness import near
from tests.support.config_parts import pair_of
from tests.support.mnsim_import import OLD, imported

OWN = {"ADC_Choice": "-1", "ADC_Precision": "5", "ADC_Power": "0.002", "ADC_Sample_Rate": "1"}
LARGE_DAC = {
    "DAC_Choice": "-1", "DAC_Precision": "1", "DAC_Power": "1e-5", "DAC_Sample_Rate": "1", "DAC_Area": "1000",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "adcs", "dacs"),
    [
        # An array has 256 x 256 x 1.44 + 256 x 1150 = 388,771.84 um^2, an edge of 623.52 um: 2 x 623.52 / sqrt(1650) is
        # 30.7 ADCs along two arrays, and 623.52 / sqrt(0.166) is 1530 DACs, more than there are rows.
        ({}, 31, 256),
        ({**OLD}, 16, 256),  # without drivers, an edge of 307.2 um: 15.13
        ({"Area_Calculation": "1"}, 6, 256),  # 12 x 0.13^2 = 0.2028 um^2 a cell, an edge of 115.3 um: 5.68
        ({"Xbar_Polarity": "1"}, 16, 256),  # one array: 15.35
        ({"Sub_Position": "1"}, 62, 256),  # 2 x 31, for both arrays of the pair
        ({"ADC_Choice": "8"}, 256, 256),  # 1247 sense amplifiers of 1 um^2, at most one per column
        (LARGE_DAC, 31, 20),  # 623.52 / sqrt(1000) = 19.7
        ({**LARGE_DAC, "Subarray_Size": "64"}, 31, 20),  # 4 subarrays of ceil(623.52 / 4 / sqrt(1000)) = 5
        ({"ADC_Num": "8", "DAC_Num": "16", "Subarray_Size": "64"}, 8, 64),  # numbers are per subarray
        ({"ADC_Num": "300", "DAC_Num": "300"}, 256, 256),
    ],
)
def test_numbers_of_converters(changes: dict[str, str | None], adcs: int, dacs: int, tmp_path: Path) -> None:
    text, config = imported(tmp_path, **{"ADC_Num": "0", "DAC_Num": "0", **changes})
    array = pair_of(config).array
    assert (array.adcs, array.rows_at_once) == (adcs, dacs)
    assert config.machine.crossbar is not None
    assert config.machine.crossbar.digital.pe_area_m2 == near(adcs * 137e-12), "an adder behind each ADC"
    assert ("MNSIM adds 1,150 um^2 of drivers to each row, 0.2944 mm^2 to each array" in text) == (
        "Device_Type" not in changes and "Area_Calculation" not in changes
    )


def test_the_version_is_said(tmp_path: Path) -> None:
    assert "# Read as a file of MNSIM since 2023-11-21, because it has Device_Type." in imported(tmp_path)[0]
    assert "# Read as a file of MNSIM before 2023-11-21, because it has no Device_Type:" in imported(tmp_path, **OLD)[0]
    assert "because it has ADC_Choice = 8." in imported(tmp_path, ADC_Choice="8", **OLD)[0]


def test_a_number_for_converters_without_area_is_refused(tmp_path: Path) -> None:
    message = "ADC_Num: '0' asks MNSIM to compute a number, for which ADC_Area must be above 0"
    with pytest.raises(ConfigError, match=message):
        imported(tmp_path, **OWN, ADC_Num="0", ADC_Area="0")
