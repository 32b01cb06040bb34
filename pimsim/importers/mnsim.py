"""Importer for MNSIM 2.0: converts a SimConfig.ini to a config of pimsim.

The parameters of DAC_Choice and ADC_Choice are from the tables of MNSIM (docs/model.md). The energy of an ADC
conversion is computed as in MNSIM: the power of the ADC times (bits + 2) steps.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from crossbar.adc_series import SeriesName
from pimsim.base.errors import ConfigError, Problem, printable
from pimsim.base.shipped_files import defaults_path
from pimsim.config.loading import load_config
from pimsim.config.schema import CrossbarConfig
from pimsim.config.schema.crossbar_section import VECTORS_HELD
from pimsim.importers.import_table import Imported
from pimsim.importers.imported_config import ImportedConfig, Ini, Value, plain

DEVICE, CROSSBAR, INTERFACE = "Device level", "Crossbar level", "Interface level"
PE, DIGITAL, TILE, ARCHITECTURE = "Process element level", "Digital module", "Tile level", "Architecture level"

PAIR = "machine.crossbar.pair"
USER_DEFINED = -1
DACS = {
    1: (1, "3.9", "0.166"),
    2: (2, "7.8", "0.332"),
    3: (3, "15.6", "0.664"),
    4: (4, "31.2", "1.328"),
    5: (6, "124.8", "5.312"),
    6: (8, "499.2", "21.248"),
}
"""Bits, power in uW and area in um^2 by DAC_Choice, all at 1 GS/s. In MNSIM, choice 6 lacks a factor of 1e-3."""
ADCS = {
    1: (10, "6.92", "1.5", "1600"),
    2: (8, "2", "1.28", "1200"),
    3: (8, "4", "1.1", "1650"),
    4: (6, "1.26", "1", "580"),
    5: (8, "4", "1.1", "1650"),
    6: (6, "1.26", "1", "1650"),
    7: (4, "0.7", "1", "500"),
}
"""Bits, power in mW, sample rate in GS/s and area in um^2 by ADC_Choice."""
SERIES: dict[int, SeriesName] = {1: "mnsim", 3: "mnsim", 4: "mnsim_small", 5: "mnsim", 6: "mnsim", 7: "mnsim"}
"""Series of designs that an ADC_Choice belongs to; the others are single designs."""
_SERIES_NOTES = {
    "mnsim": "choices 7, 6, 3 and 1",
    "mnsim_small": "choices 7, 4, 3 and 1",
    None: "a single design",
}
PLACEMENTS = ("rows", "snake", "shells", "diagonals")
"""Values of machine.mesh.placement by Tile_Connection."""
DEFAULT_PES = 16
OUTPUT_BITS = 8
DEFAULT_TILES = (8, 8)

_NO_POOLING = "language models do not pool"
WHY_LEFT = {
    "device_tech": "the parameters of the cell are imported instead",
    "read_energy": "concerns SRAM cells",
    "write_energy": "concerns SRAM cells",
    "subarray_size": "arrays of pimsim are not divided",
    "transistor_tech": "no counterpart",
    "wire_capacity": "in pimsim, currents have settled when they are read",
    "load_resistance": "in pimsim, a column ends in a virtual ground",
    "pooling_shape": _NO_POOLING,
    "pooling_unit_num": _NO_POOLING,
    "pooling_tech": _NO_POOLING,
    "pooling_area": _NO_POOLING,
    "buffer_technology": "figures are those of MNSIM's 16 KB SRAM at 90 nm",
    "buffer_capacity": "figures are those of MNSIM's 16 KB SRAM at 90 nm",
}
ACCOUNTING = (
    ("machine.crossbar.output_bits", OUTPUT_BITS, "MNSIM's stock output precision"),
    ("machine.crossbar.tile_outputs", "concatenated", "MNSIM: the output of a tile has the columns of all its PEs"),
    ("machine.mesh.routes", "chain", "MNSIM: each layer sends its output to the tiles of the next"),
    ("machine.mesh.multicast", False, "MNSIM's destinations are single tiles, though its time is that of a multicast"),
    ("machine.mesh.packet_bits", None, "MNSIM: a hop carries a whole message"),
    ("machine.mesh.switching", "store_and_forward", "MNSIM: one hop after another"),
    ("machine.mesh.router_latency_s", "0 s", "MNSIM has none"),
)
"""How MNSIM's code counts, which its config cannot change: key, value and reason."""
BUFFER_BYTES = 16 << 10
_STOCK_BUFFER = "MNSIM's stock buffer: 16 KB SRAM at 90 nm (Buffer.py)"
BUFFER: tuple[tuple[str, str | int], ...] = (
    ("capacity_bytes", "16 KiB"),
    ("read_energy_j", "0.0448 nJ"),
    ("write_energy_j", "0.0437 nJ"),
    ("leakage_w", "8.863 mW"),
    ("area_m2", "0.6163 mm^2"),
    ("node_nm", 90),
)
"""Figures of the buffer that MNSIM takes for each PE and each tile."""


def import_config(path: str | Path) -> Imported:
    """Convert a SimConfig.ini of MNSIM 2.0.

    Args:
        path: The file.

    Returns:
        Text of a pimsim config, in which each line names the key that it comes from, and the table of the import.

    Raises:
        ConfigError: If the file cannot be read, is not an MNSIM config, or has values that pimsim cannot simulate.
    """
    ini = Ini(path, "an MNSIM config")
    for section in (DEVICE, CROSSBAR):
        if not ini.has_section(section):
            raise ConfigError(f"is not an MNSIM config: it has no section [{section}]", str(path))
    draft = ImportedConfig(str(path), "MNSIM 2.0")
    draft.put("name", printable(Path(path).stem, 80) or "mnsim", "the file's name")
    _put_cell(draft, ini)
    _put_noise(draft, ini)
    rows, columns = _put_array(draft, ini)
    _put_dac(draft, ini)
    bits = _put_adc(draft, ini)
    _put_converters(draft, ini, rows, columns)
    pes = _put_tile(draft, ini)
    _put_buffer(draft, "pe_buffer", rows * _default_crossbar().pair.encoding.activation_bits)
    _put_buffer(draft, "tile_buffer", pes * columns * max(bits + (pes - 1).bit_length(), OUTPUT_BITS))
    _put_mesh(draft, ini)
    for key, value, reason in ACCOUNTING:
        draft.put(key, value, reason)
    draft.leave_rest(ini, WHY_LEFT)
    return draft.build()


def _put_cell(draft: ImportedConfig, ini: Ini) -> None:
    kind = ini.get(DEVICE, "Device_Type")
    if kind is not None and kind.text.upper() != "NVM":
        raise kind.error("is not simulated; cells are ReRAM (NVM)")
    cell = f"{PAIR}.cell"
    levels = ini.get(DEVICE, "Device_Level")
    if levels is not None and levels.integer() != 2:
        draft.leave(levels, "a cell of pimsim has two levels: the lowest and the highest resistance")
    if (resistance := ini.get(DEVICE, "Device_Resistance")) is not None:
        values = [item.number() for item in resistance.items()]
        draft.put(f"{cell}.lrs_ohm", f"{plain(min(values))} Ohm", resistance)
        draft.put(f"{cell}.hrs_ohm", f"{plain(max(values))} Ohm", resistance)
    for what in ("read", "write"):
        name = what.capitalize()
        if (voltage := ini.get(DEVICE, f"{name}_Voltage")) is not None:
            highest = max(item.number() for item in voltage.items())
            draft.put(f"{cell}.{what}_voltage_v", f"{plain(highest)} V", voltage)
        if (latency := ini.get(DEVICE, f"{name}_Latency")) is not None:
            draft.put(f"{cell}.{what}_pulse_s", f"{plain(latency.number())} ns", latency)
        levels = ini.get(DEVICE, f"{name}_Level")
        if levels is not None and levels.integer() != 2:
            draft.leave(levels, "a pulse of pimsim has one amplitude: the highest")
    _put_area(draft, ini)


def _put_area(draft: ImportedConfig, ini: Ini) -> None:
    """Set the cell area. Area_Calculation 0: Device_Area; 1: 12 F^2 at Device_Tech, or 4 F^2 without a transistor."""
    area, tech = ini.get(DEVICE, "Device_Area"), ini.get(DEVICE, "Device_Tech")
    cell_type, method = ini.get(CROSSBAR, "Cell_Type"), ini.get(CROSSBAR, "Area_Calculation")
    if cell_type is not None and cell_type.choice(("1t1r", "0t1r")) == "0t1r":
        draft.leave(cell_type, "cells of pimsim have a transistor; only the area is that of 0T1R")
    by_tech = method is not None and method.integer() == 1
    if by_tech and tech is not None:
        squares = 4 if cell_type is not None and cell_type.text.upper() == "0T1R" else 12
        size = squares * tech.number() ** 2
        note = f"{squares} F^2 at {tech.origin} = {tech.text} nm, because of Area_Calculation"
        draft.put(f"{PAIR}.cell.area_m2", f"{plain(size)} nm^2", note)
    elif area is not None and not by_tech:
        draft.put(f"{PAIR}.cell.area_m2", f"{plain(area.number())} um^2", area)
    for value, used in ((area, not by_tech), (tech, by_tech)):
        if value is not None and not used:
            draft.leave(value, "not used with this Area_Calculation")


def _put_noise(draft: ImportedConfig, ini: Ini) -> None:
    """Set variation and stuck-at faults (HRS first, then LRS), converted from percent, and the resistance of wires."""
    noise, wires = f"{PAIR}.noise", f"{PAIR}.wires"
    if (variation := ini.get(DEVICE, "Device_Variation")) is not None:
        sigma = float(variation.number() / 100)
        for state in ("lrs", "hrs"):
            draft.put(f"{noise}.variation.{state}.sigma", sigma, variation)
    if (stuck := ini.get(DEVICE, "Device_SAF")) is not None:
        for state, percent in zip(("hrs", "lrs"), stuck.items(2), strict=True):
            draft.put(f"{noise}.faults.stuck_{state}", float(percent.number() / 100), stuck)
    resistance = ini.get(CROSSBAR, "Wire_Resistance")
    # A negative number selects the default of MNSIM, which is also the default of pimsim; 0 is a valid value.
    if resistance is not None and (resistance.setting() is not None or not resistance.text.startswith("-")):
        for line in ("word", "bit"):
            draft.put(f"{wires}.{line}_line_ohm", f"{plain(resistance.number())} Ohm", resistance)


def _put_array(draft: ImportedConfig, ini: Ini) -> tuple[int, int]:
    size = ini.get(CROSSBAR, "Xbar_Size")
    if size is None:
        raise ConfigError([Problem(f"[{CROSSBAR}] Xbar_Size", "", "is missing")], draft.file)
    rows, columns = (item.integer() for item in size.items(2))
    draft.put(f"{PAIR}.array.rows", rows, size)
    draft.put(f"{PAIR}.array.columns", columns, size)
    return rows, columns


def _put_dac(draft: ImportedConfig, ini: Ini) -> None:
    choice = ini.get(INTERFACE, "DAC_Choice")
    if choice is None:
        return
    number = _choice(choice, tuple(DACS))
    dac = f"{PAIR}.dac"
    if number == USER_DEFINED:
        draft.put(f"{dac}.bits", *_own_integer(ini, "DAC_Precision"))
        draft.put(f"{dac}.sample_rate_hz", *_own(ini, "DAC_Sample_Rate", "GHz"))
        draft.put(f"{dac}.power_w", *_own(ini, "DAC_Power", "W"))
        draft.put(f"{dac}.area_m2", *_own(ini, "DAC_Area", "um^2"))
        return
    bits, power_uw, area_um2 = DACS[number]
    draft.put(f"{dac}.bits", bits, choice)
    draft.put(f"{dac}.sample_rate_hz", "1 GHz", choice)
    draft.put(f"{dac}.power_w", f"{power_uw} uW", choice)
    draft.put(f"{dac}.area_m2", f"{area_um2} um^2", choice)


def _put_adc(draft: ImportedConfig, ini: Ini) -> int:
    """Set the ADC.

    Args:
        draft: The config that is built.
        ini: The imported file.

    Returns:
        Its bits.
    """
    choice = ini.get(INTERFACE, "ADC_Choice")
    if choice is None:
        return _default_crossbar().pair.adc.bits
    number = _choice(choice, tuple(ADCS))
    adc = f"{PAIR}.adc"
    if number == USER_DEFINED:
        series = None
        bits, origin = _own_integer(ini, "ADC_Precision")
        power, rate = (_required(ini, key) for key in ("ADC_Power", "ADC_Sample_Rate"))
        power_mw, rate_ghz = power.number() * 1000, rate.number()
        draft.put(f"{adc}.bits", bits, origin)
        draft.put(f"{adc}.sample_rate_hz", *_own(ini, "ADC_Sample_Rate", "GHz"))
        area = _own(ini, "ADC_Area", "um^2")
        if not rate_ghz:
            raise rate.error("is not above 0, which a user-defined ADC needs")
    else:
        series = SERIES.get(number)
        bits, mw, ghz, um2 = ADCS[number]
        power_mw, rate_ghz, area = Decimal(mw), Decimal(ghz), (f"{um2} um^2", choice)
        draft.put(f"{adc}.bits", bits, choice)
        draft.put(f"{adc}.sample_rate_hz", f"{ghz} GHz", choice)
    energy_pj = power_mw * (bits + 2) / rate_ghz
    note = f"{choice.origin} = {choice.text}: {plain(power_mw)} mW for ({bits} + 2) / {plain(rate_ghz)} GS/s"
    draft.put(f"{adc}.conversion_energy_j", f"{plain(round(energy_pj, 12))} pJ", note)
    draft.put(f"{adc}.energy_bits", bits, f"{choice.origin} = {choice.text}: the resolution of that energy")
    draft.put(f"{adc}.series", series, f"{choice.origin} = {choice.text}: {_SERIES_NOTES[series]}")
    draft.put(f"{adc}.area_m2", *area)
    return bits


def _put_converters(draft: ImportedConfig, ini: Ini, rows: int, columns: int) -> None:
    """Set the numbers of DACs and ADCs, at most one per row or column, and the readout of a PE."""
    array = _default_crossbar().pair.array
    for key, ours, size, default in (
        ("DAC_Num", "rows_at_once", rows, array.rows_at_once),
        ("ADC_Num", "adcs", columns, array.adcs),
    ):
        value = ini.get(PE, key)
        number = value.setting() if value is not None else None
        if value is not None and number is not None:
            draft.put(f"{PAIR}.array.{ours}", min(value.integer(), size), value)
        else:
            draft.put(f"{PAIR}.array.{ours}", min(default, size), "default of pimsim, at most the size of the array")
    polarity = ini.get(PE, "Xbar_Polarity")
    if polarity is not None and polarity.integer() != 2:
        draft.leave(polarity, "a PE of pimsim is a differential pair of arrays (2)")
    kind = ini.get(PE, "PIM_Type")
    if kind is not None and kind.integer() != 0:
        raise kind.error("is not simulated; arrays are analog (0)")
    subtraction = ini.get(PE, "Sub_Position")
    if subtraction is not None:
        readout = "difference" if subtraction.integer() == 0 else "separate"
        draft.put(f"{PAIR}.encoding.readout", readout, subtraction)
    groups = ini.get(PE, "Group_Num")
    if groups is not None and groups.integer() > 1:
        draft.leave(groups, "a PE of pimsim has one pair of arrays")


def _put_tile(draft: ImportedConfig, ini: Ini) -> int:
    """Set a tile.

    Args:
        draft: The config that is built.
        ini: The imported file.

    Returns:
        Its number of PEs.
    """
    crossbar = "machine.crossbar"
    number = _default_crossbar().pes_per_tile
    if (pes := ini.get(TILE, "PE_Num")) is not None:
        number = _product(pes) or DEFAULT_PES
        draft.put(f"{crossbar}.pes_per_tile", number, pes)
    if (bandwidth := ini.get(TILE, "Intra_Tile_Bandwidth")) is not None:
        draft.put(f"{crossbar}.intra_tile_bandwidth_bps", f"{plain(bandwidth.number())} Gb/s", bandwidth)
    if (clock := ini.get(DIGITAL, "Digital_Frequency")) is not None:
        draft.put(f"{crossbar}.digital.clock_hz", f"{plain(clock.number())} MHz", clock)
    kind = ini.get(ARCHITECTURE, "Buffer_Choice")
    if kind is not None and kind.integer() != 1:
        draft.leave(kind, "buffers of pimsim are SRAM (1)")
    width = ini.get(ARCHITECTURE, "Buffer_Bitwidth")
    if width is not None and width.setting() is not None:
        for buffer in ("pe_buffer", "tile_buffer"):
            draft.put(f"{crossbar}.{buffer}.width_bits", width.integer(), width)
    return number


def _put_buffer(draft: ImportedConfig, name: str, vector_bits: int) -> None:
    """Set the figures of a buffer to those of MNSIM's stock one; where two vectors do not fit, pimsim sizes it.

    Args:
        draft: The config that is built.
        name: `pe_buffer` or `tile_buffer`.
        vector_bits: Bits of a vector in it.
    """
    if VECTORS_HELD * -(-vector_bits // 8) <= BUFFER_BYTES:
        for key, value in BUFFER:
            draft.put(f"machine.crossbar.{name}.{key}", value, _STOCK_BUFFER)
    else:
        draft.put(f"machine.crossbar.{name}.capacity_bytes", None, "MNSIM's stock 16 KB do not hold two vectors")


def _default_crossbar() -> CrossbarConfig:
    crossbar = load_config(defaults_path()).machine.crossbar
    assert crossbar is not None
    return crossbar


def _put_mesh(draft: ImportedConfig, ini: Ini) -> None:
    if (size := ini.get(ARCHITECTURE, "Tile_Num")) is not None:
        rows, columns = (item.integer() for item in size.items(2))
        rows, columns = (rows, columns) if rows and columns else DEFAULT_TILES
        draft.put("machine.mesh.rows", rows, size)
        draft.put("machine.mesh.columns", columns, size)
    if (clock := ini.get(DIGITAL, "Digital_Frequency")) is not None:
        draft.put("machine.mesh.clock_hz", f"{plain(clock.number())} MHz", clock)
    if (connection := ini.get(ARCHITECTURE, "Tile_Connection")) is not None:
        number = connection.integer()
        if number >= len(PLACEMENTS):
            raise connection.error(f"is not between 0 and {len(PLACEMENTS) - 1}")
        draft.put("machine.mesh.placement", PLACEMENTS[number], connection)
    if (bandwidth := ini.get(TILE, "Inter_Tile_Bandwidth")) is not None:
        draft.put("machine.mesh.link_bandwidth_bps", f"{plain(bandwidth.number())} Gb/s", bandwidth)


def _choice(value: Value, known: tuple[int, ...]) -> int:
    """Convert the number of an ADC or DAC choice.

    Args:
        value: DAC_Choice or ADC_Choice.
        known: Numbers of the converters that MNSIM provides.

    Returns:
        The number; -1 for a converter that the user defines.
    """
    if value.text == str(USER_DEFINED):
        return USER_DEFINED
    number = value.integer()
    if number not in known:
        raise value.error(f"is neither {USER_DEFINED} nor between {known[0]} and {known[-1]}")
    return number


def _required(ini: Ini, key: str) -> Value:
    value = ini.get(INTERFACE, key)
    if value is None:
        raise ConfigError([Problem(f"[{INTERFACE}] {key}", "", "is missing, which a user-defined one needs")], ini.file)
    return value


def _own(ini: Ini, key: str, unit: str) -> tuple[str, Value]:
    value = _required(ini, key)
    return f"{plain(value.number())} {unit}", value


def _own_integer(ini: Ini, key: str) -> tuple[int, Value]:
    value = _required(ini, key)
    return value.integer(), value


def _product(value: Value) -> int:
    first, second = (item.integer() for item in value.items(2))
    return first * second
