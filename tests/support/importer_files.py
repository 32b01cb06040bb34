"""Files of other simulators: MNSIM's SimConfig.ini, and the configs and GEMM tables of SCALE-Sim."""

from __future__ import annotations

STOCK = {
    "Device level": {
        "Device_Tech": "130", "Device_Type": "NVM", "Device_Area": "1.44", "Read_Level": "2",
        "Read_Voltage": "0,0.15", "Write_Level": "2", "Write_Voltage": "0,3", "Read_Latency": "3.16",
        "Write_Latency": "10", "Device_Level": "2", "Device_Resistance": "1e6, 1e4", "Device_Variation": "1",
        "Device_SAF": "0.1,0.1", "Read_Energy": "1.12e-15", "Write_Energy": "1.6e-15",
    },
    "Crossbar level": {
        "Xbar_Size": "256,256", "Subarray_Size": "256", "Cell_Type": "1T1R", "Transistor_Tech": "130",
        "Wire_Resistance": "-1", "Wire_Capacity": "-1", "Load_Resistance": "-1", "Area_Calculation": "0",
    },
    "Interface level": {
        "DAC_Choice": "1", "DAC_Area": "0", "DAC_Precision": "0", "DAC_Power": "0", "DAC_Sample_Rate": "0",
        "ADC_Choice": "6", "ADC_Area": "0", "ADC_Precision": "0", "ADC_Power": "0", "ADC_Sample_Rate": "0",
        "ADC_Interval_Thres": "-1", "Logic_Op": "-1",
    },
    "Process element level": {
        "PIM_Type": "0", "Xbar_Polarity": "2", "Sub_Position": "0", "Group_Num": "1", "DAC_Num": "128",
        "ADC_Num": "128", "PE_inBuf_Size": "0", "PE_inBuf_Area": "0", "Tile_outBuf_Size": "0", "Tile_outBuf_Area": "0",
        "DFU_Buf_Size": "0", "DFU_Buf_Area": "0",
    },
    "Digital module": {
        "Digital_Frequency": "500", "Adder_Tech": "45", "Adder_Area": "0", "Adder_Power": "0", "ShiftReg_Tech": "65",
        "Reg_Tech": "45", "JointModule_Tech": "45",
    },
    "Tile level": {
        "PE_Num": "2,2", "Pooling_shape": "3,3", "Tile_Adder_Num": "0", "Inter_Tile_Bandwidth": "20",
        "Intra_Tile_Bandwidth": "1024", "Tile_outBuf_Size": "0",
    },
    "Architecture level": {
        "Buffer_Choice": "1", "Buffer_Technology": "90", "Buffer_ReadPower": "0", "Buffer_Bitwidth": "64",
        "LUT_Capacity": "1", "Tile_Connection": "2", "Tile_Num": "64,64",
    },
    "Algorithm Configuration": {"Weight_Polarity": "1", "Simulation_Level": "0", "NoC_enable": "0"},
}  # fmt: skip
"""The keys of MNSIM 2.0's SimConfig.ini with its stock values."""
SECTION = "architecture_presets"
V2 = {
    "general": {"run_name": "GoogleTPU_v1_ws"},
    SECTION: {
        "ArrayHeight": "256", "ArrayWidth": "128", "IfmapSramSzkB": "6144", "FilterSramSzkB": "6144",
        "OfmapSramSzkB": "2048", "IfmapOffset": "0", "FilterOffset": "10000000", "OfmapOffset": "20000000",
        "Dataflow ": " ws", "Bandwidth ": " 10", "MemoryBanks": "1",
    },
    "run_presets": {"InterfaceBandwidth": "CALC", "SRAM_row_size": "2"},
}  # fmt: skip
V3 = {
    "general": {"run_name": "scale_example_run_32x32_os"},
    SECTION: {
        "ArrayHeight": "32", "ArrayWidth": "32", "IfmapSramSzkB": "1024", "FilterSramSzkB": "1024",
        "OfmapSramSzkB": "1024", "IfmapOffset": "0", "FilterOffset": "10000000", "OfmapOffset": "20000000",
        "Bandwidth": "10", "Dataflow": "os", "MemoryBanks": "1", "ReadRequestBuffer": "32", "WriteRequestBuffer": "32",
    },
    "layout": {
        "IfmapCustomLayout": "False", "IfmapSRAMBankBandwidth": "10", "IfmapSRAMBankNum": "10",
        "IfmapSRAMBankPort": "2", "FilterCustomLayout": "False", "FilterSRAMBankBandwidth": "10",
        "FilterSRAMBankNum": "10", "FilterSRAMBankPort": "2",
    },
    "sparsity": {
        "SparsitySupport": "false", "SparseRep": "ellpack_block", "OptimizedMapping": "false", "BlockSize": "8",
        "RandomNumberGeneratorSeed": "40",
    },
    "run_presets": {"InterfaceBandwidth": "CALC", "UseRamulatorTrace": "False"},
}  # fmt: skip
"""The keys of SCALE-Sim 3.0.0's .cfg."""
GEMMS = "Layer,M,N,K\nQKT,100,40,64\nQKTV, 100, 64, 100,\n\nPW-FF L1,7,3,5\nPW-FF L1,7,3,5,\n"


def ini(**changes: str | None) -> str:
    """The stock file with values changed, or keys taken out, and MNSIM's way of putting comments below a key."""
    lines = ["######## Hardware Configuration #####", ""]
    for section, values in STOCK.items():
        lines.append(f"[{section}]")
        for key, value in values.items():
            new = changes.get(key, value)
            if new is not None:
                lines += [f"{key} = {new}", " # what it is, unit: ns"]
    return "\n".join(lines)


def cfg(sections: dict[str, dict[str, str]]) -> str:
    return "\n\n".join(
        "\n".join([f"[{name}]", *(f"{key}:    {value}" for key, value in values.items())])
        for name, values in sections.items()
    )


def scalesim_sections(sections: dict[str, dict[str, str]], **changes: str | None) -> dict[str, dict[str, str]]:
    """The sections with keys of the architecture changed, added, or taken out by None."""
    values = {key.strip(): value for key, value in sections[SECTION].items()} | changes
    return sections | {SECTION: {key: value for key, value in values.items() if value is not None}}
