"""Energies of cells, DACs and ADCs that follow from a measured activity, which `machine.crossbar.activity` names.

Times and counts do not depend on it. A file is read once, and again when it has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from crossbar.params import CrossbarParams
from pimsim.base.errors import ConfigError, Problem, ResultFileError, show
from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.config.schema import CrossbarConfig, MachineConfig
from pimsim.hardware.array_pass import pass_energies_j
from pimsim.hardware.registry import UNNAMED
from pimsim.steps.records import OpRecord

if TYPE_CHECKING:
    from pimsim.results.measured_activity import MeasuredActivity

KEY = "machine.crossbar.activity"
PROCEDURE = "machine.crossbar.pair.adc.code_energy"
DIFFERENCE = "with the measured energies of cells and converters this run takes"
"""Beginning of the sentence about a single run."""
Stamp = tuple[int, int, int] | None


def activity_stamp(machine: MachineConfig) -> Stamp:
    """Return what tells a version of the named file from others.

    Args:
        machine: Section `machine` of a config.

    Returns:
        Its inode, time of change and size; None if no file is named, or there is none.
    """
    if machine.crossbar is None or machine.crossbar.activity is None:
        return None
    try:
        stat = Path(machine.crossbar.activity).stat()
    except (OSError, ValueError):  # ValueError: a zero byte
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def measured_activity(machine: MachineConfig, name: str = UNNAMED) -> MeasuredActivity | None:
    """Return the activity that a config names.

    Args:
        machine: Section `machine` of a config.
        name: Name of the config, for messages.

    Returns:
        The activity; None if the config names none.

    Raises:
        ConfigError: If the file is missing, damaged or of another kind, is of other arrays, has no codes although the
            energy of a conversion depends on them, or the tiles are of a registered kind, whose energies do not follow
            from it.
    """
    crossbar = machine.crossbar
    if crossbar is None or crossbar.activity is None:
        return None
    file = crossbar.activity
    if machine.crossbar_tile is None:
        kind = machine.outside["tile"].kind
        message = f"has no effect on tiles of the registered kind {kind}; set it to null"
        raise ConfigError([Problem(KEY, show(file), message)], name)
    from pimsim.results.hdf5.kinds import shown_path
    from pimsim.results.measured_activity import differing_key

    try:
        activity = _read(file, activity_stamp(machine))
    except ResultFileError as error:
        made = "; pimsim array CONFIG --out FILE makes such a file"
        message = f"{str(error).removeprefix(f'{shown_path(file)}: ')}{made}"
        raise ConfigError([Problem(KEY, show(file), message)], name) from error
    procedure = crossbar.pair.adc.code_energy
    if procedure != "none" and not activity.codes:
        message = (
            f"has no codes, on which {PROCEDURE}={procedure} depends; measure with this key (pimsim array --out), or "
            f"set {PROCEDURE}=none"
        )
        raise ConfigError([Problem(KEY, show(file), message)], name)
    operated = crossbar.operating_pair(machine.temperature_k)
    if key := differing_key(operated, activity.pair, codes=procedure != "none"):
        message = f"was measured on other arrays: {key}; measure this config (pimsim array --out)"
        raise ConfigError([Problem(KEY, show(file), message)], name)
    return activity


@lru_cache(maxsize=8)
def _read(file: str, stamp: Stamp) -> MeasuredActivity:
    from pimsim.results.measured_activity import read_activity

    return read_activity(file)


def tile_energies_j(crossbar: CrossbarConfig, activity: MeasuredActivity | None) -> Mapping[str, float]:
    """Return the energy of each action of a pass, from a measured activity if there is one.

    Args:
        crossbar: Section `machine.crossbar`.
        activity: The activity; None: as stated by `pair.cell.read_activity`.

    Returns:
        Joules per action.

    Reference:
        docs/array.md, eq. (32) to (35).
    """
    if activity is None:
        return pass_energies_j(crossbar.pair)
    pair = driven_pair(crossbar.pair, activity)
    depends = pair.adc.code_energy != "none"
    return {
        **pass_energies_j(pair),
        "cell_read": pair.cell.read_voltage_v**2 * pair.conduction_s * activity.conductance_s,
        "dac_conversion": activity.driven_share * pair.dac.conversion_energy_j,
        **({"adc_conversion": pair.adc.energy_of_codes_j(activity.codes)} if depends else {}),
    }


def driven_pair(pair: CrossbarParams, activity: MeasuredActivity) -> CrossbarParams:
    """Return the same arrays with the measured drive of their rows in place of the stated one.

    Args:
        pair: Parameters of the arrays.
        activity: Measured activity.

    Returns:
        Arrays whose lines, and cells of matrices of another alphabet, have this drive.
    """
    return pair.model_copy(update={"cell": pair.cell.model_copy(update={"read_activity": activity.drive})})


def activity_notes(machine: MachineConfig) -> tuple[str, ...]:
    """Say which energies were measured, on what, and how they compare with those that they replace.

    Args:
        machine: Section `machine` of a config.

    Returns:
        A sentence; without `machine.crossbar.activity` only if the energy of a conversion would depend on its code.
    """
    crossbar = machine.crossbar_tile
    if crossbar is not None and crossbar.activity is None and crossbar.pair.adc.code_energy != "none":
        return (
            (
                f"ADC conversions take their mean energy over equally frequent codes: {PROCEDURE}="
                f"{crossbar.pair.adc.code_energy} needs the codes that pimsim array --out measures ({KEY})"
            ),
        )
    activity = measured_activity(machine)
    if activity is None or machine.crossbar is None:
        return ()
    stated = pass_energies_j(machine.crossbar.pair)
    measured = tile_energies_j(machine.crossbar, activity)
    cell, dac, adc = (
        f"{_joules(measured[action])} in place of {_joules(stated[action])}"
        for action in ("cell_read", "dac_conversion", "adc_conversion")
    )
    procedure = machine.crossbar.pair.adc.code_energy
    if procedure == "none":
        of_codes = "an ADC conversion has no energy that depends on data"
    else:
        of_codes = f"an ADC conversion {adc}, by the measured codes ({PROCEDURE}={procedure})"
    return (
        (
            f"energies of cells and converters are measured ({KEY} {machine.crossbar.activity}: {activity.origin}): "
            f"a cell read takes {cell}, a DAC conversion {dac}; {of_codes}"
        ),
    )


def activity_difference(machine: MachineConfig, energies_j: Mapping[str, float], ops: tuple[OpRecord, ...]) -> str:
    """Say by how much a measured activity changes the dynamic energy of a run.

    Args:
        machine: Section `machine` of a config, at its technology node.
        energies_j: Energies by "component.action" that the run counts, joules.
        ops: Records of the run.

    Returns:
        A sentence; empty without `machine.crossbar.activity`.
    """
    if machine.crossbar is None or machine.crossbar.activity is None:
        return ""
    change_j = 0.0
    for action, stated_j in pass_energies_j(machine.crossbar.pair).items():
        count = sum(op.repeat * op.counts.get(f"tile.{action}", 0) for op in ops)
        change_j += count * (energies_j[f"tile.{action}"] - stated_j)
    amount = f"{_joules(abs(change_j))} {'more' if change_j >= 0 else 'less'}"
    return f"{DIFFERENCE} {amount} than with the stated ones"


def _joules(value: float) -> str:
    dimension = dimension_of_key("_j")
    assert dimension is not None
    return format_quantity(value, dimension)
