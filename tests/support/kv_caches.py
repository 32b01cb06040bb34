"""KV caches for tests."""

from __future__ import annotations

from workloads.kv_cache import KvCacheSpec


def of_bits(bits: int) -> KvCacheSpec:
    """Return a cache whose keys, values, queries and attention weights all have this width."""
    return KvCacheSpec(key_bits=bits, value_bits=bits, operand_bits=bits)
