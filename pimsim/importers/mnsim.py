"""Importer for MNSIM 2.0: converts a SimConfig.ini to a config of pimsim.

The parameters of DAC_Choice and ADC_Choice are from the tables of MNSIM (docs/model.md). The energy of an ADC
conversion is computed as in MNSIM: the power of the ADC times (bits + 2) steps.
"""

from __future__ import annotations

from pathlib import Path

from pimsim.base.errors import ConfigError, Problem, printable
from pimsim.importers.import_problems import ImportProblems
from pimsim.importers.import_table import Imported
from pimsim.importers.imported_config import ImportedConfig, Ini, Value, plain
from pimsim.importers.mnsim_buffers import put_buffers
from pimsim.importers.mnsim_converters import SINCE_2023, put_adc, put_dac
from pimsim.importers.mnsim_ignored import ignored_reasons
from pimsim.importers.mnsim_ini import MnsimIni
from pimsim.importers.mnsim_numbers import DRIVER_UM2, PairSize, default_crossbar, put_numbers

DEVICE, CROSSBAR, INTERFACE = "Device level", "Crossbar level", "Interface level"
PE, DIGITAL, TILE, ARCHITECTURE = "Process element level", "Digital module", "Tile level", "Architecture level"

PAIR = "machine.crossbar.pair"
PLACEMENTS = ("rows", "snake", "shells", "diagonals")
"""Values of machine.mesh.placement by Tile_Connection."""
DEFAULT_PES = (4, 4)
OUTPUT_BITS = 8
DEFAULT_TILES = (8, 8)
DEFAULT_WIRE_OHM = "2.82"

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
MARKS = ("Device_Type", "Subarray_Size", "PIM_Type", "Logic_Op", "Read_Energy", "Write_Energy")
"""Keys that MNSIM has had since 2023-11-21 (commit ab3f989), without which it has stopped since then."""


def import_config(path: str | Path) -> Imported:
    """Convert a SimConfig.ini of MNSIM 2.0.

    Args:
        path: The file.

    Returns:
        Text of a pimsim config, in which each line names the key that it comes from, and the table of the import.

    Raises:
        ConfigError: If the file cannot be read, is not an MNSIM config, or has values that pimsim cannot simulate. The
            first one of each part of the file is listed.
    """
    ini = MnsimIni(path, "an MNSIM config")
    for section in (DEVICE, CROSSBAR):
        if not ini.has_section(section):
            raise ConfigError(f"is not an MNSIM config: it has no section [{section}]", str(path))
    draft = ImportedConfig(str(path), "MNSIM 2.0")
    draft.put("name", printable(Path(path).stem, 80) or "mnsim", "the file's name")
    since_2023 = _since_2023(draft, ini)
    problems = ImportProblems()
    for put in (_put_cell, _put_area, _put_noise, _put_array, put_dac, _put_pair, _put_tile, _put_mesh):
        with problems:  # into a draft that is thrown away: some parts need the values of others
            put(ImportedConfig(str(path), ""), ini)
    with problems:
        put_adc(ImportedConfig(str(path), ""), ini, since_2023)
    problems.raise_any(str(path))
    _put_cell(draft, ini)
    cell_um2 = _put_area(draft, ini)
    _put_noise(draft, ini)
    rows, columns = _put_array(draft, ini)
    defaults = default_crossbar().pair
    dac_um2 = put_dac(draft, ini) or defaults.dac.area_m2 * 1e12
    adc = put_adc(draft, ini, since_2023) or (defaults.adc.bits, defaults.adc.area_m2 * 1e12)
    by_device = since_2023 and not _by_tech(ini)
    size = PairSize(rows, columns, cell_um2, by_device, float(adc[1]), float(dac_um2))
    if by_device:
        draft.note(
            f"MNSIM adds {DRIVER_UM2:,} um^2 of drivers to each row, {DRIVER_UM2 * rows / 1e6:.4g} mm^2 to each array; "
            "pimsim counts no area of drivers."
        )
    _put_pair(draft, ini)
    put_numbers(draft, ini, size)
    pes = _put_tile(draft, ini)
    output_bits = pes * columns * max(adc[0] + (pes - 1).bit_length(), OUTPUT_BITS)
    put_buffers(draft, ini, rows * defaults.encoding.activation_bits, output_bits)
    _put_mesh(draft, ini)
    for key, value, reason in ACCOUNTING:
        draft.put(key, value, reason)
    draft.leave_rest(ini, ignored_reasons(ini))
    return draft.build()


def _since_2023(draft: ImportedConfig, ini: Ini) -> bool:
    """Determine the version of MNSIM that the file is for, and note what depends on it.

    Args:
        draft: The config that is built.
        ini: The imported file.

    Returns:
        Whether it is a version since 2023-11-21.
    """
    names = {value.key.lower(): value for taken in (True, False) for value in ini.values(taken)}
    marks = [key for key in MARKS if key.lower() in names]
    choice = names.get("adc_choice")
    if not marks and choice is not None and choice.text in map(str, SINCE_2023):
        marks = [f"ADC_Choice = {choice.text}"]
    if marks:
        draft.note(f"Read as a file of MNSIM since 2023-11-21, because it has {marks[0]}.")
    else:
        draft.note(
            "Read as a file of MNSIM before 2023-11-21, because it has no Device_Type: arrays without row drivers, and "
            "a 1-bit ADC takes 3 steps."
        )
    return bool(marks)


def _put_cell(draft: ImportedConfig, ini: Ini) -> None:
    kind = ini.get(DEVICE, "Device_Type")
    if kind is not None and kind.text.upper() != "NVM":
        raise kind.error("is not simulated; cells are ReRAM (NVM)")
    if kind is not None:
        draft.agree(kind, "cells are ReRAM")
    cell = f"{PAIR}.cell"
    levels = ini.get(DEVICE, "Device_Level")
    if levels is not None and levels.integer() != 2:
        effect = "MNSIM stores log2 of it bits in a cell; pimsim stores one, with the lowest and the highest resistance"
        draft.leave(levels, effect)
    elif levels is not None:
        draft.agree(levels, "a cell has two levels")
    if (resistance := ini.get(DEVICE, "Device_Resistance")) is not None:
        values = [item.number() for item in resistance.items()]
        draft.put(f"{cell}.lrs_ohm", f"{plain(min(values))} Ohm", resistance)
        draft.put(f"{cell}.hrs_ohm", f"{plain(max(values))} Ohm", resistance)
    for what in ("read", "write"):
        _put_pulse(draft, ini, what)


def _put_pulse(draft: ImportedConfig, ini: Ini, what: str) -> None:
    """Set voltage and duration of a pulse.

    Args:
        draft: The config that is built.
        ini: The imported file.
        what: "read" or "write".
    """
    cell, name = f"{PAIR}.cell.{what}", what.capitalize()
    if (voltage := ini.get(DEVICE, f"{name}_Voltage")) is not None:
        volts = [item.number() for item in voltage.items()]
        draft.put(f"{cell}_voltage_v", f"{plain(max(volts))} V", voltage)
        if min(volts) > 0:
            effect = f"MNSIM counts power at {plain(min(volts))} V too; lines that are not driven have 0 V in pimsim"
            draft.leave(voltage, effect)
    if (latency := ini.get(DEVICE, f"{name}_Latency")) is not None:
        draft.put(f"{cell}_pulse_s", f"{plain(latency.number())} ns", latency)
    levels = ini.get(DEVICE, f"{name}_Level")
    if levels is not None and levels.integer() != 2:
        draft.leave(levels, "a pulse of pimsim has one amplitude: the highest")
    elif levels is not None:
        draft.agree(levels, "a line is driven with one amplitude or not at all")


def _by_tech(ini: Ini) -> bool:
    method = ini.get(CROSSBAR, "Area_Calculation")
    return method is not None and method.integer() == 1


def _put_area(draft: ImportedConfig, ini: Ini) -> float:
    """Set the cell area. Area_Calculation 0: Device_Area; 1: 12 F^2 at Device_Tech, or 4 F^2 without a transistor.

    Args:
        draft: The config that is built.
        ini: The imported file.

    Returns:
        The area in um^2.
    """
    area, tech = ini.get(DEVICE, "Device_Area"), ini.get(DEVICE, "Device_Tech")
    cell_type, method = ini.get(CROSSBAR, "Cell_Type"), ini.get(CROSSBAR, "Area_Calculation")
    by_tech = _by_tech(ini)
    without = cell_type is not None and cell_type.choice(("1t1r", "0t1r")) == "0t1r"
    if cell_type is not None and without:
        effect = "cells of pimsim have a transistor: no currents through cells that are not selected"
        draft.leave(cell_type, f"{effect}; the area is that of 0T1R" if by_tech else effect)
    elif cell_type is not None:
        draft.agree(cell_type, "cells have a transistor")
    for value, used in ((area, not by_tech), (tech, by_tech)):
        if value is not None and not used:
            draft.leave(value, "MNSIM does not use it with this Area_Calculation")
    key = f"{PAIR}.cell.area_m2"
    if by_tech and tech is not None:
        squares = 4 if without else 12
        size = squares * tech.number() ** 2
        note = f"{squares} F^2 at {tech.origin} = {tech.text} nm, because of Area_Calculation"
        draft.put(key, f"{plain(size)} nm^2", note, of=[each for each in (tech, method) if each is not None])
        return float(size) * 1e-6
    if area is not None and not by_tech:
        draft.put(key, f"{plain(area.number())} um^2", area)
        if method is not None:
            draft.agree(method, "the area of a cell is Device_Area")
        return float(area.number())
    if method is not None:
        draft.leave(method, "the file lacks the value that it asks for: the default area of a cell stays")
    return default_crossbar().pair.cell.area_m2 * 1e12


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
    if resistance is None:
        return
    # A negative number selects the default of MNSIM; 0 is a valid value.
    is_default = resistance.setting() is None and resistance.text.startswith("-")
    for line in ("word", "bit"):
        key = f"{wires}.{line}_line_ohm"
        if is_default:
            note = f"{resistance.origin} = {resistance.text}: MNSIM takes {DEFAULT_WIRE_OHM} Ohm"
            draft.put(key, f"{DEFAULT_WIRE_OHM} Ohm", note, of=[resistance])
        else:
            draft.put(key, f"{plain(resistance.number())} Ohm", resistance)


def _put_array(draft: ImportedConfig, ini: Ini) -> tuple[int, int]:
    size = ini.get(CROSSBAR, "Xbar_Size")
    if size is None:
        raise ConfigError([Problem(f"[{CROSSBAR}] Xbar_Size", "", "is missing")], draft.file)
    rows, columns = (item.integer() for item in size.items(2))
    draft.put(f"{PAIR}.array.rows", rows, size)
    draft.put(f"{PAIR}.array.columns", columns, size)
    return rows, columns


def _put_pair(draft: ImportedConfig, ini: Ini) -> None:
    """Set the readout of a PE, and check that its arrays are what pimsim models.

    Args:
        draft: The config that is built.
        ini: The imported file.

    Raises:
        ConfigError: If the arrays are digital.
    """
    kind = ini.get(PE, "PIM_Type")
    if kind is not None and kind.integer() != 0:
        raise kind.error("is not simulated; arrays are analog (0)")
    if kind is not None:
        draft.agree(kind, "arrays are analog")
    polarity = ini.get(PE, "Xbar_Polarity")
    if polarity is not None and polarity.integer() != 2:
        draft.leave(
            polarity, "a PE of pimsim is a differential pair of arrays (2): twice the cells of MNSIM's one array"
        )
    elif polarity is not None:
        draft.agree(polarity, "a PE is a differential pair of arrays")
    if (subtraction := ini.get(PE, "Sub_Position")) is not None:
        readout = "difference" if subtraction.integer() == 0 else "separate"
        draft.put(f"{PAIR}.encoding.readout", readout, subtraction)
    groups = ini.get(PE, "Group_Num")
    if groups is not None and groups.integer() > 1:
        effect = f"a PE of pimsim has one pair of arrays, so that weights need {groups.text} times the PEs of MNSIM"
        draft.leave(groups, effect)
    elif groups is not None:
        draft.agree(groups, "a PE has one pair of arrays")


def _put_tile(draft: ImportedConfig, ini: Ini) -> int:
    """Set a tile.

    Args:
        draft: The config that is built.
        ini: The imported file.

    Returns:
        Its number of PEs.
    """
    crossbar = "machine.crossbar"
    number = default_crossbar().pes_per_tile
    if (pes := ini.get(TILE, "PE_Num")) is not None:
        first, second = _grid(pes, DEFAULT_PES, "PE")
        number = first * second
        asked = pes.items(2)[0].integer()
        note = f"{pes.origin} = {pes.text}: {'' if asked else 'MNSIM takes '}{first} x {second}"
        draft.put(f"{crossbar}.pes_per_tile", number, note, of=[pes])
    if (bandwidth := ini.get(TILE, "Intra_Tile_Bandwidth")) is not None:
        draft.put(f"{crossbar}.intra_tile_bandwidth_bps", f"{plain(bandwidth.number())} Gb/s", bandwidth)
    if (clock := ini.get(DIGITAL, "Digital_Frequency")) is not None:
        draft.put(f"{crossbar}.digital.clock_hz", f"{plain(clock.number())} MHz", clock)
    return number


def _put_mesh(draft: ImportedConfig, ini: Ini) -> None:
    if (size := ini.get(ARCHITECTURE, "Tile_Num")) is not None:
        grid = _grid(size, DEFAULT_TILES, "tile")
        for key, number in zip(("rows", "columns"), grid, strict=True):
            if size.items(2)[0].integer():
                draft.put(f"machine.mesh.{key}", number, size)
            else:
                note = f"{size.origin} = {size.text}: MNSIM takes {grid[0]} x {grid[1]}"
                draft.put(f"machine.mesh.{key}", number, note, of=[size])
    if (clock := ini.get(DIGITAL, "Digital_Frequency")) is not None:
        draft.put("machine.mesh.clock_hz", f"{plain(clock.number())} MHz", clock)
    if (connection := ini.get(ARCHITECTURE, "Tile_Connection")) is not None:
        number = connection.integer()
        if number >= len(PLACEMENTS):
            raise connection.error(f"is not between 0 and {len(PLACEMENTS) - 1}")
        draft.put("machine.mesh.placement", PLACEMENTS[number], connection)
    if (bandwidth := ini.get(TILE, "Inter_Tile_Bandwidth")) is not None:
        draft.put("machine.mesh.link_bandwidth_bps", f"{plain(bandwidth.number())} Gb/s", bandwidth)


def _grid(value: Value, default: tuple[int, int], what: str) -> tuple[int, int]:
    """Return the two numbers of a grid; a first number of 0 means the default of MNSIM.

    Args:
        value: PE_Num or Tile_Num.
        default: Default of MNSIM.
        what: What the grid is made of, for the error message.

    Returns:
        The numbers.
    """
    first, second = (item.integer() for item in value.items(2))
    if not first:
        return default
    if not second:
        raise value.error(f"has no {what} in its second direction; 0,0 asks for MNSIM's default")
    return first, second
