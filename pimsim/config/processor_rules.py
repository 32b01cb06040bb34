"""Keys without effect beside the component that computes projections, for `pimsim.config.ineffective_keys`."""

from __future__ import annotations

from collections.abc import Callable

from pimsim.config.schema import PROCESSORS, Config

_UNUSED = (
    *(f"machine.{name}." for name in ("chips.link", "systolic", "controller", "vector", "sram")),
    *(f"mapping.{name}" for name in ("attention_slices", "stream_buffers", "kv_write_entries")),
    "mapping.projection_activations",
)
_OF_CROSSBARS = (
    *("mapping.provisioning", "mapping.placement_groups", "mapping.vector_chunks"),
    *("mapping.ternary_storage_bits", "mapping.matrix_precision.", "mapping.replicas."),
)
_PRECISIONS = tuple(f"mapping.processor_{name}" for name in ("weight_bits", "head_bits", "activation_bits"))
_ON_IT = ("mapping.projections", *(f"machine.{name}" for name in PROCESSORS))


def _no_crossbars(config: Config) -> str:
    chosen = config.mapping.projections
    return "" if chosen == "crossbar" else f"mapping.projections={chosen} computes no projection on crossbars"


def _has_processor(config: Config) -> str:
    name = config.machine.processor
    return f"machine.{name} computes every op, without the other components" if name else ""


def _has_none(config: Config) -> str:
    return (
        ""
        if config.machine.processor
        else f"mapping.projections={config.mapping.projections} has other components for the ops"
    )


def _no_exchange(config: Config) -> str:
    unit = config.machine.dram_pim
    return "" if unit is None or unit.score_transfers else "machine.dram_pim.score_transfers=0 exchanges no elements"


def _no_cache_on_die(config: Config) -> str:
    rom = config.machine.rom
    return "" if rom is None or rom.cache_tokens != 0 else "machine.rom.cache_tokens=0 keeps no entries on the die"


PROCESSOR_RULES: tuple[tuple[tuple[str, ...], Callable[[Config], str], tuple[str, ...]], ...] = (
    (_OF_CROSSBARS, _no_crossbars, ("mapping.projections",)),
    (_UNUSED, _has_processor, _ON_IT),
    (_PRECISIONS, _has_none, _ON_IT),
    (("machine.dram_pim.exchange_bytes_per_s",), _no_exchange, ("machine.dram_pim.score_transfers",)),
    (
        ("machine.rom.cache_bytes_per_cycle", "machine.rom.cache_energy_j_per_bit"),
        _no_cache_on_die,
        ("machine.rom.cache_tokens",),
    ),
)
"""Keys, why they have no effect (empty: they have one), and the keys on which that depends."""
