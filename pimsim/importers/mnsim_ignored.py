"""Keys of MNSIM 2.0 that set nothing in pimsim: where MNSIM reads them, and the effect of ignoring them.

Checked against the code of MNSIM 2.0, commit 762fabc.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pimsim.base.errors import did_you_mean
from pimsim.importers.imported_config import Ini, Value
from pimsim.importers.mnsim_ini import name_of_today

_NOWHERE = "MNSIM reads it nowhere"
_SRAM_CELLS = "concerns SRAM cells"
_POOLING = "language models do not pool"
_ADD = "an addition keeps machine.crossbar.digital.add_energy_j"
_PE_AREA = "the digital circuits of a PE keep machine.crossbar.digital.pe_area_m2"
_NO_MULTIPLIER = "tiles of pimsim have no multipliers"
_OVERWRITTEN = "MNSIM overwrites it with the figure of its table of SRAMs; so does pimsim"
_NO_DFU = "MNSIM creates no such buffer; neither does pimsim"
_USER_DEFINED = "MNSIM reads it only with {}_Choice = -1"
_WORKLOAD = "describes a network, until 2019-12-09; set workload.model"
_OLD_BUFFER = "MNSIM has not read it since 2020-07-03"

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Device level": (
        "Device_Tech", "Device_Type", "Device_Area", "Read_Level", "Read_Voltage", "Write_Level", "Write_Voltage",
        "Read_Latency", "Write_Latency", "Device_Level", "Device_Resistance", "Device_Variation", "Device_SAF",
        "Read_Energy", "Write_Energy",
    ),
    "Crossbar level": (
        "Xbar_Size", "Subarray_Size", "Cell_Type", "Transistor_Tech", "Wire_Resistance", "Wire_Capacity",
        "Load_Resistance", "Area_Calculation",
    ),
    "Interface level": (
        "DAC_Choice", "DAC_Area", "DAC_Precision", "DAC_Power", "DAC_Sample_Rate", "ADC_Choice", "ADC_Area",
        "ADC_Precision", "ADC_Power", "ADC_Sample_Rate", "ADC_Interval_Thres", "Logic_Op",
    ),
    "Process element level": (
        "PIM_Type", "Xbar_Polarity", "Multiplex_Xbar_Num", "Sub_Position", "Group_Num", "DAC_Num", "ADC_Num",
        "PE_inBuf_Size", "PE_inBuf_Area", "Tile_outBuf_Size", "Tile_outBuf_Area", "DFU_Buf_Size", "DFU_Buf_Area",
    ),
    "Digital module": (
        "Digital_Frequency", "Adder_Tech", "Adder_Area", "Adder_Power", "Multiplier_Tech", "Multiplier_Area",
        "Multiplier_Power", "ShiftReg_Tech", "ShiftReg_Area", "ShiftReg_Power", "Reg_Tech", "Reg_Area", "Reg_Power",
        "JointModule_Tech", "JointModule_Area", "JointModule_Power",
    ),
    "Tile level": (
        "PE_Num", "Pooling_shape", "Pooling_unit_num", "Pooling_Tech", "Pooling_area", "Tile_Adder_Num",
        "Tile_Adder_Level", "Tile_ShiftReg_Num", "Tile_ShiftReg_Level", "Inter_Tile_Bandwidth", "Intra_Tile_Bandwidth",
        "Tile_outBuf_Size", "Tile_outBuf_Area", "DFU_Buf_Size", "DFU_Buf_Area",
    ),
    "Architecture level": (
        "Buffer_Choice", "Buffer_Technology", "Buffer_Capacity", "Buffer_Area", "Buffer_ReadPower", "Buffer_WritePower",
        "Buffer_Bitwidth", "Buffer_Frequency", "Buffer_ReadFrequency", "Buffer_WriteFrequency", "LUT_Capacity",
        "LUT_Area", "LUT_Power", "LUT_Bandwidth", "Tile_Connection", "Tile_Num",
    ),
    "Algorithm Configuration": (
        "Weight_Polarity", "Simulation_Level", "NoC_enable", "Layer_Num", "Weight_Precision", "Activation_Precision",
        "Sliding_Times", "Model_File",
    ),
}  # fmt: skip
"""Keys of MNSIM's SimConfig.ini, of today and of older versions, by section."""

REASONS: Mapping[str, str] = {
    "Device_Tech": "the parameters of the cell are imported instead",
    "Read_Energy": _SRAM_CELLS,
    "Write_Energy": _SRAM_CELLS,
    "Transistor_Tech": f"in MNSIM, area of decoders and multiplexers; {_PE_AREA}",
    "Wire_Capacity": "MNSIM uses it nowhere; in pimsim, currents have settled when they are read",
    "Load_Resistance": "thresholds of MNSIM's accuracy estimate; in pimsim, a column ends in a virtual ground",
    "ADC_Interval_Thres": "thresholds of MNSIM's accuracy estimate; see machine.crossbar.pair.adc.range",
    "Multiplex_Xbar_Num": _NOWHERE,
    "PE_inBuf_Area": _OVERWRITTEN,
    "Tile_outBuf_Area": _OVERWRITTEN,
    "Tile_outBuf_Size": "MNSIM reads the one of [Process element level]",
    "DFU_Buf_Size": _NO_DFU,
    "DFU_Buf_Area": _NO_DFU,
    "Adder_Tech": _ADD,
    "Adder_Power": _ADD,
    "Adder_Area": _PE_AREA,
    "Multiplier_Tech": _NO_MULTIPLIER,
    "Multiplier_Area": _NO_MULTIPLIER,
    "Multiplier_Power": _NO_MULTIPLIER,
    "ShiftReg_Tech": f"a shift is part of an addition: {_ADD}",
    "ShiftReg_Power": f"a shift is part of an addition: {_ADD}",
    "ShiftReg_Area": _PE_AREA,
    "Reg_Tech": "a register keeps machine.crossbar.digital.register_energy_j",
    "Reg_Power": "a register keeps machine.crossbar.digital.register_energy_j",
    "Reg_Area": _PE_AREA,
    "JointModule_Tech": f"a merge is an addition: {_ADD}",
    "JointModule_Power": f"a merge is an addition: {_ADD}",
    "JointModule_Area": "in MNSIM, area of the merge tree of a tile; pimsim counts none",
    "Pooling_shape": _POOLING,
    "Pooling_unit_num": _POOLING,
    "Pooling_Tech": _POOLING,
    "Pooling_area": _POOLING,
    "Tile_Adder_Num": _NOWHERE,
    "Tile_Adder_Level": _NOWHERE,
    "Tile_ShiftReg_Num": _NOWHERE,
    "Tile_ShiftReg_Level": _NOWHERE,
    "Buffer_Capacity": "an older key; the file has PE_inBuf_Size or Tile_outBuf_Size",
    "Buffer_Area": _OLD_BUFFER,
    "Buffer_ReadPower": _OVERWRITTEN,
    "Buffer_WritePower": _OVERWRITTEN,
    "Buffer_Frequency": _OLD_BUFFER,
    "Buffer_ReadFrequency": _OLD_BUFFER,
    "Buffer_WriteFrequency": _OLD_BUFFER,
    "LUT_Capacity": _NOWHERE,
    "LUT_Area": _NOWHERE,
    "LUT_Power": _NOWHERE,
    "LUT_Bandwidth": _NOWHERE,
    "Weight_Polarity": _NOWHERE,
    "Layer_Num": _WORKLOAD,
    "Weight_Precision": _WORKLOAD,
    "Activation_Precision": _WORKLOAD,
    "Sliding_Times": _WORKLOAD,
    "Model_File": _WORKLOAD,
    "Simulation_Level": "in MNSIM, whether energy depends on weights; in pimsim it is a mean over weights and inputs",
    "NoC_enable": "in MNSIM, whether Booksim is called; pimsim models contention with schedule: contended",
    **{f"{kind}_{what}": _USER_DEFINED.format(kind) for kind in ("DAC", "ADC") for what in
       ("Area", "Precision", "Power", "Sample_Rate")},
}  # fmt: skip
"""Why a key that sets nothing is ignored, and with which effect, by key."""

_ZERO_IS_A_DEFAULT = re.compile(
    r"(Adder|ShiftReg|Reg|JointModule)_(Area|Power)|(PE_in|Tile_out)Buf_Area|Buffer_(Read|Write)Power"
)
"""Keys that MNSIM computes if they are 0."""


def ignored_reasons(ini: Ini) -> dict[str, str]:
    """Return why each value that set nothing is ignored.

    Args:
        ini: The imported file, after its other values have been taken.

    Returns:
        Reasons by key, in lower case. Known keys whose value asks for a default of MNSIM are left out.
    """
    return {value.key.lower(): reason for value in ini.values(taken=False) if (reason := _reason(value)) is not None}


def _reason(value: Value) -> str | None:
    names = {key.lower(): key for key in SECTIONS.get(_section(value), ())}
    name = name_of_today(value.key)
    key = names.get(name)
    if key is None:
        homes = [section for section, keys in SECTIONS.items() if name in map(str.lower, keys)]
        if homes:
            return f"MNSIM reads it in [{homes[0]}], not here"
        known = {key for keys in SECTIONS.values() for key in keys}
        return f"MNSIM 2.0 has no such key; {did_you_mean(value.key, known)}".rstrip("; ")
    return None if value.text == "0" and _ZERO_IS_A_DEFAULT.fullmatch(key) else REASONS.get(key)


def _section(value: Value) -> str:
    return next((name for name in SECTIONS if name.lower() == name_of_today(value.section)), "")
