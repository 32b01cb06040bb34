"""Kinds of tile: the shipped crossbar tile, and the kinds that are registered from outside the package.

A config selects a registered kind by `machine.outside.tile`. The kind holds the weights of 1-bit projections in place
of the crossbar tile; chips, banks, mesh, placement and provisioning stay as they are. The section `machine.crossbar` is
given to the kind, which may use it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from pimsim.base.errors import ConfigError
from pimsim.config.schema import Config, CrossbarConfig, MachineConfig
from pimsim.hardware.crossbar_tile import CrossbarTile
from pimsim.hardware.matrix_tile import TileKind
from pimsim.hardware.measured_energies import activity_notes
from pimsim.hardware.registry import UNNAMED, build_component, naming, register_kind_of
from pimsim.hardware.staged_tile import StagedTile
from pimsim.hardware.technology import technology_notes

TileFactory = Callable[[Any, CrossbarConfig], TileKind]
"""Function that builds a tile from its parameters and the section `machine.crossbar`."""


def register_tile(kind: str, parameters: type[BaseModel], factory: TileFactory) -> None:
    """Register a kind of tile. The same registration may be repeated.

    Args:
        kind: Name by which a config selects the kind.
        parameters: Pydantic model that validates the parameters in the config.
        factory: Function that builds the tile from an instance of `parameters` and the section `machine.crossbar`, with
            constants that are scaled to `machine.technology_nm`.

    Raises:
        ValueError: If the name is not valid, it is registered with another model or factory, or one of these has the
            wrong type.
    """
    register_kind_of("tile", kind, parameters, factory)


def build_tile(machine: MachineConfig, name: str = UNNAMED) -> TileKind | None:
    """Build the tile of a machine.

    Args:
        machine: Section `machine` of a config.
        name: Name of the config, for messages.

    Returns:
        The crossbar tile, or the registered one that replaces it; None for a machine without crossbars.

    Raises:
        ConfigError: If the registered kind is unknown, has invalid parameters or lacks a method.
    """
    if machine.crossbar is None:
        return None
    chosen = machine.outside.get("tile")
    if chosen is None:
        return CrossbarTile(machine.crossbar) if machine.crossbar.staging is None else StagedTile(machine.crossbar)
    with naming(name):
        tile: Any = build_component("tile", chosen, machine.crossbar)
    built: TileKind = tile  # with all methods, which `build_component` has checked
    return built


def machine_notes(machine: MachineConfig) -> tuple[str, ...]:
    """Say what a run does not state about its tiles, and how constants were scaled.

    Args:
        machine: Section `machine` of a config.

    Returns:
        Sentences on a measured activity and on tiles, at most one of each, then those of `technology_notes`.
    """
    if not (_LATEST and _LATEST[0][0] is machine):  # of the machine of a study with many runs
        _LATEST[:] = [(machine, _machine_notes(machine))]
    return *activity_notes(machine), *_LATEST[0][1]


_LATEST: list[tuple[MachineConfig, tuple[str, ...]]] = []
"""The section whose notes were asked for last, and the notes."""


def _machine_notes(machine: MachineConfig) -> tuple[str, ...]:
    scaling = technology_notes(machine)
    if machine.crossbar_tile is not None and machine.crossbar_tile.pair.sensing.integration is not None:
        note = "the SNR of arrays is not estimated, because machine.crossbar.pair.sensing.integration adds planes"
        return (f"{note} before a conversion", *scaling)
    if machine.crossbar_tile is not None and machine.crossbar_tile.pair.encoding.level_bits > 1:
        note = "the SNR of arrays is not estimated for cells of several bits (machine.crossbar.pair.encoding.cell_bits)"
        return (note, *scaling)
    if machine.crossbar_tile is not None and (key := machine.crossbar_tile.pair.uncommon_correction):
        note = f"the SNR of arrays is not estimated with machine.crossbar.pair.{key}; see pimsim array"
        return (note, *scaling)
    if machine.crossbar is None or (chosen := machine.outside.get("tile")) is None:
        return scaling
    note = "the SNR of arrays and the lifetime of cells, which follow from machine.crossbar.pair, are not estimated"
    return (f"tiles are of the registered kind {chosen.kind}: {note}", *scaling)


def has_pair(machine: MachineConfig) -> bool:
    """Return whether a machine has tiles with the analog arrays of `machine.crossbar.pair`.

    Args:
        machine: Section `machine` of a config.

    Returns:
        False without crossbars, and with tiles of a registered kind that has no such arrays.
    """
    tile = build_tile(machine)
    return tile is not None and tile.has_pair


def check_pair(config: Config, what: str) -> None:
    """Check that the numbers of a config's tiles are those of `machine.crossbar.pair`, and can be computed.

    Args:
        config: Config with crossbars or without.
        what: What is to be computed with the arrays, for the message: "multiply on arrays".

    Raises:
        ConfigError: If a registered kind of tile replaces the crossbar tile and has no such arrays, or the arrays
            integrate several planes before a conversion.
    """
    if (crossbar := config.machine.crossbar) is not None and crossbar.pair.sensing.integration is not None:
        raise ConfigError(
            f"cannot {what}: machine.crossbar.pair.sensing.integration adds planes of an input before a conversion, "
            "and computed arrays convert each plane; pimsim run counts its time and energy; set it to null",
            config.name,
        )
    tile = build_tile(config.machine, config.name)
    if tile is not None and not tile.has_pair:
        kind = config.machine.outside["tile"].kind
        raise ConfigError(
            f"cannot {what}: its tiles are of the registered kind {kind!r}, which has no analog array model "
            "(machine.crossbar.pair is not used)",
            config.name,
        )
