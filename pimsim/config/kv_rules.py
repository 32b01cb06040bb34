"""Keys of the KV cache that have no effect beside other keys, for `pimsim.config.ineffective_keys`."""

from __future__ import annotations

from collections.abc import Callable

from pimsim.config.schema import Config

KV = "workload.kv"


def _keeps(policy: str, reason: str) -> Callable[[Config], str]:
    return lambda config: f"{KV}.keep={policy} {reason}" if config.workload.kv.keep == policy else ""


def _each_has_its_scale(config: Config) -> str:
    kv = config.workload.kv
    if {kv.key_scales, kv.value_scales} != {"per_token"}:
        return ""
    return f"{KV}.key_scales and value_scales are per_token: each key and each value of a head has a scale of its own"


KV_RULES: tuple[tuple[tuple[str, ...], Callable[[Config], str], tuple[str, ...]], ...] = (
    (
        tuple(f"{KV}.{key}" for key in ("sinks", "recent", "budget", "seed")),
        _keeps("all", "keeps every token; recent, heavy_hitters and random drop tokens"),
        (f"{KV}.keep",),
    ),
    (
        (f"{KV}.budget", f"{KV}.seed"),
        _keeps("recent", f"keeps {KV}.sinks and {KV}.recent tokens"),
        (f"{KV}.keep",),
    ),
    ((f"{KV}.seed",), _keeps("heavy_hitters", "keeps what got the most attention"), (f"{KV}.keep",)),
    ((f"{KV}.group_size",), _each_has_its_scale, (f"{KV}.key_scales", f"{KV}.value_scales")),
)
"""Keys, why they have no effect (empty: they have one), and the keys on which that depends."""
