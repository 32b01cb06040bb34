"""Numbers of DACs and ADCs of MNSIM 2.0, which it computes from areas where a file says 0.

Facts from MNSIM/Hardware_Model/PE.py and Crossbar.py, commits 762fabc (HEAD) and ab3f989~1 (before 2023-11-21).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pimsim.base.shipped_files import defaults_path
from pimsim.config.loading import load_config
from pimsim.config.schema import CrossbarConfig
from pimsim.importers.imported_config import ImportedConfig, Ini

CROSSBAR, PE = "Crossbar level", "Process element level"
PAIR = "machine.crossbar.pair"
DRIVER_UM2 = 1150
"""Area of the driver of a row since 2023-11-21, with Area_Calculation = 0, um^2."""


@dataclass(frozen=True, slots=True)
class PairSize:
    """What MNSIM's numbers of converters depend on.

    Attributes:
        rows: Rows of an array.
        columns: Columns of an array.
        cell_um2: Area of a cell, um^2.
        drivers: Whether MNSIM adds a driver to each row of the array.
        adc_um2: Area of an ADC, um^2.
        dac_um2: Area of a DAC, um^2.
    """

    rows: int
    columns: int
    cell_um2: float
    drivers: bool
    adc_um2: float
    dac_um2: float

    @property
    def array_um2(self) -> float:
        """Area of one array in MNSIM, um^2."""
        return self.rows * self.columns * self.cell_um2 + (DRIVER_UM2 * self.rows if self.drivers else 0)


def default_adcs(size: PairSize, arrays: int, separate: bool) -> int:
    """Return the ADCs of a subarray that MNSIM computes for ADC_Num = 0: as many as fit along the arrays' edge.

    Args:
        size: Sizes and areas.
        arrays: Arrays that share the ADCs: Xbar_Polarity.
        separate: Whether both arrays are converted, Sub_Position = 1.

    Returns:
        The number, at most one per column.
    """
    along = math.ceil(math.sqrt(size.array_um2) * arrays / math.sqrt(size.adc_um2))
    return min((2 if separate else 1) * along, size.columns)


def default_dacs(size: PairSize, subarrays: int) -> int:
    """Return the DACs that MNSIM's formula gives for DAC_Num = 0; its version since 2023-11-21 stops with a NameError.

    Args:
        size: Sizes and areas.
        subarrays: Subarrays of an array.

    Returns:
        The number, at most one per row.
    """
    along = math.ceil(math.sqrt(size.array_um2) / subarrays / math.sqrt(size.dac_um2))
    return min(along, size.rows // subarrays) * subarrays


def default_crossbar() -> CrossbarConfig:
    """Return the crossbar tiles of configs/defaults.yaml, for values that a file lacks.

    Returns:
        The section machine.crossbar.
    """
    crossbar = load_config(defaults_path()).machine.crossbar
    assert crossbar is not None
    return crossbar


def _subarrays(draft: ImportedConfig, ini: Ini, rows: int) -> int:
    """Return the subarrays of an array, one above the other.

    Args:
        draft: The config that is built.
        ini: The imported file.
        rows: Rows of an array.

    Returns:
        Their number.
    """
    value = ini.get(CROSSBAR, "Subarray_Size")
    if value is None:
        return 1
    size = value.integer()
    if not size or rows % size:
        raise value.error(f"does not divide the {rows} rows of Xbar_Size")
    number = rows // size
    if number == 1:
        draft.agree(value, "an array is not divided")
    else:
        effect = f"arrays of pimsim are not divided; MNSIM has the ADCs {number} times, once per subarray"
        draft.leave(value, effect)
    return number


def put_numbers(draft: ImportedConfig, ini: Ini, size: PairSize) -> None:
    """Set the numbers of DACs and ADCs, at most one per row or column. In MNSIM, 0 means that it computes them.

    Args:
        draft: The config that is built.
        ini: The imported file.
        size: Sizes and areas of arrays and converters.
    """
    crossbar = default_crossbar()
    array = crossbar.pair.array
    subarrays = _subarrays(draft, ini, size.rows)
    polarity, position = ini.get(PE, "Xbar_Polarity"), ini.get(PE, "Sub_Position")
    arrays = 1 if polarity is not None and polarity.integer() == 1 else 2
    separate = arrays == 2 and position is not None and position.integer() == 1
    adcs = array.adcs
    for key, ours, most, default in (
        ("DAC_Num", "rows_at_once", size.rows, array.driven_rows),
        ("ADC_Num", "adcs", size.columns, array.adcs),
    ):
        value, name = ini.get(PE, key), f"{PAIR}.array.{ours}"
        if value is None:
            number = min(default, most)
            draft.put(name, number, "default of pimsim, at most the size of the array")
        elif value.integer() == 0:
            kind, area = ("DAC", size.dac_um2) if key == "DAC_Num" else ("ADC", size.adc_um2)
            if not area:
                raise value.error(f"asks MNSIM to compute a number, for which {kind}_Area must be above 0")
            number = default_dacs(size, subarrays) if key == "DAC_Num" else default_adcs(size, arrays, separate)
            what = f"{size.array_um2:.0f} um^2 per array, {area:g} um^2 per {kind}"
            draft.put(name, number, f"{value.origin} = 0: MNSIM computes it from the areas, {what}", of=[value])
        else:
            wanted = value.integer() * (subarrays if key == "DAC_Num" else 1)
            number = min(wanted, most)
            if number == value.integer():
                draft.put(name, number, value)
            else:
                why = f"x {subarrays} subarrays, " if wanted != value.integer() else ""
                draft.put(name, number, f"{value.origin} = {value.text}: {why}at most {most}", of=[value])
        adcs = number
    each_um2 = crossbar.digital.pe_area_m2 * 1e12 / array.adcs
    note = f"{each_um2:g} um^2 behind each ADC, as in configs/defaults.yaml"
    draft.put("machine.crossbar.digital.pe_area_m2", f"{adcs * each_um2:.10g} um^2", note)
