"""Sizes in the config.json of published models, and the published number of parameters of each.

A total is `safetensors.total` of the model on Hugging Face's hub, the total_size of its index in bytes divided by the
bytes of an element (MPT), or the number in the model card (StableLM 3B, GPT-NeoX) or in the tables of Pythia's authors.
The hub counts what is in the files: where a file has more than the parameters (the angles of the rotary embedding in
Llama 2, a second copy of a shared table in Qwen3-0.6B), another model of the family is listed. `COUNTED` has models
whose cards print a total of another form of the model; these are the parameters of the classes in transformers 5.24.
"""

from typing import Any


def _config(model_type: str, sizes: str, **others: Any) -> dict[str, Any]:
    keys = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    values = dict(zip((*keys, "vocab_size"), map(int, sizes.split()), strict=True))
    return {"model_type": model_type, **values, **others}


def _gpt(model_type: str, width: int, layers: int, heads: int, vocab: int, **others: Any) -> dict[str, Any]:
    return {
        "model_type": model_type,
        "n_embd": width,
        "n_layer": layers,
        "n_head": heads,
        "vocab_size": vocab,
        **others,
    }


LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
TIED = {"tie_word_embeddings": True}
GRANITE = {
    "attention_multiplier": 0.015625,
    "embedding_multiplier": 12.0,
    "logits_scaling": 8.0,
    "residual_multiplier": 0.22,
}
QWEN3 = {"head_dim": 128, "use_sliding_window": False, "attention_bias": False}
GEMMA2 = {"hidden_activation": "gelu_pytorch_tanh", "sliding_window": 4096}
GEMMA2 |= {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}
STABLELM = {"hidden_act": "silu", "partial_rotary_factor": 0.25}

TOTALS: dict[str, tuple[int, dict[str, Any]]] = {
    "openai-community/gpt2": (124_439_808, _gpt("gpt2", 768, 12, 12, 50257, n_positions=1024)),
    "meta-llama/Llama-3.1-8B": (8_030_261_248, _config("llama", "4096 14336 32 32 8 128256")),
    "meta-llama/Llama-3.1-405B": (405_853_388_800, _config("llama", "16384 53248 126 128 8 128256")),
    "meta-llama/Llama-3.2-1B": (
        1_235_814_400,
        _config("llama", "2048 8192 16 32 8 128256", head_dim=64, rope_scaling=LLAMA3_ROPE, **TIED),
    ),
    "mistralai/Mistral-7B-v0.1": (7_241_732_096, _config("mistral", "4096 14336 32 32 8 32000", sliding_window=4096)),
    "Qwen/Qwen2.5-0.5B": (494_032_768, _config("qwen2", "896 4864 24 14 2 151936", **TIED)),
    "Qwen/Qwen2.5-7B": (7_615_616_512, _config("qwen2", "3584 18944 28 28 4 152064")),
    "Qwen/Qwen3-4B": (4_022_468_096, _config("qwen3", "2560 9728 36 32 8 151936", **QWEN3, **TIED)),
    "Qwen/Qwen3-8B": (8_190_735_360, _config("qwen3", "4096 12288 36 32 8 151936", **QWEN3)),
    "microsoft/Phi-3-mini-4k-instruct": (
        3_821_079_552,
        _config("phi3", "3072 8192 32 32 32 32064", sliding_window=2047),
    ),
    "microsoft/phi-4": (14_659_507_200, _config("phi3", "5120 17920 40 40 10 100352", sliding_window=None)),
    "microsoft/Phi-4-mini-instruct": (
        3_836_021_760,
        _config("phi3", "3072 8192 32 24 8 200064", sliding_window=262144, partial_rotary_factor=0.75, **TIED),
    ),
    "google/gemma-2b": (2_506_172_416, _config("gemma", "2048 16384 18 8 1 256000", head_dim=256)),
    "google/gemma-2-2b": (2_614_341_888, _config("gemma2", "2304 9216 26 8 4 256000", head_dim=256, **GEMMA2)),
    "google/gemma-2-9b": (9_241_705_984, _config("gemma2", "3584 14336 42 16 8 256000", head_dim=256, **GEMMA2)),
    "google/gemma-2-27b": (27_227_128_320, _config("gemma2", "4608 36864 46 32 16 256000", head_dim=128, **GEMMA2)),
    "google/gemma-3-1b-it": (
        999_885_952,
        _config("gemma3_text", "1152 6912 26 4 1 262144", head_dim=256, sliding_window=512, sliding_window_pattern=6),
    ),
    "allenai/OLMo-1B-hf": (1_176_764_416, _config("olmo", "2048 8192 16 16 16 50304", clip_qkv=None, **TIED)),
    "allenai/OLMo-2-1124-7B": (7_298_617_344, _config("olmo2", "4096 11008 32 32 32 100352")),
    "allenai/OLMo-2-1124-13B": (13_716_198_400, _config("olmo2", "5120 13824 40 40 40 100352")),
    "stabilityai/stablelm-3b-4e1t": (2_795_443_200, _config("stablelm", "2560 6912 32 32 32 50304", **STABLELM)),
    "ibm-granite/granite-3.3-2b-instruct": (
        2_533_539_840,
        _config("granite", "2048 8192 40 32 8 49159", **GRANITE, **TIED),
    ),
    "ibm-granite/granite-3.3-8b-instruct": (
        8_170_864_640,
        _config("granite", "4096 12800 40 32 8 49159", **GRANITE, **TIED),
    ),
    "microsoft/bitnet-b1.58-2B-4T": (2_412_820_480, _config("bitnet", "2560 6912 30 20 5 128256", **TIED)),
    "microsoft/phi-2": (2_779_683_840, _config("phi", "2560 10240 32 32 32 51200", partial_rotary_factor=0.4)),
    "EleutherAI/gpt-neox-20b": (20_554_567_680, _config("gpt_neox", "6144 24576 44 64 64 50432", rotary_pct=0.25)),
    "EleutherAI/pythia-1.4b": (1_414_647_808, _config("gpt_neox", "2048 8192 24 16 16 50304", rotary_pct=0.25)),
    "mosaicml/mpt-7b": (
        6_649_286_656,
        {
            "model_type": "mpt",
            "d_model": 4096,
            "n_heads": 32,
            "n_layers": 32,
            "expansion_ratio": 4,
            "vocab_size": 50432,
            "learned_pos_emb": True,
            "attn_config": {"alibi": True, "attn_type": "multihead_attention", "clip_qkv": None, "qk_ln": False},
        },
    ),
}
COUNTED: dict[str, tuple[int, dict[str, Any]]] = {
    "EleutherAI/gpt-j-6b": (6_050_882_784, _gpt("gptj", 4096, 28, 16, 50400, n_inner=None, rotary_dim=64)),
    "bigcode/starcoder2-3b": (
        3_030_371_328,
        _config("starcoder2", "3072 12288 30 24 2 49152", use_bias=True, sliding_window=4096),
    ),
    "stabilityai/stablelm-2-1_6b": (
        1_644_515_328,
        _config("stablelm", "2048 5632 24 32 32 100352", use_qkv_bias=True, **STABLELM),
    ),
    "stabilityai/stablelm-2-12b": (
        12_143_185_920,
        _config("stablelm", "5120 13824 40 32 8 100352", qk_layernorm=True, use_parallel_residual=True, **STABLELM),
    ),
}

DEEPSEEK = {
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
}
MIXTURES: dict[str, tuple[int, str, str, dict[str, Any]]] = {
    "mistralai/Mixtral-8x7B-v0.1": (
        46_702_792_704,
        "46.7",
        "12.9",
        _config("mixtral", "4096 14336 32 32 8 32000", num_local_experts=8, num_experts_per_tok=2, sliding_window=None),
    ),
    "Qwen/Qwen1.5-MoE-A2.7B": (
        14_315_784_192,
        "14.3",
        "2.7",
        _config(
            "qwen2_moe",
            "2048 5632 24 16 16 151936",
            num_experts=60,
            num_experts_per_tok=4,
            moe_intermediate_size=1408,
            shared_expert_intermediate_size=5632,
            decoder_sparse_step=1,
        ),
    ),
    "Qwen/Qwen3-30B-A3B": (
        30_532_122_624,
        "30.5",
        "3.3",
        _config(
            "qwen3_moe",
            "2048 6144 48 32 4 151936",
            num_experts=128,
            num_experts_per_tok=8,
            moe_intermediate_size=768,
            mlp_only_layers=[],
            **QWEN3,
        ),
    ),
    "deepseek-ai/DeepSeek-V2": (
        235_741_434_880,
        "236",
        "21",
        _config(
            "deepseek_v2",
            "5120 12288 60 128 128 102400",
            n_routed_experts=160,
            n_shared_experts=2,
            num_experts_per_tok=6,
            moe_intermediate_size=1536,
            first_k_dense_replace=1,
            topk_method="group_limited_greedy",
            n_group=8,
            topk_group=3,
            **DEEPSEEK,
        ),
    ),
    "deepseek-ai/DeepSeek-V3": (
        671_026_404_352,
        "671",
        "37",
        _config(
            "deepseek_v3",
            "7168 18432 61 128 128 129280",
            n_routed_experts=256,
            n_shared_experts=1,
            num_experts_per_tok=8,
            moe_intermediate_size=2048,
            first_k_dense_replace=3,
            n_group=8,
            topk_group=4,
            **DEEPSEEK,
        ),
    ),
}
"""Mixtures of experts: parameters of the class in transformers 5.24, billions printed in card or paper (all, active),
and the config. Mixtral: arXiv:2401.04088, section 1; Qwen: the model cards; DeepSeek-V2: arXiv:2405.04434, abstract;
V3: arXiv:2412.19437, abstract."""
