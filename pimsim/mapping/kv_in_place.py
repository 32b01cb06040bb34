"""Attention in place: which ops a unit at the KV cache computes, and what of the cache it can multiply."""

from __future__ import annotations

from pimsim.base.errors import WorkloadInputError
from pimsim.config.schema import Config
from pimsim.hardware.component import ceil_div
from workloads.latent_ops import LatentScores, LatentValues
from workloads.ops import AttentionMatmul, AttentionScores, Op


def attention_unit(config: Config, op: Op) -> str:
    """Return the component that computes an attention matmul.

    Args:
        config: Its `mapping.attention`.
        op: The op.

    Returns:
        "near_memory" or "sram_cim" for the tokens of a decode step; "systolic" for those of a prefill, which multiply
        each entry by many queries, and for keys and values that are computed from latents, which are not in the cache.
    """
    in_place = isinstance(op, AttentionMatmul) and op.queries == 1 and not is_expanded(op)
    return config.mapping.attention if in_place else "systolic"


def is_expanded(op: AttentionMatmul) -> bool:
    """Return whether an op multiplies keys or values that its pass has computed from latents.

    Args:
        op: The matmul.

    Returns:
        False if it multiplies entries of the cache.
    """
    return isinstance(op, LatentScores | LatentValues) and op.expanded


def element_bytes(op: AttentionMatmul) -> int:
    """Return the size of the cached elements that an op multiplies, without their scales.

    Args:
        op: The matmul.

    Returns:
        Bytes of all KV heads and sequences.
    """
    return ceil_div(op.matmuls * op.entries * op.d_head * op.bits, 8)


def scale_bytes(op: AttentionMatmul) -> int:
    """Return the size of the scales that an op reads.

    Args:
        op: The matmul.

    Returns:
        Bytes of all KV heads and sequences.
    """
    return max(0, op.kv_bytes - element_bytes(op))


def check_in_place(config: Config, op: AttentionMatmul) -> None:
    """Check that the cached elements are operands as they lie in the cache.

    Args:
        config: Its `mapping.attention` names the unit.
        op: The matmul.

    Raises:
        WorkloadInputError: If the elements must be converted before they are multiplied.
    """
    if op.convert_passes or op.bits > 8:
        part = "key" if isinstance(op, AttentionScores) else "value"
        raise WorkloadInputError(
            f"op {op.name!r}: mapping.attention={config.mapping.attention} multiplies the codes of the KV cache where "
            f"they lie, but its {op.bits}-bit {part}s are converted before use; set workload.kv.{part}_bits to at most "
            f"workload.kv.operand_bits and {part}_scales to per_token, or mapping.attention to systolic"
        )
