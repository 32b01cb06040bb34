"""Classes of ops on a roofline: ops of one kind on one component, such as attention scores or the LM head."""

from __future__ import annotations

from collections.abc import Collection

from pimsim.steps.records import OpRecord

LM_HEAD = "LM head"

_OF_KIND = {
    **dict.fromkeys(("attention_scores", "latent_scores"), "attention scores"),
    **dict.fromkeys(("attention_values", "latent_values"), "attention values"),
    "softmax": "softmax",
    **dict.fromkeys(("kv_append", "latent_append"), "KV cache writes"),
    **dict.fromkeys(("latent_read", "scratch_write"), "expansion of latents"),
    **dict.fromkeys(("expert_choice", "expert_sum"), "choice and sum of experts"),
    **dict.fromkeys(("kv_evict", "kv_accumulate"), "choice of kept tokens"),
    "kv_move": "moves between KV tiers",
    "kv_recompute": "recomputation of keys and values",
    "kv_load": "loading the stored KV cache",
    "kv_prefetch": "prefetch of the KV cache",
    **dict.fromkeys(("norm", "rotary", "residual", "activation", "multiply"), "vector ops"),
    "embedding": "embedding",
    **dict.fromkeys(("quantise", "dequantise"), "quantisation passes"),
    "weight_swap": "weight swapping",
    "chip_link": "chip link",
}


def op_class(op: OpRecord, components: Collection[str], tile: str) -> str:
    """Return the class of an op.

    Args:
        op: The op.
        components: Names of the components that work for it.
        tile: Name of the tiles that hold weights.

    Returns:
        Name of the class; the kind of an op from outside the package.
    """
    if op.kind not in ("projection", "grouped_projection"):
        return _OF_KIND.get(op.kind, op.kind)
    if op.block == "lm_head":
        return LM_HEAD
    if tile in components:
        return "projections on crossbars"
    return "projections on the systolic array" if "systolic" in components else "projections"
