"""Catalog of the models that ship with pimsim. Apart from the configs, which take pydantic to read."""

from __future__ import annotations

from typing import Any

from workloads.models import load_models


def model_rows() -> list[dict[str, Any]]:
    """Return a table of the known models.

    Returns:
        One row per model: shape, experts, cached elements of latent attention, number of projection weights, bytes of
        KV cache per token, window, learned positions, notes, source and confidence.
    """
    return [
        {
            "name": spec.name,
            "aliases": list(spec.aliases),
            "layers": spec.layers,
            "heads": spec.heads,
            "kv_heads": spec.kv_heads,
            "d_model": spec.d_model,
            "d_head": spec.d_head,
            "d_ff": spec.d_ff,
            "vocab": spec.vocab,
            "gated": spec.gated,
            "experts": None if spec.experts is None else spec.experts.experts,
            "experts_per_token": None if spec.experts is None else spec.experts.per_token,
            "d_expert": None if spec.experts is None else spec.experts.d_expert,
            "latent_elements": None if spec.latent is None else spec.latent.cached,
            "projection_weights": spec.projection_weights,
            "kv_bytes_per_token": spec.kv_bytes_per_token(),
            "window": spec.window,
            "positions": spec.positions,
            "notes": list(spec.notes),
            "source": spec.source,
            "confidence": spec.confidence,
        }
        for spec in load_models().values()
    ]
