"""What a KV cache keeps of latent attention: the formats and policies that it can have.

The latent of a token is its key and its value, so both have one format. It is quantised together with the rotated key,
so that an entry is one vector.

Reference:
    docs/experts.md, eq. (3); docs/kv-cache.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.kv_entries import HALF_BITS
from workloads.workload_errors import SpecError

if TYPE_CHECKING:
    from workloads.kv_cache import KvCacheSpec
    from workloads.models import ModelSpec


def check_cache(kv: KvCacheSpec, spec: ModelSpec) -> None:
    """Check that the cache of a model can have its formats and its policy.

    Args:
        kv: The cache.
        spec: The model.

    Raises:
        SpecError: If groups of channels do not divide an entry, or a model with latent attention gets a cache whose
            keys and values differ, whose scales cover several tokens, or that sums the attention of each head.
    """
    if spec.latent is None:
        kv.check_head(spec.d_head)
        return
    what = f"the latent attention of {spec.name} keeps one latent as key and value"
    if (kv.key_bits, kv.value_bits) != (kv.key_bits, kv.key_bits):
        raise SpecError(f"workload.kv.value_bits must be key_bits, {kv.key_bits}, not {kv.value_bits}: {what}")
    if kv.key_bits != HALF_BITS and kv.key_scales != kv.value_scales:
        raise SpecError(f"workload.kv.value_scales must be key_scales, {kv.key_scales}, not {kv.value_scales}: {what}")
    if kv.key.by_tokens:
        raise SpecError(
            f"workload.kv.key_scales must be per_token or per_group, not per_channel: {what}, and no group of tokens"
        )
    if kv.sums_attention:
        raise SpecError(
            f"workload.kv.keep must be all, recent or random, not {kv.keep}: {what}, for all heads together"
        )
    kv.check_head(spec.latent.cached)
