"""The generated part of docs/kv-tiers.md: the presets of memory tiers with their sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.config.memory_tiers import MemoryTier, memory_tiers
from tools.docs_generator.facts import table

COLUMNS = (
    "capacity_bytes",
    "read_bytes_per_s",
    "write_bytes_per_s",
    "access_latency_s",
    "read_energy_j_per_bit",
    "write_energy_j_per_bit",
)


def _figure(tier: MemoryTier, key: str) -> str:
    dimension = dimension_of_key(key)
    shown = format_quantity(getattr(tier, key), dimension) if dimension else str(getattr(tier, key))
    return f"{shown} [{tier.sources[key].confidence}]"


def tiers() -> str:
    """Return the table of the presets; the letter is the confidence of a figure, whose source is in the data file."""
    rows = [[f"`{tier.name}`", tier.part, *(_figure(tier, key) for key in COLUMNS)] for tier in memory_tiers().values()]
    heads = ["capacity", "read", "write", "latency", "energy read", "energy written"]
    sources = "Letters as in [config.md](config.md); the sources are in `pimsim/config/data/memory_tiers.yaml`."
    return f"{table(['preset', 'part', *heads], rows)}\n\n{sources}"


SECTIONS: Mapping[str, Callable[[], str]] = {"tiers": tiers}
