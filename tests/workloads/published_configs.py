"""Contents of published config.json files, without keys that do not affect the shape (dropout, token ids, ...).

bitnet_b1_58-3B was read in its own repository; gpt2-medium there as first uploaded, without the model_type and
activation_function that copies of it show; OPT-6.7B, Llama 2, Mistral, Qwen2.5, BitNet 2B4T and Pythia in copies and
fine-tunes of them on Hugging Face; OPT-350M and Llama 3 are written after their shapes in models.csv.
"""

from typing import Any

GPT2_MEDIUM = {  # openai-community/gpt2-medium
    "activation_function": "gelu_new",
    "architectures": ["GPT2LMHeadModel"],
    "attn_pdrop": 0.1,
    "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-05,
    "model_type": "gpt2",
    "n_ctx": 1024,
    "n_embd": 1024,
    "n_head": 16,
    "n_layer": 24,
    "n_positions": 1024,
    "predict_special_tokens": True,
    "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
    "vocab_size": 50257,
}
OPT_6_7B = {  # facebook/opt-6.7b
    "_name_or_path": "facebook/opt-6.7b",
    "_remove_final_layer_norm": False,
    "activation_function": "relu",
    "architectures": ["OPTForCausalLM"],
    "do_layer_norm_before": True,
    "ffn_dim": 16384,
    "hidden_size": 4096,
    "max_position_embeddings": 2048,
    "model_type": "opt",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "prefix": "</s>",
    "vocab_size": 50272,
    "word_embed_proj_dim": 4096,
}
OPT_350M = OPT_6_7B | {  # facebook/opt-350m
    "_name_or_path": "opt-350m",
    "do_layer_norm_before": False,
    "ffn_dim": 4096,
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "word_embed_proj_dim": 512,
}
LLAMA_2_7B = {  # meta-llama/Llama-2-7b-hf
    "_name_or_path": "meta-llama/Llama-2-7b-hf",
    "architectures": ["LlamaForCausalLM"],
    "hidden_act": "silu",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "max_position_embeddings": 4096,
    "model_type": "llama",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 32,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_scaling": None,
    "tie_word_embeddings": False,
    "vocab_size": 32000,
}
LLAMA_3_8B = LLAMA_2_7B | {  # meta-llama/Meta-Llama-3-8B
    "_name_or_path": None,
    "intermediate_size": 14336,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
}
MISTRAL_7B = {  # mistralai/Mistral-7B-v0.1
    "architectures": ["MistralForCausalLM"],
    "hidden_act": "silu",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "model_type": "mistral",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "rope_theta": 10000.0,
    "sliding_window": 4096,
    "vocab_size": 32000,
}
QWEN2_5_0_5B = {  # Qwen/Qwen2.5-0.5B
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_act": "silu",
    "hidden_size": 896,
    "intermediate_size": 4864,
    "max_window_layers": 24,
    "model_type": "qwen2",
    "num_attention_heads": 14,
    "num_hidden_layers": 24,
    "num_key_value_heads": 2,
    "sliding_window": 32768,
    "tie_word_embeddings": True,
    "use_sliding_window": False,
    "vocab_size": 151936,
}
BITNET_2B_4T = {  # microsoft/bitnet-b1.58-2B-4T
    "architectures": ["BitNetForCausalLM"],
    "auto_map": {"AutoConfig": "configuration_bitnet.BitNetConfig"},
    "hidden_act": "relu2",
    "hidden_size": 2560,
    "intermediate_size": 6912,
    "model_type": "bitnet",
    "num_attention_heads": 20,
    "num_hidden_layers": 30,
    "num_key_value_heads": 5,
    "quantization_config": {"linear_class": "autobitlinear", "quant_method": "bitnet"},
    "vocab_size": 128256,
}
BITNET_3B = {  # 1bitLLM/bitnet_b1_58-3B: a llama by its model_type
    "_name_or_path": "1bitLLM/bitnet_b1_58-3B",
    "architectures": ["BitnetForCausalLM"],
    "hidden_act": "silu",
    "hidden_size": 3200,
    "input_bits": 8,
    "intermediate_size": 8640,
    "model_type": "llama",
    "num_attention_heads": 32,
    "num_hidden_layers": 26,
    "num_key_value_heads": 32,
    "vocab_size": 32002,
    "weight_bits": 1,
}
PYTHIA_1_4B = {  # EleutherAI/pythia-1.4b
    "architectures": ["GPTNeoXForCausalLM"],
    "hidden_act": "gelu",
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "model_type": "gpt_neox",
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "rotary_pct": 0.25,
    "use_parallel_residual": True,
    "vocab_size": 50304,
}
# By the listed model of the same shape.
PUBLISHED: dict[str, dict[str, Any]] = {
    "gpt2-medium": GPT2_MEDIUM,
    "opt-6.7b": OPT_6_7B,
    "opt-350m": OPT_350M,
    "llama-7b": LLAMA_2_7B,
    "llama-3-8b": LLAMA_3_8B,
    "mistral-7b": MISTRAL_7B,
    "qwen2.5-0.5b": QWEN2_5_0_5B,
    "bitnet-b1.58-2b-4t": BITNET_2B_4T,
    "bitnet-b1.58-3b": BITNET_3B,
    "pythia-1.4b": PYTHIA_1_4B,
}
