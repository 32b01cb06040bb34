"""Memory tiers that can hold a KV cache, from on-chip SRAM to an SSD, with the source of each figure.

They are the presets of `machine.kv_tiers`, and the tiers of `pimsim kv`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pimsim.base.errors import ConfigError, Problem, did_you_mean, show
from pimsim.base.units import dimension_of_key, parse_quantity
from pimsim.config.provenance import Provenance, read_provenance
from pimsim.config.yaml_tree import parse_yaml

TIER_FILE = Path(__file__).parent / "data" / "memory_tiers.yaml"
MAX_UNITS = 1_000_000

BY_CAPACITY = ("background_w", "area_m2")
"""Figures that grow in proportion to the capacity."""

_WORDS = ("kind", "part")


@dataclass(frozen=True, slots=True)
class MemoryTier:
    """A memory of one kind, of one unit or several.

    Attributes:
        name: Name of the tier.
        kind: Technology: sram, edram, reram, hbm, lpddr, ddr, cxl or ssd.
        part: What one unit is, for reports.
        capacity_bytes: Capacity of all units, to which background power and area belong, bytes.
        read_bytes_per_s: Peak rate of reads from all units, bytes/s.
        write_bytes_per_s: Peak rate of writes, bytes/s.
        access_latency_s: Time from a request to its first byte, seconds.
        read_energy_j_per_bit: Energy of reading a bit, joules.
        write_energy_j_per_bit: Energy of writing a bit, joules.
        background_w: Static power while the memory keeps its data, without refresh every `retention_s`, watts.
        retention_s: Time after which every bit must be refreshed, seconds; None: no refresh, or part of `background_w`.
        refresh_energy_j_per_bit: Energy of the refresh of a bit, joules.
        endurance_writes: Writes that a cell endures; None: no limit.
        area_m2: Silicon area on the chip, m^2; 0 for a memory that is not on the chip.
        sources: Source and confidence of each figure of one unit, by name of the attribute.
        units: Number of units.
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
    sources: Mapping[str, Provenance]
    units: int = 1

    @property
    def values(self) -> dict[str, Any]:
        """Kind, part and figures by key, as a tier of `machine.kv_tiers` states them."""
        return {key: getattr(self, key) for key in (*_WORDS, *self.sources)}

    def times(self, units: int) -> MemoryTier:
        """Return the tier with several units, which transfer at the same time.

        Args:
            units: Number of units.

        Returns:
            The tier with as many times the capacity, the rates, the background power and the area.
        """
        scaled = ("capacity_bytes", "read_bytes_per_s", "write_bytes_per_s", *BY_CAPACITY)
        larger: dict[str, Any] = {key: getattr(self, key) * units for key in scaled}
        return replace(self, units=self.units * units, **larger)

    def read_s(self, size_bytes: int) -> float:
        """Return the time of reading a size once, from all units at once.

        Args:
            size_bytes: Bytes.

        Returns:
            Seconds: latency, then the bytes at the peak rate.

        Reference:
            docs/roofline.md, eq. (11).
        """
        return self.access_latency_s + size_bytes / self.read_bytes_per_s

    def read_j(self, size_bytes: int) -> float:
        """Return the energy of reading a size once.

        Args:
            size_bytes: Bytes.

        Returns:
            Joules.
        """
        return 8 * size_bytes * self.read_energy_j_per_bit

    def to_dict(self) -> dict[str, Any]:
        """Return the tier as plain values for JSON.

        Returns:
            The attributes, with source and confidence of each figure.
        """
        plain = asdict(replace(self, sources={}))
        return plain | {
            "sources": {
                key: {"source": each.source, "confidence": each.confidence} for key, each in self.sources.items()
            }
        }


@cache
def memory_tiers() -> Mapping[str, MemoryTier]:
    """Return the tiers that ship with pimsim.

    Returns:
        One unit of each tier, by name, from the nearest to the chip to the farthest.

    Raises:
        ConfigError: If the shipped file is damaged.
    """
    tree: Any = parse_yaml(TIER_FILE.read_text(encoding="utf-8"), TIER_FILE.name).tree
    provenance = read_provenance(TIER_FILE, words=True)
    return MappingProxyType({name: _tier(name, values, provenance) for name, values in tree.items()})


def _tier(name: str, values: Mapping[str, Any], provenance: Mapping[str, Provenance]) -> MemoryTier:
    found = dict(values)
    for key, value in values.items():
        dimension = dimension_of_key(key)
        if dimension is not None and isinstance(value, str):
            found[key] = parse_quantity(value, dimension, key)
    sources = {key: provenance[f"{name}.{key}"] for key in values if key not in _WORDS}
    return MemoryTier(name=name, sources=MappingProxyType(sources), **found)


def find_tier(text: str) -> MemoryTier:
    """Return a tier by its name, or several units of it.

    Args:
        text: Name of the tier, such as "hbm3", or name and number of units, such as "hbm3:5".

    Returns:
        The tier.

    Raises:
        ConfigError: If there is no such tier, or the number of units is not valid.
    """
    name, colon, number = text.strip().partition(":")
    tiers = memory_tiers()
    if name.lower() not in tiers:
        known = f"is not a memory tier; there are {', '.join(tiers)}"
        raise ConfigError([Problem("tier", show(text), known, did_you_mean(name, tiers))], "memory tiers")
    if not colon:
        return tiers[name.lower()]
    if not (number.isascii() and number.isdecimal() and len(number) < 10 and 1 <= int(number) <= MAX_UNITS):
        allowed = f"has no valid number of units after the colon, from 1 to {MAX_UNITS:,}, as in {name.lower()}:5"
        raise ConfigError([Problem("tier", show(text), allowed)], "memory tiers")
    return tiers[name.lower()].times(int(number))
