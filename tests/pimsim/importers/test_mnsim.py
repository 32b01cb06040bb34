"""MNSIM's SimConfig.ini: its stock values are the defaults, other choices become what its tables say."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim import load_config
from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config_text
from pimsim.config.schema import Config
from pimsim.importers.mnsim import ADCS, DACS, PLACEMENTS, import_config
from tests.support.closeness import near
from tests.support.config_parts import pair_of
from tests.support.importer_files import STOCK, ini


def imported(tmp_path: Path, text: str | None = None, **changes: str | None) -> tuple[str, Config]:
    path = tmp_path / "SimConfig.ini"
    path.write_text(text if text is not None else ini(**changes), encoding="utf-8")
    made = import_config(path).text
    return made, load_config_text(made)


STOCK_IN_PUBLISHED = [
    "machine.crossbar.pair.adc.conversion_energy_j=10.08 pJ",  # fitted there
    "machine.crossbar.pair.adc.series=mnsim",
    "machine.mesh.hop_energy_j_per_bit=0.48 pJ/bit",  # fitted there
    "machine.mesh.wire_node_nm=40",
]
"""Stock values of the keys that the published config fits; the rest of its tiles and mesh is MNSIM's machine."""
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
    assert lines.count("capacity_bytes: 16 KiB # MNSIM's stock buffer: 16 KB SRAM at 90 nm (Buffer.py)") == 2


@pytest.mark.parametrize(("columns", "fits"), [(1365, True), (1366, False)])
def test_a_buffer_that_mnsims_16_kb_cannot_be_has_the_size_it_needs(columns: int, fits: bool, tmp_path: Path) -> None:
    """Two vectors of 4 PEs x 1366 columns x 12 bits (10-bit ADC, 2 levels of the merge tree) are 16,392 bytes."""
    size = f"256,{columns}"
    text, config = imported(tmp_path, Xbar_Size=size, ADC_Choice="1", ADC_Num="1")
    assert config.machine.crossbar is not None
    buffer, input_buffer = config.machine.crossbar.tile_buffer, config.machine.crossbar.pe_buffer
    assert (buffer.capacity_bytes, input_buffer.capacity_bytes) == (16384 if fits else None, 16384)
    assert (buffer.leakage_w is not None) == fits
    assert ("MNSIM's stock 16 KB do not hold two vectors" in text) != fits


def test_every_line_names_its_key_and_every_key_is_accounted_for(tmp_path: Path) -> None:
    text, _ = imported(tmp_path, Device_Level="4", Xbar_Polarity="1")
    for section, values in STOCK.items():
        for key in values:
            assert key in text, f"[{section}] {key}"
    for line in text.splitlines():
        if line and not line.startswith("#") and not line.endswith(":"):
            assert "  # " in line
    assert "# not imported: [Crossbar level] Load_Resistance = -1: in pimsim, a column ends in a virtual ground" in text
    assert "# not imported: [Process element level] Xbar_Polarity = 1: a PE of pimsim is a differential pair" in text
    assert "# not imported: [Device level] Device_Level = 4: a cell of pimsim has two levels" in text


@pytest.mark.parametrize("choice", ADCS)
def test_adc_choices(choice: int, tmp_path: Path) -> None:
    _, config = imported(tmp_path, ADC_Choice=str(choice))
    bits, mw, ghz, um2 = ADCS[choice]
    adc = pair_of(config).adc
    assert (adc.bits, adc.sample_rate_hz, adc.area_m2) == (bits, float(ghz) * 1e9, near(float(um2) * 1e-12))
    assert adc.conversion_energy_j == near(float(mw) * 1e-3 * (bits + 2) / (float(ghz) * 1e9))
    assert (adc.energy_bits, adc.series) == (bits, {2: None, 4: "mnsim_small"}.get(choice, "mnsim"))
    assert adc.energy_per_conversion_j == adc.conversion_energy_j


def test_adc_energies_are_those_of_the_facts() -> None:
    """In pJ, of the page mnsim-equations."""
    energies = {n: float(mw) * (bits + 2) / float(ghz) for n, (bits, mw, ghz, _) in ADCS.items()}
    assert energies == {
        n: pytest.approx(pj, abs=0.06)
        for n, pj in {1: 55.4, 2: 15.6, 3: 36.4, 4: 10.1, 5: 36.4, 6: 10.1, 7: 4.2}.items()
    }


@pytest.mark.parametrize("choice", DACS)
def test_dac_choices(choice: int, tmp_path: Path) -> None:
    _, config = imported(tmp_path, DAC_Choice=str(choice))
    bits, uw, um2 = DACS[choice]
    dac = pair_of(config).dac
    assert (dac.bits, dac.sample_rate_hz) == (bits, 1e9)
    assert (dac.power_w, dac.area_m2) == (near(float(uw) * 1e-6), near(float(um2) * 1e-12))


def test_converters_of_the_users_own(tmp_path: Path) -> None:
    _, config = imported(
        tmp_path,
        ADC_Choice="-1", ADC_Precision="5", ADC_Power="0.002", ADC_Sample_Rate="0.5", ADC_Area="900",
        DAC_Choice="-1", DAC_Precision="2", DAC_Power="1e-5", DAC_Sample_Rate="2", DAC_Area="0.5",
    )  # fmt: skip
    adc, dac = pair_of(config).adc, pair_of(config).dac
    assert (adc.bits, adc.sample_rate_hz, adc.conversion_energy_j) == (5, 0.5e9, near(28e-12))
    assert (adc.energy_bits, adc.series) == (5, None)
    assert (dac.bits, dac.sample_rate_hz, dac.power_w) == (2, 2e9, 1e-5)


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


def test_zeros_ask_for_mnsims_defaults(tmp_path: Path) -> None:
    _, config = imported(tmp_path, PE_Num="0,0", Tile_Num="0,0", DAC_Num="0", ADC_Num="0", Xbar_Size="64,96")
    assert config.machine.crossbar is not None
    assert config.machine.mesh is not None
    assert config.machine.crossbar.pes_per_tile == 16
    assert (config.machine.mesh.rows, config.machine.mesh.columns) == (8, 8)
    assert (pair_of(config).array.rows_at_once, pair_of(config).array.adcs) == (64, 96)


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
            {"Xbar_Size": "100000,256"},
            r"\[Crossbar level\] Xbar_Size = 100000,256 \(machine.crossbar.pair.array.rows\)",
        ),
        ({"Xbar_Size": None}, r"\[Crossbar level\] Xbar_Size: is missing"),
        ({"ADC_Choice": "9"}, r"ADC_Choice: '9' is neither -1 nor between 1 and 7"),
        ({"ADC_Choice": "-1"}, r"ADC_Sample_Rate: '0' is not above 0|ADC"),
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
