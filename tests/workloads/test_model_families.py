"""Features of each family beside its sizes: norms, windows, caps, parallel blocks, and what a file may say of them."""

from pathlib import Path
from typing import Any

import pytest

from tests.workloads.model_configs import read, refusal, without
from tests.workloads.published_configs import BITNET_2B_4T, BITNET_3B, LLAMA_2_7B
from tests.workloads.published_totals import COUNTED, TOTALS
from workloads.models import ModelSpec

CONFIGS = {name.rpartition("/")[2]: config for name, (_, config) in (TOTALS | COUNTED).items()}
PLAIN = {
    "norm": "rmsnorm",
    "norm_order": "before",
    "qk_norms": "none",
    "sub_norms": False,
    "projection_norms": False,
    "parallel": False,
    "shared_norm": False,
    "score_cap": False,
    "logit_cap": False,
    "window": None,
    "position": "rotary",
    "gated": True,
}
LAYER_NORM = {"norm": "layernorm"}
PARALLEL = LAYER_NORM | {"parallel": True, "gated": False}
GEMMA2 = {"norm_order": "both", "score_cap": True, "logit_cap": True, "window": (4096, None) * 13}
GEMMA3 = {"norm_order": "both", "qk_norms": "heads", "window": ((512,) * 5 + (None,)) * 4 + (512,) * 2}
OLMO3 = CONFIGS["OLMo-2-1124-7B"] | {"model_type": "olmo3"}
USE_RMS_NORM = {"quantization_config": {"quant_method": "bitnet", "use_rms_norm": True}}


def features(spec: ModelSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in PLAIN}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (CONFIGS["Qwen3-8B"], {"qk_norms": "heads"}),
        (
            CONFIGS["Qwen3-8B"] | {"use_sliding_window": True, "max_window_layers": 0},
            {"qk_norms": "heads", "window": 4096},
        ),
        (CONFIGS["Phi-3-mini-4k-instruct"], {"window": 2047}),
        (CONFIGS["phi-4"], {}),
        (without(CONFIGS["phi-4"], "sliding_window"), {}),  # None in the class
        (CONFIGS["gemma-2b"], {}),
        (CONFIGS["gemma-2-2b"], GEMMA2),
        (without(CONFIGS["gemma-2-2b"], "attn_logit_softcapping"), GEMMA2),  # 50 in the class
        (CONFIGS["gemma-2-2b"] | {"attn_logit_softcapping": None}, GEMMA2 | {"score_cap": False}),
        (CONFIGS["gemma-2-2b"] | {"layer_types": ["full_attention"] * 26}, GEMMA2 | {"window": None}),
        (CONFIGS["gemma-3-1b-it"], GEMMA3),
        (without(CONFIGS["gemma-3-1b-it"], "sliding_window_pattern"), GEMMA3),  # 6 in the class
        (CONFIGS["OLMo-1B-hf"], LAYER_NORM),
        (CONFIGS["OLMo-2-1124-7B"], {"norm_order": "after", "qk_norms": "whole"}),
        (OLMO3, {"norm_order": "after", "qk_norms": "whole", "window": ((4096,) * 3 + (None,)) * 8}),
        (CONFIGS["stablelm-3b-4e1t"], LAYER_NORM),
        (CONFIGS["stablelm-2-12b"], LAYER_NORM | {"parallel": True, "shared_norm": True, "qk_norms": "heads"}),
        (CONFIGS["granite-3.3-2b-instruct"], {}),
        (CONFIGS["gpt-neox-20b"], PARALLEL),
        (CONFIGS["phi-2"], PARALLEL | {"shared_norm": True}),
        (CONFIGS["phi-2"] | {"qk_layernorm": True}, PARALLEL | {"shared_norm": True, "qk_norms": "heads"}),
        (CONFIGS["starcoder2-3b"], LAYER_NORM | {"gated": False, "window": 4096}),
        (CONFIGS["gpt-j-6b"], PARALLEL | {"shared_norm": True}),
        (CONFIGS["mpt-7b"], LAYER_NORM | {"gated": False, "position": "alibi"}),
        (LLAMA_2_7B | USE_RMS_NORM, {"projection_norms": True}),  # Falcon-E
        (LLAMA_2_7B | {"quantization_config": {"quant_method": "bitnet", "use_rms_norm": False}}, {}),
        (BITNET_2B_4T, {"sub_norms": True}),
        (BITNET_2B_4T | {"use_sub_norms": False}, {}),
        (BITNET_3B, {"sub_norms": True}),
    ],
)
def test_features(config: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    assert features(read(tmp_path, config)) == PLAIN | expected


@pytest.mark.parametrize(
    ("config", "d_rotary"),
    [
        (CONFIGS["pythia-1.4b"], 32),  # a quarter of 128
        (without(CONFIGS["pythia-1.4b"], "rotary_pct"), 32),
        (CONFIGS["pythia-1.4b"] | {"rotary_pct": 1.0}, None),
        (without(CONFIGS["pythia-1.4b"], "rotary_pct") | {"rope_parameters": {"partial_rotary_factor": 1.0}}, None),
        (CONFIGS["gpt-j-6b"], 64),
        (without(CONFIGS["gpt-j-6b"], "rotary_dim"), 64),
        (CONFIGS["gpt-j-6b"] | {"rotary_dim": None}, None),
        (CONFIGS["gpt-j-6b"] | {"rotary_dim": 256}, None),  # the whole head
        (CONFIGS["stablelm-3b-4e1t"], 20),  # a quarter of 80
        (CONFIGS["phi-2"], 32),  # 0.4 of 80
        (without(CONFIGS["phi-2"], "partial_rotary_factor"), 40),
        (CONFIGS["Phi-4-mini-instruct"], 96),
        (CONFIGS["Llama-3.1-8B"], None),
        (CONFIGS["Llama-3.1-8B"] | {"rope_scaling": {"partial_rotary_factor": 0.5}}, 64),
        (CONFIGS["mpt-7b"], None),
        (CONFIGS["gpt2"], None),
    ],
)
def test_rotated_elements_of_a_head(config: dict[str, Any], d_rotary: int | None, tmp_path: Path) -> None:
    assert read(tmp_path, config).d_rotary == d_rotary


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (without(CONFIGS["Qwen3-8B"], "head_dim"), "head_dim is missing"),  # 128 in the class, whatever the width
        (without(CONFIGS["gemma-3-1b-it"], "sliding_window"), "sliding_window is missing"),
        (CONFIGS["gemma-2-2b"] | {"attn_logit_softcapping": 0}, "attn_logit_softcapping must be a number from 0.001"),
        (CONFIGS["gemma-3-1b-it"] | {"sliding_window_pattern": 0}, "sliding_window_pattern must be an integer from 1"),
        (CONFIGS["stablelm-2-12b"] | {"qk_layernorm": "yes"}, "qk_layernorm must be true or false, not 'yes'"),
        (LLAMA_2_7B | {"quantization_config": {"use_rms_norm": 1}}, "quantization_config.use_rms_norm must be true or"),
        (BITNET_2B_4T | {"use_sub_norms": 0}, "use_sub_norms must be true or false, not 0"),
        (
            CONFIGS["phi-2"] | {"partial_rotary_factor": 2},
            "partial_rotary_factor must be a number from 1e-06 to 1, not 2",
        ),
        (
            CONFIGS["phi-4"] | {"rope_scaling": {"partial_rotary_factor": "x"}},
            "rope_scaling.partial_rotary_factor must",
        ),
        (CONFIGS["gpt-j-6b"] | {"rotary_dim": 257}, "rotary_dim must be an integer from 1 to 256, not 257"),
        (CONFIGS["mpt-7b"] | {"expansion_ratio": 3}, "expansion_ratio must be 4, not 3"),
        (CONFIGS["mpt-7b"] | {"attn_config": {"alibi": False}}, "attn_config.alibi must be true, not False"),
        (CONFIGS["mpt-7b"] | {"attn_config": "torch"}, "attn_config must be an object, not 'torch'"),
    ],
)
def test_wrong_features_are_named(config: dict[str, Any], message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, config)
