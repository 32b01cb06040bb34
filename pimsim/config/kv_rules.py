"""Keys of the KV cache that have no effect beside other keys, for `pimsim.config.ineffective_keys`."""

from __future__ import annotations

from collections.abc import Callable

from pimsim.config.schema import Config
from workloads.kv_cache import Part
from workloads.kv_entries import HALF_BITS

KV = "workload.kv"


def _keeps(policy: str, reason: str) -> Callable[[Config], str]:
    return lambda config: f"{KV}.keep={policy} {reason}" if config.workload.kv.keep == policy else ""


def _each_has_its_scale(config: Config) -> str:
    kv = config.workload.kv.spec()
    coded = [each.scales for each in (kv.key, kv.value) if each.bits != HALF_BITS]
    if any(scales != "per_token" for scales in coded):
        return ""
    if not coded:
        return _both_half(config)
    return (
        f"no keys or values have scales that are shared: with {KV}.key_scales and value_scales per_token each of a "
        f"head has its own, and entries of {HALF_BITS} bits have none"
    )


def _half(part: Part) -> Callable[[Config], str]:
    def because(config: Config) -> str:
        half = config.workload.kv.spec().entry(part).bits == HALF_BITS
        return f"{KV}.{part}_bits={HALF_BITS} are float16 numbers, which have no scales" if half else ""

    return because


def _both_half(config: Config) -> str:
    kv = config.workload.kv
    if (kv.key_bits, kv.value_bits) != (HALF_BITS, HALF_BITS):
        return ""
    return f"{KV}.key_bits and value_bits={HALF_BITS} are float16 numbers, which have no scales"


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
    (
        (f"{KV}.group_size",),
        _each_has_its_scale,
        tuple(f"{KV}.{key}" for key in ("key_scales", "value_scales", "key_bits", "value_bits")),
    ),
    ((f"{KV}.key_scales",), _half("key"), (f"{KV}.key_bits",)),
    ((f"{KV}.value_scales",), _half("value"), (f"{KV}.value_bits",)),
    ((f"{KV}.scale_bits",), _both_half, (f"{KV}.key_bits", f"{KV}.value_bits")),
)
"""Keys, why they have no effect (empty: they have one), and the keys on which that depends."""
