"""Keys of the circuits of an array that have no effect beside other keys, for `pimsim.config.ineffective_keys`."""

from __future__ import annotations

from collections.abc import Callable

from crossbar.params import CrossbarParams
from pimsim.config.schema import Config

PAIR = "machine.crossbar.pair"


CIRCUITS_OF_RUNS = (
    *(f"{PAIR}.lines.{key}" for key in ("input_line", "bit_swing_v", "select_low_v", "select_high_v")),
    *(f"{PAIR}.drivers.{key}" for key in ("energy_j", "area_m2")),
    *(f"{PAIR}.sensing.{key}" for key in ("sampled", "clamp_energy_j", "sample_energy_j", "column_area_m2")),
    *(f"{PAIR}.{part}.area_m2" for part in ("cell", "dac", "adc")),
)
"""Keys on which energy, area or the order of reads of a run depend, but no product and no time of a read."""


WITHOUT_INFLUENCE = (
    *("cell.read_voltage_v", "cell.read_pulse_s", "cell.read_activity", "cell.endurance_writes", "cell.area_m2"),
    *("cell.write_voltage_v", "cell.write_pulse_s", "array.rows_at_once", "array.adcs", "array.columns_per_adc"),
    *("array.reference_columns", "dac.sample_rate_hz", "dac.power_w", "dac.area_m2"),
    *("encoding.readout", "adc.", "noise.read.", "wires."),
    *("lines", "lines.", "drivers", "drivers.", "sensing.", "upkeep.", "thermal.", "correction."),
)
"""Keys of the arrays that change neither the driven rows nor the conductances; a dot at the end: all keys below.

Those of `thermal` change the resistances of the arrays that are read, which are compared."""


WITHOUT_INFLUENCE_ON_CODES = (
    *("cell.read_voltage_v", "cell.read_pulse_s", "cell.read_activity", "cell.endurance_writes", "cell.area_m2"),
    *("cell.write_voltage_v", "cell.write_pulse_s", "array.adcs", "array.columns_per_adc"),
    *("dac.sample_rate_hz", "dac.power_w", "dac.area_m2"),
    *(f"adc.{key}" for key in ("kind", "sample_rate_hz", "conversion_energy_j", "energy_bits", "series", "area_m2")),
    *("adc.code_energy", "adc.code_energy_fraction", "lines", "lines.", "drivers", "drivers.", "correction."),
    *(f"sensing.{key}" for key in ("held", "sampled", "input_ohm", "clamp_energy_j", "sample_energy_j")),
    "sensing.column_area_m2",
)
"""Keys of the arrays that change no distribution of codes; a dot at the end: all keys below."""


def influences_activity(key: str, *, codes: bool = False) -> bool:
    """Return whether a measured activity depends on a key.

    Args:
        key: Dotted key below `machine.crossbar.pair`.
        codes: Whether the codes of the activity are used, too.

    Returns:
        True if arrays that differ in it have other conductances or pulses, or with `codes` other codes.
    """
    without = WITHOUT_INFLUENCE_ON_CODES if codes else WITHOUT_INFLUENCE
    return not any(key.startswith(each) if each.endswith(".") else key == each for each in without)


def is_measured(config: Config, key: str) -> bool:
    """Return whether `machine.crossbar.activity` fixes a number: other arrays have another activity.

    Args:
        config: The config.
        key: Dotted key.

    Returns:
        False without a measured activity.
    """
    below = key.removeprefix(f"{PAIR}.")
    if below == key or config.machine.crossbar is None or config.machine.crossbar.activity is None:
        return False
    codes = config.machine.crossbar.pair.adc.code_energy != "none"
    return below == "cell.read_activity" or influences_activity(below, codes=codes)


def _stated_pulse(pair: CrossbarParams) -> bool:
    return pair.cell.read_pulse_s is not None


def _in_mode(mode: str) -> Callable[[CrossbarParams], bool]:
    return lambda pair: pair.sensing.mode == mode


def _when(condition: Callable[[CrossbarParams], bool], reason: str) -> Callable[[Config], str]:
    def because(config: Config) -> str:
        crossbar = config.machine.crossbar
        return reason if crossbar is not None and condition(crossbar.pair) else ""

    return because


def _measured(config: Config) -> str:
    crossbar = config.machine.crossbar_tile
    if crossbar is None or crossbar.activity is None:
        return ""
    return "machine.crossbar.activity gives the measured drive of the rows; set it to null for a stated one"


def _no_references(config: Config) -> str:
    crossbar = config.machine.crossbar
    if crossbar is None or crossbar.pair.encoding.cells == "reference_column":
        return ""
    return f"{PAIR}.encoding.cells={crossbar.pair.encoding.cells} reads cells against no reference column"


CIRCUIT_RULES: tuple[tuple[tuple[str, ...], Callable[[Config], str], tuple[str, ...]], ...] = (
    ((f"{PAIR}.cell.read_activity",), _measured, ("machine.crossbar.activity",)),
    ((f"{PAIR}.array.reference_columns",), _no_references, (f"{PAIR}.encoding.cells",)),
    (
        (f"{PAIR}.adc.code_energy_fraction",),
        _when(lambda pair: pair.adc.code_energy == "none", f"{PAIR}.adc.code_energy=none depends on no code"),
        (f"{PAIR}.adc.code_energy",),
    ),
    (
        (f"{PAIR}.sensing.input_ohm", f"{PAIR}.drivers.resistance_ohm"),
        _when(_stated_pulse, f"{PAIR}.cell.read_pulse_s states the time of a read; null: the time to settle"),
        (f"{PAIR}.cell.read_pulse_s",),
    ),
    (
        (f"{PAIR}.sensing.input_ohm",),
        _when(_in_mode("voltage"), f"{PAIR}.sensing.mode=voltage has no clamp"),
        (f"{PAIR}.sensing.mode",),
    ),
    (
        (f"{PAIR}.sensing.mode",),
        _when(lambda pair: pair.lines is None, f"{PAIR}.lines=null counts no lines, on which the mode acts"),
        (f"{PAIR}.lines",),
    ),
    (
        (f"{PAIR}.lines.bit_swing_v",),
        _when(_in_mode("current"), f"{PAIR}.sensing.mode=current holds the bit lines at one voltage"),
        (f"{PAIR}.sensing.mode",),
    ),
    (
        (f"{PAIR}.lines.bit_line_f", f"{PAIR}.lines.bit_end_f"),
        _when(
            lambda pair: _stated_pulse(pair) and pair.sensing.mode == "current",
            f"{PAIR}.sensing.mode=current holds the bit lines at one voltage, and {PAIR}.cell.read_pulse_s states the "
            "time of a read",
        ),
        (f"{PAIR}.sensing.mode", f"{PAIR}.cell.read_pulse_s"),
    ),
)
"""Keys, a function that returns why they have no effect in a config, and the keys on which that depends."""
