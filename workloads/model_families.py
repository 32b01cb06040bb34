"""Model families of Hugging Face: the keys of `config.json` that define the shape, and what a family has in common.

The keys and the defaults are those of each family's configuration class in Hugging Face's transformers. Two kinds of
these defaults apply to absent keys: those computed from other keys (`num_key_value_heads` equals `num_attention_heads`)
and words or switches (`hidden_act`). Default sizes do not apply: the `hidden_size` of 4096 in such a class belongs to
one model, so a file without the key does not describe its model and is rejected.

Reference:
    GPT-2: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019. OPT: Zhang et al.,
    arXiv:2205.01068. LLaMA: Touvron et al., arXiv:2302.13971; LLaMA 2: arXiv:2307.09288; LLaMA 3: arXiv:2407.21783.
    Mistral: Jiang et al., arXiv:2310.06825. Qwen2: Yang et al., arXiv:2407.10671. BitNet b1.58: Ma et al.,
    arXiv:2402.17764; 2B4T: arXiv:2504.12285. GPT-NeoX: Black et al., arXiv:2204.06745; Pythia: arXiv:2304.01373.
    Qwen3: arXiv:2505.09388. Phi-3: arXiv:2404.14219. Gemma: arXiv:2403.08295; Gemma 2: arXiv:2408.00118; Gemma 3:
    arXiv:2503.19786. OLMo: arXiv:2402.00838; OLMo 2: arXiv:2501.00656. StableLM 2: arXiv:2402.17834. Phi-1.5:
    arXiv:2309.05463. StarCoder2: arXiv:2402.19173. GPT-J: Wang and Komatsuzaki, 2021. MPT: MosaicML NLP Team, 2023;
    ALiBi: Press et al., arXiv:2108.12409. Mixtral: arXiv:2401.04088. DeepSeek-V2: arXiv:2405.04434; V3:
    arXiv:2412.19437.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from workloads.family import Family, MixtureKeys

QKV = frozenset({"q", "k", "v"})
ATTENTION = QKV | {"o"}
FFN = frozenset({"gate", "up", "down"})

ACTIVATIONS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_accurate"), "gelu"),
        **dict.fromkeys(("gelu_pytorch_tanh", "gelu_python_tanh"), "gelu"),
        **dict.fromkeys(("silu", "swish"), "silu"),
        "relu": "relu",
        "relu2": "relu2",
    }
)
"""Activation function of the op by its name in transformers (`ACT2FN` in activations.py).

The variants of GELU are one function in a trace, since they do not differ in operations per element.
"""


GPT2 = Family(
    architecture="GPT2LMHeadModel",
    layers="n_layer",
    heads="n_head",
    d_model="n_embd",
    d_ff="n_inner",
    d_ff_per_d_model=4,
    activation="activation_function",
    default_activation="gelu_new",
    positions="n_positions",
    gated=False,
    norm="layernorm",
    position="learned",
    norm_vectors=2,
    always_biased=ATTENTION | FFN,
    tied=True,
)
"""GPT-2: `GPT2Config` in transformers' models/gpt2/configuration_gpt2.py; n_inner null means 4 n_embd."""

OPT = Family(
    architecture="OPTForCausalLM",
    d_ff="ffn_dim",
    activation="activation_function",
    default_activation="relu",
    positions="max_position_embeddings",
    gated=False,
    norm="layernorm",
    position="learned",
    norm_vectors=2,
    always_biased=ATTENTION | FFN,
    tied=True,
    position_offset=2,  # OPTLearnedPositionalEmbedding in modeling_opt.py
)
"""OPT: `OPTConfig` in transformers' models/opt/configuration_opt.py."""

_ROTARY_RMS = Family(
    architecture="",
    kv_heads="num_key_value_heads",
    d_head="head_dim",
    default_activation="silu",
    gated=True,
    norm="rmsnorm",
    position="rotary",
)
"""What LLaMA and the families after it have in common."""

LLAMA = replace(
    _ROTARY_RMS,
    architecture="LlamaForCausalLM",
    kv_heads_optional=True,
    biased_by=MappingProxyType({"attention_bias": ATTENTION, "mlp_bias": FFN}),
)
"""LLaMA 1 to 3, Vicuna and others: `LlamaConfig` in transformers' models/llama/configuration_llama.py.

1bitLLM's reproductions of BitNet b1.58 (0.7B to 3.3B) have the `model_type` llama, too. Their architecture,
BitnetForCausalLM, has sub-norms (configuration_bitnet.py and modeling_bitnet.py in their Hugging Face repositories).
"""

MISTRAL = replace(_ROTARY_RMS, architecture="MistralForCausalLM", windows="all", default_window=4096)
"""Mistral: `MistralConfig` in transformers' models/mistral/configuration_mistral.py, whose
sliding_window is 4096 if the key is absent."""

QWEN2 = replace(
    _ROTARY_RMS, architecture="Qwen2ForCausalLM", windows="switched", default_window=4096, always_biased=QKV
)
"""Qwen2, Qwen2.5: `Qwen2Config` in transformers' models/qwen2/configuration_qwen2.py, whose use_sliding_window is
false if the key is absent. The class has no head_dim, but modeling_qwen2.py reads it."""

QWEN3 = replace(
    QWEN2,
    architecture="Qwen3ForCausalLM",
    d_head_required=True,
    qk_norms="heads",
    always_biased=frozenset(),
    biased_by=MappingProxyType({"attention_bias": ATTENTION}),
)
"""Qwen3: `Qwen3Config` in transformers' models/qwen3/configuration_qwen3.py."""

PHI3 = replace(_ROTARY_RMS, architecture="Phi3ForCausalLM", kv_heads_optional=True, d_head=None, windows="all")
"""Phi-3, Phi-3.5 and Phi-4: `Phi3Config` in transformers' models/phi3/configuration_phi3.py. Q, K and V are one tensor,
as are gate and up, with the same weights in total."""

GEMMA = replace(
    _ROTARY_RMS,
    architecture="GemmaForCausalLM",
    d_head_required=True,
    default_activation="gelu_pytorch_tanh",
    biased_by=MappingProxyType({"attention_bias": ATTENTION}),
    tied=True,
)
"""Gemma: `GemmaConfig` in transformers' models/gemma/configuration_gemma.py."""

GEMMA2 = replace(
    GEMMA,
    architecture="Gemma2ForCausalLM",
    activation="hidden_activation",
    windows="patterned",
    full_every=2,
    soft_caps=True,
    norm_order="both",
)
"""Gemma 2: `Gemma2Config` in transformers' models/gemma2/configuration_gemma2.py."""

GEMMA3 = replace(GEMMA2, architecture="Gemma3ForCausalLM", full_every=6, soft_caps=False, qk_norms="heads")
"""Gemma 3, text only: `Gemma3TextConfig` in transformers' models/gemma3/configuration_gemma3.py."""

OLMO = replace(
    _ROTARY_RMS,
    architecture="OlmoForCausalLM",
    kv_heads_optional=True,
    d_head=None,
    norm="layernorm",
    norm_vectors=0,
    biased_by=MappingProxyType({"attention_bias": ATTENTION}),
)
"""OLMo: `OlmoConfig` in transformers' models/olmo/configuration_olmo.py; its layer norms have no constants."""

OLMO2 = replace(
    OLMO,
    architecture="Olmo2ForCausalLM",
    norm="rmsnorm",
    norm_vectors=1,
    norm_order="after",
    qk_norms="whole",
)
"""OLMo 2: `Olmo2Config` in transformers' models/olmo2/configuration_olmo2.py. The norms follow attention and FFN, and
those of queries and keys extend over all heads."""

OLMO3 = replace(OLMO2, architecture="Olmo3ForCausalLM", windows="patterned", default_window=4096, full_every=4)
"""OLMo 3: `Olmo3Config` in transformers' models/olmo3/configuration_olmo3.py."""

STABLELM = replace(
    _ROTARY_RMS,
    architecture="StableLmForCausalLM",
    default_rotated=0.25,
    d_head=None,
    parallel_switch="use_parallel_residual",
    shared_norm=True,
    norm="layernorm",
    norm_vectors=2,
    qk_norms="heads",
    qk_norms_switch="qk_layernorm",
    one_norm_for_all_heads=False,
    biased_by=MappingProxyType({"use_qkv_bias": QKV}),
)
"""StableLM: `StableLmConfig` in transformers' models/stablelm/configuration_stablelm.py. The layer norms of queries and
keys have one weight per head and no bias."""

GRANITE = replace(LLAMA, architecture="GraniteForCausalLM")
"""Granite 3: `GraniteConfig` in transformers' models/granite/configuration_granite.py. Its four multipliers can be
multiplied into weights and scales, so they need no op."""

BITNET = replace(
    _ROTARY_RMS,
    architecture="BitNetForCausalLM",
    default_activation="relu2",
    sub_norms=True,
    sub_norms_switch="use_sub_norms",
    biased_by=MappingProxyType({"attention_bias": ATTENTION}),
)
"""BitNet b1.58 2B4T: `BitNetConfig` in transformers' models/bitnet/configuration_bitnet.py. The sub-norms, and
head_dim if present, are in modeling_bitnet.py. BitNets without sub-norms have `use_sub_norms` false (pull request 47955
of transformers)."""

GPT_NEOX = Family(
    architecture="GPTNeoXForCausalLM",
    rotated="rotary_pct",
    default_rotated=0.25,
    default_activation="gelu",
    parallel=True,
    parallel_switch="use_parallel_residual",
    gated=False,
    norm="layernorm",
    position="rotary",
    norm_vectors=2,
    always_biased=FFN,
    biased_by=MappingProxyType({"attention_bias": ATTENTION}),
    biased_by_default=True,
)
"""GPT-NeoX and Pythia: `GPTNeoXConfig` in transformers' models/gpt_neox/configuration_gpt_neox.py."""

PHI = Family(
    architecture="PhiForCausalLM",
    default_rotated=0.5,
    kv_heads="num_key_value_heads",
    kv_heads_optional=True,
    default_activation="gelu_new",
    parallel=True,
    shared_norm=True,
    gated=False,
    norm="layernorm",
    position="rotary",
    qk_norms="heads",
    qk_norms_switch="qk_layernorm",
    qk_norm_vectors=2,
    norm_vectors=2,
    always_biased=ATTENTION | FFN,
    lm_head_bias=True,
)
"""Phi-1, Phi-1.5 and Phi-2: `PhiConfig` in transformers' models/phi/configuration_phi.py."""

STARCODER2 = Family(
    architecture="Starcoder2ForCausalLM",
    kv_heads="num_key_value_heads",
    default_activation="gelu_pytorch_tanh",
    windows="all",
    gated=False,
    norm="layernorm",
    position="rotary",
    norm_vectors=2,
    biased_by=MappingProxyType({"use_bias": ATTENTION | FFN}),
    biased_by_default=True,
    tied=True,
)
"""StarCoder2: `Starcoder2Config` in transformers' models/starcoder2/configuration_starcoder2.py."""

GPTJ = Family(
    architecture="GPTJForCausalLM",
    rotated="rotary_dim",
    default_rotated=64,
    layers="n_layer",
    heads="n_head",
    d_model="n_embd",
    d_ff="n_inner",
    d_ff_per_d_model=4,
    activation="activation_function",
    default_activation="gelu_new",
    parallel=True,
    shared_norm=True,
    gated=False,
    norm="layernorm",
    position="rotary",
    norm_vectors=2,
    always_biased=FFN,
    lm_head_bias=True,
)
"""GPT-J: `GPTJConfig` in transformers' models/gptj/configuration_gptj.py; n_inner null means 4 n_embd."""

MPT = Family(
    architecture="MPTForCausalLM",
    layers="n_layers",
    heads="n_heads",
    d_model="d_model",
    d_ff=None,
    d_ff_per_d_model=4,
    activation=None,
    default_activation="gelu",
    gated=False,
    norm="layernorm",
    position="alibi",
    tied=True,
)
"""MPT: `MptConfig` in transformers' models/mpt/configuration_mpt.py. The norms have no bias, and `MptMLP` in
modeling_mpt.py is 4 d_model wide whatever `expansion_ratio` says."""

MIXTRAL = replace(
    MISTRAL,
    architecture="MixtralForCausalLM",
    default_window=None,
    mixture=MixtureKeys(experts="num_local_experts", d_expert="intermediate_size"),
)
"""Mixtral: `MixtralConfig` in transformers' models/mixtral/configuration_mixtral.py, without a window by default."""

_QWEN_EXPERTS = MixtureKeys(experts="num_experts", every="decoder_sparse_step", dense="mlp_only_layers")

QWEN2_MOE = replace(
    QWEN2,
    architecture="Qwen2MoeForCausalLM",
    mixture=replace(_QWEN_EXPERTS, shared_width="shared_expert_intermediate_size"),
    always_biased=frozenset(),
    biased_by=MappingProxyType({"qkv_bias": QKV}),
    biased_by_default=True,
)
"""Qwen1.5-MoE and Qwen2-MoE: `Qwen2MoeConfig` in transformers' models/qwen2_moe/configuration_qwen2_moe.py."""

QWEN3_MOE = replace(QWEN3, architecture="Qwen3MoeForCausalLM", mixture=_QWEN_EXPERTS)
"""Qwen3-MoE: `Qwen3MoeConfig` in transformers' models/qwen3_moe/configuration_qwen3_moe.py."""

DEEPSEEK_V2 = replace(
    _ROTARY_RMS,
    architecture="DeepseekV2ForCausalLM",
    kv_heads_optional=True,
    d_head=None,
    latent=True,
    mixture=MixtureKeys(
        experts="n_routed_experts",
        shared_count="n_shared_experts",
        default_shared=2,
        first_dense="first_k_dense_replace",
    ),
    biased_by=MappingProxyType({"attention_bias": frozenset({"q_a", "kv_a", "o"}), "mlp_bias": FFN}),
)
"""DeepSeek-V2: `DeepseekV2Config` in transformers' models/deepseek_v2/configuration_deepseek_v2.py. The head_dim of
files that transformers wrote is the width of the rotated elements."""

DEEPSEEK_V3 = replace(
    DEEPSEEK_V2,
    architecture="DeepseekV3ForCausalLM",
    mixture=MixtureKeys(
        experts="n_routed_experts",
        shared_count="n_shared_experts",
        default_shared=1,
        first_dense="first_k_dense_replace",
        default_first_dense=3,
    ),
    biased_by=MappingProxyType({"attention_bias": frozenset({"q_a", "kv_a", "o"})}),
)
"""DeepSeek-V3 and R1: `DeepseekV3Config` in transformers' models/deepseek_v3/configuration_deepseek_v3.py. The module
for the prediction of a further token (num_nextn_predict_layers) is not part of the model in transformers."""

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "gpt2": GPT2,
        "opt": OPT,
        "llama": LLAMA,
        "mistral": MISTRAL,
        "qwen2": QWEN2,
        "qwen3": QWEN3,
        "phi3": PHI3,
        "gemma": GEMMA,
        "gemma2": GEMMA2,
        "gemma3_text": GEMMA3,
        "olmo": OLMO,
        "olmo2": OLMO2,
        "olmo3": OLMO3,
        "stablelm": STABLELM,
        "granite": GRANITE,
        "bitnet": BITNET,
        "gpt_neox": GPT_NEOX,
        "phi": PHI,
        "starcoder2": STARCODER2,
        "gptj": GPTJ,
        "mpt": MPT,
        "mixtral": MIXTRAL,
        "qwen2_moe": QWEN2_MOE,
        "qwen3_moe": QWEN3_MOE,
        "deepseek_v2": DEEPSEEK_V2,
        "deepseek_v3": DEEPSEEK_V3,
    }
)
"""The supported families by `model_type`."""
