"""Memory tiers that ship with pimsim: capacity, bandwidth, latency and energy, with the source of each value."""

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


@dataclass(frozen=True, slots=True)
class MemoryTier:
    """A memory of one kind, of one unit or several.

    Attributes:
        name: Name of the tier.
        description: What one unit is.
        units: Number of units.
        capacity_bytes: Capacity of all units, bytes.
        read_bandwidth_bytes_per_s: Peak rate of reads from all units, bytes/s.
        write_bandwidth_bytes_per_s: Peak rate of writes, bytes/s.
        latency_s: Time to the first byte of a read, seconds.
        read_energy_j_per_bit: Energy of reading a bit, joules.
        write_energy_j_per_bit: Energy of writing a bit, joules.
        sources: Source and confidence of each value of one unit, by name of the attribute.
    """

    name: str
    description: str
    capacity_bytes: int
    read_bandwidth_bytes_per_s: float
    write_bandwidth_bytes_per_s: float
    latency_s: float
    read_energy_j_per_bit: float
    write_energy_j_per_bit: float
    sources: Mapping[str, Provenance]
    units: int = 1

    def times(self, units: int) -> MemoryTier:
        """Return the tier with several units, which transfer at the same time.

        Args:
            units: Number of units.

        Returns:
            The tier with as many times the capacity and the rates.
        """
        return replace(
            self,
            units=self.units * units,
            capacity_bytes=self.capacity_bytes * units,
            read_bandwidth_bytes_per_s=self.read_bandwidth_bytes_per_s * units,
            write_bandwidth_bytes_per_s=self.write_bandwidth_bytes_per_s * units,
        )

    def read_s(self, size_bytes: int) -> float:
        """Return the time of reading a size once, from all units at once.

        Args:
            size_bytes: Bytes.

        Returns:
            Seconds: latency, then the bytes at the peak rate.

        Reference:
            docs/roofline.md, eq. (11).
        """
        return self.latency_s + size_bytes / self.read_bandwidth_bytes_per_s

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
            The attributes, with source and confidence of each value.
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
    provenance = read_provenance(TIER_FILE)
    return MappingProxyType({name: _tier(name, values, provenance) for name, values in tree.items()})


def _tier(name: str, values: Mapping[str, str], provenance: Mapping[str, Provenance]) -> MemoryTier:
    numbers: dict[str, Any] = {}
    for key, text in values.items():
        dimension = dimension_of_key(key)
        if dimension is not None:
            numbers[key] = parse_quantity(str(text), dimension, key)
    sources = {key: provenance[f"{name}.{key}"] for key in numbers}
    return MemoryTier(name=name, description=values["description"], sources=MappingProxyType(sources), **numbers)


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
