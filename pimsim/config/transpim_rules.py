"""Keys of a TransPIM machine without effect beside its other keys, for `pimsim.config.ineffective_keys`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pimsim.config.schema import Config

_Choice = tuple[str, tuple[str, ...]]
"""A key of machine.transpim, and the values with which others have no effect."""

_UNUSED: tuple[tuple[tuple[str, ...], _Choice], ...] = (
    (("broadcast", "idle_banks"), ("mapping", ("layers",))),
    (("ring_transfers", "link_energy_j_per_bit"), ("mapping", ("layers",))),
    (("operand_path", "host_bandwidth_bytes_per_s", "host_energy_j_per_bit"), ("mapping", ("tokens",))),
    (("host_bandwidth_bytes_per_s", "host_energy_j_per_bit"), ("operand_path", ("bus",))),
    (("ring_transfers", "link_energy_j_per_bit"), ("broadcast", ("bus",))),
    (("shifts",), ("units", ("hybrid", "near_bank"))),
    (("macs_per_cycle", "mac_energy_j"), ("units", ("hybrid", "in_memory"))),
    (("trees", "tree_inputs", "tree_energy_j_per_bit"), ("units", ("in_memory", "near_bank"))),
    (("aap_per_full_add",), ("units", ("near_bank",))),
)
"""Keys, and the choice beside which they have no effect."""


def _chosen(key: str, values: tuple[str, ...], config: Config) -> str:
    transpim = config.machine.transpim
    value = None if transpim is None else getattr(transpim, key)
    return f"machine.transpim.{key}={value} does not use it" if value in values else ""


def _no_port(config: Config) -> str:
    return (
        "machine.transpim computes in the banks: no data pass the port of the memory" if config.machine.transpim else ""
    )


_OF_THE_PORT = (
    *(f"machine.memory.{key}" for key in ("read_energy_j_per_bit", "write_energy_j_per_bit", "block_bytes")),
    *(f"machine.memory.dram.{key}" for key in ("read_energy_j_per_bit", "write_energy_j_per_bit", "scheduler")),
    *(f"machine.memory.dram.{key}" for key in ("turnaround_batch", "queue_depth", "page_policy", "chunk_bytes")),
    *(f"machine.memory.dram.{key}" for key in ("interleave_bytes", "mapping", "read_to_write_gap_s")),
    *(f"machine.memory.dram.{key}" for key in ("write_latency_s", "twr_s", "twtr_short_s", "twtr_long_s")),
)

TRANSPIM_RULES: tuple[tuple[tuple[str, ...], Callable[[Config], str], tuple[str, ...]], ...] = (
    *(
        (
            tuple(f"machine.transpim.{each}" for each in keys),
            partial(_chosen, choice, values),
            (f"machine.transpim.{choice}", "machine.transpim"),
        )
        for keys, (choice, values) in _UNUSED
    ),
    (_OF_THE_PORT, _no_port, ("machine.transpim",)),
)
"""Keys, why they have no effect (empty: they have one), and the keys on which that depends."""
