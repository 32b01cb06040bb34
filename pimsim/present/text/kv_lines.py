"""What the KV cache of a config keeps, in words."""

from __future__ import annotations

from pimsim.base.errors import printable
from pimsim.config.schema import KvConfig
from workloads.kv_entries import HALF_BITS

_NAME_CHARS = 60


def kv_text(kv: KvConfig) -> str:
    """Describe the KV cache of a config in one line.

    Args:
        kv: Section `workload.kv`.

    Returns:
        Formats of keys and values, and the tokens that are kept.
    """
    keys, values = (
        _entries(bits, scales, kv) for bits, scales in ((kv.key_bits, kv.key_scales), (kv.value_bits, kv.value_scales))
    )
    formats = f"keys and values {keys}" if keys == values else f"keys {keys}, values {values}"
    return f"KV cache: {formats}; {_tokens(kv)}"


def _entries(bits: int, scales: str, kv: KvConfig) -> str:
    if bits == HALF_BITS:
        return "of 16 bits (float16)"
    step = f"a {kv.scale_bits}-bit step" if kv.scale_bits else "a step, not counted,"
    shared = {
        "per_token": f"{step} for each token and head",
        "per_group": f"{step} and zero point for {kv.group_size} channels of a token",
        "per_channel": f"{step} and zero point for each channel of {kv.group_size} tokens",
    }
    return f"of {bits} bits with {shared[scales]}"


def _tokens(kv: KvConfig) -> str:
    spec = kv.spec()
    sinks = f"the first {kv.sinks:,}, " if kv.sinks else ""
    if kv.keep == "all":
        return "all tokens"
    if kv.keep == "recent":
        return f"{sinks}and the newest {spec.newest:,} tokens" if sinks else f"the newest {spec.newest:,} tokens"
    chosen = {"heavy_hitters": "those with the most attention", "random": "random ones"}.get(kv.keep)
    if chosen is None:
        return f"tokens of the policy {printable(kv.keep, _NAME_CHARS)}"
    return f"{sinks}the newest {spec.newest:,} and {chosen}, up to {kv.budget:,} tokens of each head"
