"""MNSIM's SimConfig.ini: its stock values are the defaults, other choices become what its tables say."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim import load_config, simulate
from pimsim.base.errors import ConfigError
from pimsim.importers.mnsim import PLACEMENTS
from tests.support.closeness import near
from tests.support.config_parts import pair_of
from tests.support.importer_files import STOCK
from tests.support.mnsim_import import imported

STOCK_IN_PUBLISHED = [
    "machine.crossbar.pair.adc.conversion_energy_j=10.08 pJ",  # fitted there
    "machine.crossbar.pair.adc.series=mnsim",
    "machine.mesh.hop_energy_j_per_bit=0.48 pJ/bit",  # fitted there
    "machine.mesh.wire_node_nm=40",
    *(
        f"machine.crossbar.{buffer}.{figure}"  # it states them with four digits
        for buffer in ("pe_buffer", "tile_buffer")
        for figure in (
            "read_energy_j=0.044837 nJ",
            "write_energy_j=0.0437094 nJ",
            "leakage_w=8.86342 mW",
            "area_m2=0.616313686 mm^2",
        )
    ),
]
"""Stock values of keys that the published config fits or rounds; the rest of its tiles and mesh is MNSIM's machine."""
OTHERS = ("systolic", "controller", "vector", "sram", "memory", "host", "chips", "outside", "technology_nm")
"""Parts of the machine that MNSIM does not have."""


def stock_machine(area_m2: str) -> dict[str, object]:
    """MNSIM's tiles and mesh as the frozen config states them, and the defaults for what MNSIM does not have."""
    tiles = load_config("pim-llm-published", [*STOCK_IN_PUBLISHED, f"machine.crossbar.pair.cell.area_m2={area_m2}"])
    machine = tiles.machine.model_dump()
    return machine | {name: load_config("defaults").machine.model_dump()[name] for name in OTHERS}


def test_stock_values_are_those_of_the_frozen_machine(tmp_path: Path) -> None:
    """All but the area of a cell: MNSIM's stock file asks for Device_Area, our configs for 12 F^2."""
    _, config = imported(tmp_path)
    assert config.machine.model_dump() == stock_machine("1.44 um^2")


def test_area_by_technology_is_the_defaults_too(tmp_path: Path) -> None:
    _, config = imported(tmp_path, Area_Calculation="1")
    assert config.machine.model_dump() == stock_machine("0.2028 um^2")
    _, config = imported(tmp_path, Area_Calculation="1", Cell_Type="0T1R", Device_Tech="65")
    assert pair_of(config).cell.area_m2 == near(4 * (65e-9) ** 2)


def test_how_mnsim_counts_is_stated_with_its_reason(tmp_path: Path) -> None:
    text, _ = imported(tmp_path)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "routes: chain # MNSIM: each layer sends its output to the tiles of the next" in lines
    assert "output_bits: 8 # MNSIM's stock output precision" in lines
    assert lines.count("area_m2: 0.616313686 mm^2 # MNSIM's table of SRAMs (Buffer.py): 16 KB, 64 bits, 90 nm") == 2


@pytest.mark.parametrize(("columns", "fits"), [(1365, True), (1366, False)])
def test_a_buffer_that_mnsims_16_kb_cannot_be_has_the_size_it_needs(columns: int, fits: bool, tmp_path: Path) -> None:
    """Two vectors of 4 PEs x 1366 columns x 12 bits (10-bit ADC, 2 levels of the merge tree) are 16,392 bytes."""
    size = f"256,{columns}"
    text, config = imported(tmp_path, Xbar_Size=size, ADC_Choice="1", ADC_Num="1")
    assert config.machine.crossbar is not None
    buffer, input_buffer = config.machine.crossbar.tile_buffer, config.machine.crossbar.pe_buffer
    assert (buffer.capacity_bytes, input_buffer.capacity_bytes) == (16384 if fits else None, 16384)
    assert (buffer.leakage_w is not None) == fits
    assert ("16 KB, the default of MNSIM's class `buffer`, do not hold two vectors (16392 bytes)" in text) != fits


def test_every_line_names_its_key_and_every_key_is_accounted_for(tmp_path: Path) -> None:
    text, _ = imported(tmp_path, Device_Level="4", Xbar_Polarity="1")
    for section, values in STOCK.items():
        for key in values:
            assert key in text, f"[{section}] {key}"
    for line in text.splitlines():
        if line and not line.startswith("#") and not line.endswith(":"):
            assert "  # " in line
    assert (
        "# not imported: [Crossbar level] Load_Resistance = -1: thresholds of MNSIM's accuracy estimate; in pimsim"
        in text
    )
    assert "# not imported: [Process element level] Xbar_Polarity = 1: a PE of pimsim is a differential pair" in text
    assert "# not imported: [Device level] Device_Level = 4: MNSIM stores log2 of it bits in a cell" in text


def test_noise_and_wires_are_carried_over_with_their_lines(tmp_path: Path) -> None:
    """Device_SAF names HRS first; percents become parts."""
    text, config = imported(tmp_path, Device_Variation="5", Device_SAF="9,1", Wire_Resistance="1.5")
    noise, wires = pair_of(config).noise, pair_of(config).wires
    assert (noise.variation.lrs.sigma, noise.variation.hrs.sigma) == (0.05, 0.05)
    assert (noise.faults.stuck_hrs, noise.faults.stuck_lrs) == (0.09, 0.01)
    assert (wires.word_line_ohm, wires.bit_line_ohm) == (1.5, 1.5)
    lines = {line.split(":")[0].strip(): line for line in text.splitlines() if "  # [" in line}
    assert lines["stuck_hrs"].endswith("# [Device level] Device_SAF = 9,1")
    assert lines["word_line_ohm"].endswith("# [Crossbar level] Wire_Resistance = 1.5")
    assert text.count("# [Device level] Device_Variation = 5") == 2
    assert pair_of(imported(tmp_path, Wire_Resistance="0")[1]).wires.bit_line_ohm == 0
    stock = pair_of(imported(tmp_path, Wire_Resistance="-1")[1])
    assert stock.wires == pair_of(load_config("defaults")).wires
    assert stock.noise == pair_of(load_config("defaults")).noise


@pytest.mark.parametrize(("position", "readout"), [("0", "difference"), ("1", "separate")])
def test_positions_of_the_subtraction(position: str, readout: str, tmp_path: Path) -> None:
    _, config = imported(tmp_path, Sub_Position=position)
    assert pair_of(config).encoding.readout == readout


@pytest.mark.parametrize(("number", "placement"), list(enumerate(PLACEMENTS)))
def test_tile_connections(number: int, placement: str, tmp_path: Path) -> None:
    _, config = imported(tmp_path, Tile_Connection=str(number))
    assert config.machine.mesh is not None
    assert config.machine.mesh.placement == placement


def test_zeros_ask_for_mnsims_grids(tmp_path: Path) -> None:
    _, config = imported(tmp_path, PE_Num="0,0", Tile_Num="0,5")
    assert config.machine.crossbar is not None
    assert config.machine.mesh is not None
    assert config.machine.crossbar.pes_per_tile == 16
    assert (config.machine.mesh.rows, config.machine.mesh.columns) == (8, 8), "MNSIM looks at the first number alone"


def test_zeros_of_the_cases_file_in_a_run(tmp_path: Path) -> None:
    """OPT-6.7B on MNSIM's machine: 31 ADCs x 24,576 tiles x 4 PEs x 1,650 um^2, and accesses of 256 bits, not 64."""
    case = """
[Device level]\nDevice_Type = NVM\nDevice_Resistance = 1e6,1e4\nRead_Voltage = 0,0.15\nWrite_Voltage = 0,3
Device_Area = 1.44\n[Crossbar level]\nXbar_Size = 256,256\nArea_Calculation = 0\n[Interface level]\nDAC_Choice = 1
ADC_Choice = 6\n[Process element level]\nXbar_Polarity = 2\nSub_Position = 0\nGroup_Num = 1\nDAC_Num = 128\nADC_Num = 0
[Digital module]\nDigital_Frequency = 500\n[Tile level]\nPE_Num = 2,2\n[Architecture level]\nBuffer_Choice = 1
Buffer_Bitwidth = 0\nTile_Num = 64,64
"""
    path = tmp_path / "case.yaml"
    path.write_text(imported(tmp_path, case)[0], encoding="utf-8")
    result = simulate(load_config(path, ["workload.model=opt-6.7b", "mapping.provisioning=per_layer"]))
    shown = result.to_dict()
    assert shown["components"][1]["area_mm2"]["ADCs"] == near(5028.2496)
    assert shown["latency_s_by_part"]["tile_buffer"] == near(307.2e-6)


def test_an_older_file_with_fewer_keys_loads(tmp_path: Path) -> None:
    gone = ("Device_Type", "PIM_Type", "Subarray_Size", "Sub_Position", "ADC_Interval_Thres", "Buffer_Bitwidth")
    _, config = imported(tmp_path, Device_Resistance="1.5e5,3e4", **dict.fromkeys(gone))
    assert (pair_of(config).cell.hrs_ohm, pair_of(config).cell.lrs_ohm) == (150e3, 30e3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Device_Type": "SRAM"}, r"\[Device level\] Device_Type: 'SRAM' is not simulated"),
        ({"PIM_Type": "1"}, r"PIM_Type: '1' is not simulated; arrays are analog"),
        ({"Device_Resistance": "many"}, r"Device_Resistance: 'many' is not a number"),
        ({"Device_Resistance": "1e4"}, "hrs_ohm"),
        ({"Xbar_Size": "256"}, r"Xbar_Size: '256' is not a list of 2 numbers"),
        ({"Xbar_Size": "256,2.5"}, r"Xbar_Size: '2.5' is not a whole number"),
        (
            {"Xbar_Size": "102400,256"},
            r"\[Crossbar level\] Xbar_Size = 102400,256 \(machine.crossbar.pair.array.rows\)",
        ),
        ({"Xbar_Size": None}, r"\[Crossbar level\] Xbar_Size: is missing"),
        ({"Xbar_Size": "255,256"}, r"Subarray_Size: '256' does not divide the 255 rows of Xbar_Size"),
        ({"Subarray_Size": "0"}, r"Subarray_Size: '0' does not divide the 256 rows of Xbar_Size"),
        ({"ADC_Choice": "10"}, r"ADC_Choice: '10' is neither -1 nor between 1 and 9"),
        ({"DAC_Choice": "8"}, r"DAC_Choice: '8' is neither -1 nor between 1 and 7"),
        ({"ADC_Choice": "-1"}, r"ADC_Sample_Rate: '0' is not above 0, which a user-defined converter needs"),
        ({"PE_Num": "2,0"}, r"PE_Num: '2,0' has no PE in its second direction"),
        ({"Tile_Connection": "7"}, r"Tile_Connection: '7' is not between 0 and 3"),
        ({"Read_Latency": "nan"}, "Read_Latency: 'nan' is not a number"),
        ({"Read_Latency": "-3"}, "Read_Latency: '-3' is not between"),
        ({"Read_Latency": "1e999999999"}, "Read_Latency: '1e999999999' is not a number"),
        ({"Read_Latency": ""}, "Read_Latency: '' is not a number"),
        ({"Device_SAF": "9"}, r"Device_SAF: '9' is not a list of 2 numbers"),
        ({"Device_SAF": "1,200"}, r"Device_SAF = 1,200 \(machine.crossbar.pair.noise.faults.stuck_lrs\)"),
        ({"Device_SAF": "60,60"}, r"must not exceed 1"),
        ({"Device_Variation": "1000"}, r"\[Device level\] Device_Variation = 1000 \(machine.crossbar.pair.noise"),
        ({"Device_Variation": "few"}, r"Device_Variation: 'few' is not a number"),
        ({"Wire_Resistance": "-much"}, r"Wire_Resistance: '-much' is not a number"),
        ({"Cell_Type": "2T2R"}, "Cell_Type: '2T2R' is not one of 1t1r, 0t1r"),
    ],
    ids=str,
)
def test_an_error_names_its_key(changes: dict[str, str | None], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        imported(tmp_path, **changes)


def test_problems_of_several_parts_are_reported_at_once(tmp_path: Path) -> None:
    wrong = {"Device_Variation": "few", "Xbar_Size": "256", "DAC_Choice": "99", "ADC_Choice": "none"}
    with pytest.raises(ConfigError) as caught:
        imported(tmp_path, **wrong)
    assert {problem.path.partition("] ")[2] for problem in caught.value.problems} == wrong.keys()
