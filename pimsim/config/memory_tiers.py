"""Tiers of memory that can hold a KV cache, from on-chip SRAM to an SSD: the presets of `machine.kv_tiers`.

The file `memory_tiers.yaml` beside this module has their figures, each with its source and confidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from pimsim.base.units import dimension_of_key, parse_quantity
from pimsim.config.provenance import Provenance, read_provenance
from pimsim.config.yaml_tree import parse_yaml

PATH = Path(__file__).with_name("memory_tiers.yaml")

BY_CAPACITY = ("background_w", "area_m2")
"""Figures that grow in proportion to the capacity."""


@dataclass(frozen=True, slots=True)
class MemoryTier:
    """A kind of memory with its figures, in SI units.

    Attributes:
        name: Name of the preset.
        kind: Technology: sram, edram, reram, hbm, lpddr, ddr, cxl or ssd.
        part: Description for reports.
        capacity_bytes: Capacity to which background power and area belong.
        read_bytes_per_s: Bandwidth of reads.
        write_bytes_per_s: Bandwidth of writes.
        access_latency_s: Time from a request to its first byte.
        read_energy_j_per_bit: Energy of a bit read.
        write_energy_j_per_bit: Energy of a bit written.
        background_w: Static power while the memory keeps its data, without `retention_s`.
        retention_s: Time after which every bit must be refreshed; None: no refresh, or part of `background_w`.
        refresh_energy_j_per_bit: Energy of the refresh of a bit.
        endurance_writes: Writes that a cell endures; None: no limit.
        area_m2: Silicon area on the chip; 0 for a memory that is not on the chip.
    """

    name: str
    kind: str
    part: str
    capacity_bytes: int
    read_bytes_per_s: float
    write_bytes_per_s: float
    access_latency_s: float
    read_energy_j_per_bit: float
    write_energy_j_per_bit: float
    background_w: float
    retention_s: float | None
    refresh_energy_j_per_bit: float
    endurance_writes: float | None
    area_m2: float

    @property
    def values(self) -> dict[str, Any]:
        """Figures by key, without the name."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "name"}

    def sources(self) -> dict[str, Provenance]:
        """Return the source of each figure.

        Returns:
            Source and confidence by key.
        """
        index = [each.name for each in memory_tiers()].index(self.name)
        found = _sources()
        return {each.name: found[key] for each in fields(self) if (key := f"{index}.{each.name}") in found}


@cache
def memory_tiers() -> tuple[MemoryTier, ...]:
    """Read the tiers.

    Returns:
        The presets, from the nearest to the farthest.
    """
    tree: Any = parse_yaml(PATH.read_text(encoding="utf-8"), PATH.name).tree
    return tuple(MemoryTier(**_in_si(entry)) for entry in tree)


@cache
def _sources() -> Mapping[str, Provenance]:
    return read_provenance(PATH, words=True)


def _in_si(entry: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(entry)
    for key, value in entry.items():
        dimension = dimension_of_key(key)
        if dimension is not None and isinstance(value, str):
            found[key] = parse_quantity(value, dimension, key)
    return found
