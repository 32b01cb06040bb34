"""Numbers of a config by dotted key: reading them, null figures of SRAM included, and a config with other values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel

from pimsim.base.units import dimension_of_key
from pimsim.config.given_keys import leaves
from pimsim.config.schema import Config, MachineConfig
from pimsim.hardware.buffer_figures import (
    BufferFigures,
    buffer_figures,
    pe_buffer_shape,
    sram_shape,
    staging_shape,
    store_figures,
    tile_buffer_shape,
)

ModelT = TypeVar("ModelT", bound=BaseModel)

_FIGURES = ("read_energy_j", "write_energy_j", "leakage_w", "area_m2")
_UNTIMED = ("energy", "power", "area")


def numbers_of(config: Config) -> dict[str, float]:
    """Return every number of a config that may vary.

    Args:
        config: The config.

    Returns:
        Values in SI units by dotted key. A figure of an SRAM that is null has the value that follows from its size, at
        its own node.
    """
    found = {
        key: float(value)
        for key, value in leaves(config.model_dump(mode="json"))
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    for key, value in _sram_numbers(config.machine).items():
        found.setdefault(key, value)
    return found


def _sram_numbers(machine: MachineConfig) -> dict[str, float]:
    """Return the figures of all SRAMs of a machine at their own nodes, by dotted key."""
    sections: dict[str, tuple[Callable[[], BufferFigures], tuple[str, ...]]] = {
        "machine.controller": (lambda: store_figures(machine.controller), ("command_energy_j", *_FIGURES[2:])),
        "machine.sram": (lambda: buffer_figures(machine.sram, sram_shape(machine.sram)), _FIGURES),
    }
    if (crossbar := machine.crossbar_tile) is not None:
        sections["machine.crossbar.pe_buffer"] = (
            lambda: buffer_figures(crossbar.pe_buffer, pe_buffer_shape(crossbar)),
            _FIGURES,
        )
        sections["machine.crossbar.tile_buffer"] = (
            lambda: buffer_figures(crossbar.tile_buffer, tile_buffer_shape(crossbar)),
            _FIGURES,
        )
        if (staging := crossbar.staging) is not None:
            for name, stage in (("memory", staging.memory), ("accumulator", staging.accumulator)):
                sections[f"machine.crossbar.staging.{name}"] = (
                    partial(buffer_figures, stage, staging_shape(stage)),
                    _FIGURES,
                )
    outside = {f"machine.{slot}" for slot in machine.outside}
    found = {}
    for section, (figures_of, names) in sections.items():
        if section not in outside:
            figures = figures_of()
            for name in names:
                found[f"{section}.{name}"] = getattr(figures, "read_energy_j" if name == "command_energy_j" else name)
    return found


def is_timing(key: str) -> bool:
    """Return whether a key may change times: all but energies, powers and areas may.

    Args:
        key: Dotted key.

    Returns:
        True unless the unit of the key is that of an energy, a power or an area.
    """
    dimension = dimension_of_key(key.rpartition(".")[2])
    return dimension is None or not dimension.name.startswith(_UNTIMED)


def with_values(config: Config, values: Mapping[str, float]) -> Config:
    """Return a config with other numbers.

    Args:
        config: The config.
        values: Values in SI units by dotted key.

    Returns:
        The config. It is not validated again: its values lie in the ranges of numbers that are valid.
    """
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *sections, last = key.split(".")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[last] = value
    return _changed(config, tree)


def _changed(section: ModelT, tree: Mapping[str, Any]) -> ModelT:
    update = {
        name: _changed(getattr(section, name), value) if isinstance(value, dict) else value
        for name, value in tree.items()
    }
    return section.model_copy(update=update)
