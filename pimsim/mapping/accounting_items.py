"""Names of the items of an accounting, and the item to which the ops of each kind belong."""

from __future__ import annotations

LM_HEAD, EMBEDDING, QUANTISATION, ATTENTION = "LM head", "embedding", "quantisation passes", "attention"
KV_STEPS, MASKED_FOLDS = "steps of the KV cache", "masked folds of attention"
LOADING = "loading the weights once"

_OF_KIND = {
    **dict.fromkeys(("projection", "grouped_projection"), "projections"),
    **dict.fromkeys(("attention_scores", "softmax", "attention_values", "latent_scores", "latent_values"), ATTENTION),
    **dict.fromkeys(("kv_append", "latent_append"), "KV cache writes"),
    **dict.fromkeys(("latent_read", "scratch_write"), "expansion of latents"),
    **dict.fromkeys(("expert_choice", "expert_sum"), "choice and sum of experts"),
    "kv_move": "moves between KV tiers",
    "kv_recompute": "recomputation of keys and values",
    "kv_load": "loading the stored KV cache",
    "kv_prefetch": "prefetch of the KV cache",
    **dict.fromkeys(("kv_evict", "kv_accumulate"), "choice of kept tokens"),
    **dict.fromkeys(("norm", "rotary", "residual", "activation", "multiply"), "vector ops"),
    "embedding": EMBEDDING,
    **dict.fromkeys(("quantise", "dequantise"), QUANTISATION),
    "weight_swap": "weight swapping",
    "fault_test": "fault test",
    "weight_load": "streaming and programming the weights",
    "calibration": "calibration with sample vectors",
    "chip_link": "chip link",
}
LEFT_OUT_ORDER = (LM_HEAD, EMBEDDING, QUANTISATION, KV_STEPS)
"""Items that a trace can leave out, in the order of reports."""


def item_of_kind(kind: str) -> str:
    """Return the item to which an op of a kind belongs, whatever its block.

    Args:
        kind: Kind of the op.

    Returns:
        Name of the item; the kind itself if it is not known.
    """
    return _OF_KIND.get(kind, kind)
