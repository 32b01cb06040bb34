"""Make the tiny checkpoints and logits under tests/data/transformers/ with transformers, which nothing else needs.

    pip install "torch==2.13.*" "transformers==5.24.*" safetensors accelerate
    python tests/reference/make_transformers_logits.py [FOLDER [SEED]]

One folder a family: what `save_pretrained` writes, and logits.npz: for each sequence of token ids tokens_<n> the
logits_<n> [tokens, vocab], in float32 on the CPU. For the families of SINKS also sinks.npz, likewise with a mask that
hides all but the first tokens and the newest ones. versions.json says what made them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # the same functions, not compiled: no compiler is needed
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
import transformers
from transformers import (
    BitNetConfig,
    BitNetForCausalLM,
    DeepseekV2Config,
    DeepseekV2ForCausalLM,
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
)
from transformers.integrations.bitnet import WeightQuant, pack_weights, replace_with_bitnet_linear
from transformers.utils.quantization_config import BitNetQuantConfig

FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "data" / "transformers"
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
PLAIN_SEED = SEED + 2
"""Seed of BitNets without sub-norms. With others an activation may lie in the middle between two codes to 15 digits,
where two correct programs round differently."""
LENGTHS = (1, 7, 24)
VOCAB = 48
SINKS = {"gpt2": (1, 4), "llama": (2, 5), "mistral": (3, 4)}
"""First tokens and newest tokens that a query sees, its own included."""
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
ROTARY = {
    **TOKENS,
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
GPT2 = GPT2Config(**TOKENS, vocab_size=VOCAB, n_embd=32, n_layer=2, n_head=4, n_positions=64)
OPT = OPTConfig(
    **TOKENS,
    vocab_size=VOCAB,
    hidden_size=32,
    ffn_dim=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=64,
)
THETA = {"rope_type": "default", "rope_theta": 5000.0}
EXTENDED = {  # the wavelengths 6, 53, 444 and 3733 of a head of 8: one kept, one mixed, two divided
    "rope_type": "llama3",
    "rope_theta": 5000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 12}
LATENTS = {"kv_lora_rank": 12, "qk_nope_head_dim": 6, "qk_rope_head_dim": 4, "v_head_dim": 8}
MANY = ROTARY | {"num_key_value_heads": 4, "intermediate_size": 40} | EXPERTS | LATENTS
GROUPS = {"n_routed_experts": 8, "n_group": 4, "topk_group": 2, "first_k_dense_replace": 1}
FAMILIES = {
    "gpt2": (GPT2LMHeadModel, GPT2),
    "opt": (OPTForCausalLM, OPT),
    "llama": (LlamaForCausalLM, LlamaConfig(**ROTARY, rope_parameters=THETA, attention_bias=True)),
    "llama_extended": (
        LlamaForCausalLM,
        LlamaConfig(**ROTARY | {"max_position_embeddings": 128}, rope_parameters=EXTENDED),
    ),
    "mistral": (MistralForCausalLM, MistralConfig(**ROTARY, sliding_window=None, head_dim=16)),
    "mistral_window": (MistralForCausalLM, MistralConfig(**ROTARY, sliding_window=6, head_dim=16)),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**ROTARY, tie_word_embeddings=True)),
    "mixtral": (
        MixtralForCausalLM,
        MixtralConfig(
            **ROTARY | {"intermediate_size": 24}, num_local_experts=4, num_experts_per_tok=2, rope_parameters=THETA
        ),
    ),
    "qwen2_moe": (
        Qwen2MoeForCausalLM,
        Qwen2MoeConfig(
            **ROTARY | {"num_hidden_layers": 3} | EXPERTS,
            num_experts=5,
            shared_expert_intermediate_size=20,
            decoder_sparse_step=1,
            mlp_only_layers=[1],
            norm_topk_prob=False,
        ),
    ),
    "deepseek_v2": (
        DeepseekV2ForCausalLM,
        DeepseekV2Config(
            **MANY | GROUPS,
            q_lora_rank=None,
            topk_method="group_limited_greedy",
            n_shared_experts=2,
            routed_scaling_factor=1.5,
        ),
    ),
    "deepseek_v3": (
        DeepseekV3ForCausalLM,
        DeepseekV3Config(**MANY | GROUPS, q_lora_rank=16, n_shared_experts=1, routed_scaling_factor=2.5),
    ),
    "qwen2_window": (
        Qwen2ForCausalLM,
        Qwen2Config(**ROTARY, tie_word_embeddings=True, use_sliding_window=True, sliding_window=5, max_window_layers=1),
    ),
}
BITNET = {
    "bitnet_online": BitNetQuantConfig(linear_class="autobitlinear", quantization_mode="online"),
    "bitnet_packed": BitNetQuantConfig(linear_class="autobitlinear", quantization_mode="offline"),
    "bitnet_bitlinear": BitNetQuantConfig(linear_class="bitlinear", quantization_mode="offline"),
    "bitnet_plain": BitNetQuantConfig(linear_class="autobitlinear", quantization_mode="offline"),
    "falcon_e": BitNetQuantConfig(
        linear_class="autobitlinear", quantization_mode="offline", use_rms_norm=True, rms_norm_eps=1e-3
    ),
}
WITHOUT_SUB_NORMS = ("bitnet_plain", "falcon_e")
"""BitNets whose layers are those of LLaMA; BitNetForCausalLM of transformers 5.24 always has sub-norms."""


def randomise(model: torch.nn.Module, seed: int = SEED) -> None:
    """Make every parameter matter: biases that are not 0, norms that are not 1, projections large enough."""
    torch.manual_seed(seed)
    for name, parameter in model.named_parameters():
        spread = 0.3 if parameter.ndim > 1 else 0.2
        norm = "norm" in name or "ln_" in name or "layernorm" in name
        mean = 1.0 if norm and name.endswith("weight") else 0.0
        parameter.data = mean + spread * torch.randn(parameter.shape)
    for name, buffer in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            buffer.data = 0.2 * torch.randn(buffer.shape)


def save(model: torch.nn.Module, family: str, folder: Path) -> None:
    """Write the model and its logits."""
    home = folder / family
    model.eval()
    model.save_pretrained(home)
    (home / "generation_config.json").unlink(missing_ok=True)
    save_logits(model, home / "logits.npz")
    if family in SINKS:
        save_logits(model, home / "sinks.npz", SINKS[family])


def save_logits(model: torch.nn.Module, file: Path, sinks: tuple[int, int] | None = None) -> None:
    """Write the logits of random tokens; with `sinks`, under the mask of StreamingLLM at the original positions."""
    with torch.no_grad():
        generator = torch.Generator().manual_seed(SEED + 1)
        arrays = {}
        for number, length in enumerate(LENGTHS):
            tokens = torch.randint(3, VOCAB, (1, length), generator=generator)
            mask = torch.ones_like(tokens) if sinks is None else kept_mask(length, *sinks)
            arrays[f"tokens_{number}"] = tokens[0].numpy().astype(np.int64)
            arrays[f"logits_{number}"] = model(tokens, attention_mask=mask).logits[0].numpy()
    np.savez(file, **arrays)


def kept_mask(length: int, first: int, newest: int) -> torch.Tensor:
    """Return the additive mask of a cache that keeps the first and the newest tokens, [1, 1, length, length]."""
    query, key = torch.arange(length)[:, None], torch.arange(length)[None]
    seen = (key <= query) & ((key < first) | (key > query - newest))
    return torch.where(seen, 0.0, torch.finfo(torch.float32).min)[None, None]


def bitnet(family: str, config: BitNetQuantConfig) -> torch.nn.Module:
    """Return a BitNet whose projections are the same ternary weights in each of the three ways to keep them."""
    plain = family in WITHOUT_SUB_NORMS
    rotary = {"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}, "hidden_act": "relu2"}
    shape = LlamaConfig(**ROTARY, **rotary, rms_norm_eps=1e-5) if plain else BitNetConfig(**ROTARY, **rotary)
    shape.tie_word_embeddings = True
    model = (LlamaForCausalLM(shape) if plain else BitNetForCausalLM(shape)).float()
    randomise(model, PLAIN_SEED if plain else SEED)
    model.tie_weights()
    floats = {name: parameter.data.clone() for name, parameter in model.named_parameters() if "_proj" in name}
    replace_with_bitnet_linear(model, modules_to_not_convert=["lm_head"], quantization_config=config)
    torch.manual_seed(PLAIN_SEED)
    for name, weight in floats.items():
        module = model.get_submodule(name.removesuffix(".weight"))
        if config.use_rms_norm:
            module.rms_norm.weight = torch.nn.Parameter(1 + 0.2 * torch.randn(module.in_features))
        if config.quantization_mode == "online":
            module.weight = torch.nn.Parameter(weight, requires_grad=False)
            continue
        scale = weight.abs().mean().clamp(min=1e-5)
        codes = (weight / scale).round().clamp(-1, 1)
        assert torch.allclose(codes * scale, WeightQuant.apply(weight))
        if config.linear_class == "bitlinear":  # divides by its scale
            module.weight = torch.nn.Buffer(pack_weights(codes))
            module.weight_scale = torch.nn.Buffer((1 / scale).reshape(1))
        else:  # multiplies by it; computes with floats, keeps bytes
            module.weight = torch.nn.Parameter(codes, requires_grad=False)
            module.weight_scale = torch.nn.Buffer(scale.reshape(1))
    model.config.quantization_config = config
    return model


def save_bitnet(family: str, config: BitNetQuantConfig, folder: Path) -> None:
    """Write a BitNet as microsoft/bitnet-b1.58-2B-4T is written, where transformers does not pack by itself."""
    from safetensors.torch import load_file, save_file

    save(bitnet(family, config), family, folder)
    home = folder / family
    if family in ("bitnet_packed", *WITHOUT_SUB_NORMS):
        file = home / "model.safetensors"
        tensors = load_file(file)
        for name in tensors:
            if "_proj.weight" in name and not name.endswith("_scale"):
                tensors[name] = pack_weights(tensors[name].clone())
        save_file(tensors, file, metadata={"format": "pt"})
    values = json.loads((home / "config.json").read_text())
    values["quantization_config"] = {
        "quant_method": "bitnet",
        "linear_class": config.linear_class,
        "quantization_mode": config.quantization_mode,
        "modules_to_not_convert": ["lm_head"],
    }
    if family == "bitnet_plain":
        values |= {"model_type": "bitnet", "architectures": ["BitNetForCausalLM"], "use_sub_norms": False}
    if config.use_rms_norm:
        values["quantization_config"] |= {"use_rms_norm": True, "rms_norm_eps": config.rms_norm_eps}
    (home / "config.json").write_text(json.dumps(values, indent=2) + "\n")


def main(folder: Path = FOLDER) -> None:
    """Write everything."""
    for family, (model_class, config) in FAMILIES.items():
        config._attn_implementation = "eager"
        model = model_class(config).float()
        randomise(model)
        model.tie_weights()
        save(model, family, folder)
    for family, config in BITNET.items():
        save_bitnet(family, config, folder)
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "numpy": np.__version__}
    (folder / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")


if __name__ == "__main__":
    main()
