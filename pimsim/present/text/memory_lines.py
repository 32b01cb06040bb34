"""Lines of a report on what memory holds, and what is read from it and written to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pimsim.config.schema import Config
from pimsim.present.text.tables import quantity
from pimsim.results.feasibility import S_PER_DAY
from pimsim.results.kv_tier_figures import KvTierFigures
from pimsim.results.memory_traffic import MemoryTraffic


def memory_rows(kv_cache_bytes: int | None, traffic: MemoryTraffic, config: Config) -> Iterator[tuple[str, str, str]]:
    """Return the rows of the KV cache and of the memory traffic.

    Args:
        kv_cache_bytes: Size of the KV caches; None if it was not counted.
        traffic: Bytes read and written.
        config: Config of the run.

    Yields:
        Name, figure and explanation.
    """
    capacity_bytes = config.machine.memory.capacity_bytes
    if kv_cache_bytes is not None:
        limit = "no limit" if capacity_bytes is None else f"{quantity(capacity_bytes, '_bytes')} per chip"
        yield "KV cache", quantity(kv_cache_bytes, "_bytes"), f"memory: {limit}"
    yield from traffic_rows(traffic, config)


def traffic_rows(traffic: MemoryTraffic, config: Config) -> Iterator[tuple[str, str, str]]:
    """Return the rows of the bytes read and written.

    Args:
        traffic: Bytes read and written.
        config: Config of the run.

    Yields:
        Name, figure and explanation.
    """
    # The reads of a projection are counted together.
    loads_inputs = config.mapping.projection_activations != "global_buffer"
    read = {
        "weights and inputs of projections" if loads_inputs else "weights": traffic.weight_read_bytes,
        "KV cache": traffic.kv_read_bytes,
        "embeddings": traffic.embedding_read_bytes,
        "other": traffic.other_read_bytes,
    }
    written = {
        "KV cache": traffic.kv_write_bytes,
        "outputs of projections" if loads_inputs else "other": traffic.other_write_bytes,
    }
    yield "memory reads", quantity(traffic.read_bytes, "_bytes"), _detail(read)
    yield "memory writes", quantity(traffic.write_bytes, "_bytes"), _detail(written)


def _detail(sizes: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {quantity(size, '_bytes')}" for name, size in sizes.items() if size)


def tier_rows(tiers: Iterable[KvTierFigures]) -> Iterator[tuple[str, str, str]]:
    """Return one row for each tier of the KV cache.

    Args:
        tiers: Figures of a run or of a generation.

    Yields:
        Name of the tier, what it holds, and its traffic, energy and wear.
    """
    for tier in tiers:
        parts = [f"reads {quantity(tier.read_bytes, '_bytes')}", f"writes {quantity(tier.written_bytes, '_bytes')}"]
        parts.append(f"accesses {quantity(tier.energy_j, '_j')}")
        if tier.background_j:
            refresh = f", of which refresh {quantity(tier.refresh_j, '_j')}" if tier.refresh_j else ""
            parts.append(f"background {quantity(tier.background_j, '_j')}{refresh}")
        if tier.lifetime_s is not None:
            parts.append(f"cells last {tier.lifetime_s / S_PER_DAY:.3g} days at this speed")
        limit = "" if tier.capacity_bytes is None else f" of {quantity(tier.capacity_bytes, '_bytes')}"
        yield f"  {tier.name}", f"{quantity(tier.held_bytes, '_bytes')}{limit}", ", ".join(parts)
