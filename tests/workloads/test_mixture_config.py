"""Experts and latents of config.json files: shapes of published models, and sizes that do not match."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workloads.model_configs import read, refusal, shape, without
from tests.workloads.published_totals import MIXTURES
from workloads.models import find_model

QWEN15, QWEN3, MIXTRAL = "Qwen/Qwen1.5-MoE-A2.7B", "Qwen/Qwen3-30B-A3B", "mistralai/Mixtral-8x7B-v0.1"
V2, V3 = "deepseek-ai/DeepSeek-V2", "deepseek-ai/DeepSeek-V3"


def config(name: str) -> dict[str, Any]:
    return MIXTURES[name][3]


@pytest.mark.parametrize(
    ("name", "shipped"),
    [(MIXTRAL, "mixtral-8x7b"), (QWEN3, "qwen3-30b-a3b"), (V2, "deepseek-v2"), (V3, "deepseek-v3")],
)
def test_shipped_shapes_are_those_of_the_files(name: str, shipped: str, tmp_path: Path) -> None:
    found, wanted = (without(shape(spec), "notes") for spec in (read(tmp_path, config(name)), find_model(shipped)))
    assert found == wanted


def test_shared_experts(tmp_path: Path) -> None:
    """Qwen has one of a width of its own, with a gate; DeepSeek-V2 two, each as wide as the others."""
    qwen, deepseek = (read(tmp_path, config(name)).experts for name in (QWEN15, V2))
    assert qwen is not None
    assert deepseek is not None
    assert (qwen.d_shared, qwen.shared_gate) == (5632, True)
    assert (deepseek.d_shared, deepseek.shared_gate) == (2 * 1536, False)


@pytest.mark.parametrize(
    ("change", "dense"),
    [
        ({}, ()),
        ({"decoder_sparse_step": 2}, tuple(range(0, 24, 2))),
        ({"mlp_only_layers": [3, 23, 40]}, (3, 23)),
        ({"decoder_sparse_step": 12, "mlp_only_layers": [11]}, tuple(range(23))),
    ],
)
def test_layers_without_experts(change: dict[str, Any], dense: tuple[int, ...], tmp_path: Path) -> None:
    experts = read(tmp_path, config(QWEN15) | change).experts
    assert experts is not None
    assert experts.dense_layers == dense


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (MIXTRAL, {"num_experts_per_tok": 9}, "num_experts_per_tok must be at most num_local_experts, 8, not 9"),
        (MIXTRAL, {"num_local_experts": "8"}, "num_local_experts must be an integer from 1 to 65536, not '8'"),
        (QWEN15, {"mlp_only_layers": ["0"]}, "mlp_only_layers must be an integer from 0 to 9999"),
        (QWEN15, {"mlp_only_layers": list(range(24))}, "num_experts is 60, but none of the 24 layers has experts"),
        (QWEN15, {"use_sliding_window": True}, "use_sliding_window must be false: windows in Qwen's mixtures"),
        (
            V3,
            {"num_key_value_heads": 64},
            "num_key_value_heads must be num_attention_heads, 128, with latent attention",
        ),
        (V3, {"kv_lora_rank": 0}, "kv_lora_rank must be an integer from 1 to 16777216, not 0"),
        (V3, {"head_dim": 128}, "head_dim must be qk_rope_head_dim, 64, not 128"),
        (V3, {"qk_head_dim": 128}, "qk_head_dim must be qk_nope_head_dim + qk_rope_head_dim, 192, not 128"),
        (V3, {"qk_rope_head_dim": 63}, "qk_rope_head_dim must be even, since pairs are rotated, not 63"),
        (V3, {"first_k_dense_replace": -1}, "first_k_dense_replace must be an integer from 0 to 10000, not -1"),
    ],
)
def test_sizes_that_do_not_match(name: str, change: dict[str, Any], message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, config(name) | change)


def test_no_latent_of_the_queries_is_stated(tmp_path: Path) -> None:
    assert "q_lora_rank is missing; null means that one matrix" in refusal(tmp_path, without(config(V2), "q_lora_rank"))
    latent = read(tmp_path, config(V2) | {"q_lora_rank": None}).latent
    assert latent is not None
    assert latent.q_rank is None
