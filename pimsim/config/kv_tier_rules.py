"""Keys of the tiers of the KV cache that have no effect beside other keys, for `pimsim.config.ineffective_keys`."""

from __future__ import annotations

from collections.abc import Callable

from pimsim.config.schema import Config

_KEYS = "mapping.kv_tiers"


def _stored_elsewhere(config: Config) -> bool:
    return config.workload.trace is None and config.workload.phase == "decode"


def _stores_nothing(config: Config) -> str:
    if config.workload.trace is not None:
        return "workload.trace gives the ops, without stored tokens"
    return "" if config.workload.stored_tokens else "workload.stored_tokens=0 stores nothing"


def _when(condition: Callable[[Config], bool], reason: str) -> Callable[[Config], str]:
    return lambda config: reason if condition(config) else ""


KV_TIER_RULES: tuple[tuple[tuple[str, ...], Callable[[Config], str], tuple[str, ...]], ...] = (
    (
        (f"{_KEYS}.",),
        _when(lambda config: not config.machine.kv_tiers, "machine.kv_tiers=[] keeps the KV cache in machine.memory"),
        ("machine.kv_tiers",),
    ),
    (
        ("workload.stored_tokens", f"{_KEYS}.stored_in"),
        _when(_stored_elsewhere, "workload.phase=decode has no prompt, of which tokens could be stored (--phase)"),
        ("workload.phase", "workload.trace"),
    ),
    ((f"{_KEYS}.stored_in",), _stores_nothing, ("workload.stored_tokens", "workload.trace")),
    (
        (f"{_KEYS}.recompute_fraction",),
        _when(
            lambda config: config.workload.trace is None and config.workload.phase == "prefill",
            "workload.phase=prefill computes all keys and values once; decode steps recompute them",
        ),
        ("workload.phase", "workload.trace"),
    ),
    (
        tuple(f"{_KEYS}.{key}" for key in ("place", "writes", "prefetch_buffers", "recompute_fraction")),
        _when(
            lambda config: len(config.machine.kv_tiers) == 1, "machine.kv_tiers has one tier, which has the whole cache"
        ),
        ("machine.kv_tiers",),
    ),
    (
        (f"{_KEYS}.writes",),
        _when(lambda config: config.mapping.kv_tiers.place == "layer", f"{_KEYS}.place=layer moves no tokens"),
        (f"{_KEYS}.place",),
    ),
    (
        (f"{_KEYS}.reserve_tokens",),
        _when(lambda config: config.mapping.kv_tiers.place == "age", f"{_KEYS}.place=age has no layers as a whole"),
        (f"{_KEYS}.place",),
    ),
)
"""Keys, the function that returns why they have no effect, and the keys on which that depends."""
