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
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How the `config.json` files of one `model_type` define the shape of a model.

    Attributes:
        architecture: Model class, which identifies the family of early files without `model_type`.
        layers: Key of the number of layers. `ModelSpec` defines the meaning of this and the following values.
        heads: Key of the number of query heads.
        d_model: Key of the width of the residual stream.
        d_ff: Key of the width of the FFN.
        activation: Key of the activation function.
        kv_heads: Key of the number of KV heads; None means that all heads have their own keys and values.
        d_head: Key of the width of a head; None means d_model / heads.
        kv_heads_optional: Whether the key `kv_heads` may be absent, which means as many as heads. The value null always
            means this.
        d_ff_per_d_model: Width of the FFN in units of d_model if its key is absent; 0 means that the key is required.
        default_activation: Activation function if its key is absent.
        parallel: Key of the switch for parallel attention and FFN, which is on if the key is absent; None means that
            the family never has it.
        positions: Key of the number of learned positions; None if positions are not learned.
        gated: `ModelSpec.gated` of the family.
        norm: `ModelSpec.norm` of the family.
        position: `ModelSpec.position` of the family.
        sub_norms: `ModelSpec.sub_norms` of the family.
    """

    architecture: str
    layers: str = "num_hidden_layers"
    heads: str = "num_attention_heads"
    d_model: str = "hidden_size"
    d_ff: str = "intermediate_size"
    activation: str = "hidden_act"
    kv_heads: str | None = None
    d_head: str | None = None
    kv_heads_optional: bool = False
    d_ff_per_d_model: int = 0
    default_activation: str
    parallel: str | None = None
    positions: str | None = None
    gated: bool
    norm: str
    position: str
    sub_norms: bool = False


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
)
"""OPT: `OPTConfig` in transformers' models/opt/configuration_opt.py."""

LLAMA = Family(
    architecture="LlamaForCausalLM",
    kv_heads="num_key_value_heads",
    kv_heads_optional=True,
    d_head="head_dim",
    default_activation="silu",
    gated=True,
    norm="rmsnorm",
    position="rotary",
)
"""LLaMA 1 to 3, Vicuna and others: `LlamaConfig` in transformers' models/llama/configuration_llama.py.

1bitLLM's reproductions of BitNet b1.58 (0.7B to 3.3B) have the `model_type` llama, too. Their architecture,
BitnetForCausalLM, has sub-norms (configuration_bitnet.py and modeling_bitnet.py in their Hugging Face repositories).
"""

MISTRAL = Family(
    architecture="MistralForCausalLM",
    kv_heads="num_key_value_heads",
    d_head="head_dim",
    default_activation="silu",
    gated=True,
    norm="rmsnorm",
    position="rotary",
)
"""Mistral: `MistralConfig` in transformers' models/mistral/configuration_mistral.py, whose
sliding_window is 4096 if the key is absent."""

QWEN2 = Family(
    architecture="Qwen2ForCausalLM",
    kv_heads="num_key_value_heads",
    d_head="head_dim",
    default_activation="silu",
    gated=True,
    norm="rmsnorm",
    position="rotary",
)
"""Qwen2, Qwen2.5: `Qwen2Config` in transformers' models/qwen2/configuration_qwen2.py, whose use_sliding_window is
false if the key is absent. The class has no head_dim, but modeling_qwen2.py reads it."""

BITNET = Family(
    architecture="BitNetForCausalLM",
    kv_heads="num_key_value_heads",
    d_head="head_dim",
    default_activation="relu2",
    gated=True,
    norm="rmsnorm",
    position="rotary",
    sub_norms=True,
)
"""BitNet b1.58 2B4T: `BitNetConfig` in transformers' models/bitnet/configuration_bitnet.py. The sub-norms, and
head_dim if present, are in modeling_bitnet.py."""

GPT_NEOX = Family(
    architecture="GPTNeoXForCausalLM",
    default_activation="gelu",
    parallel="use_parallel_residual",
    gated=False,
    norm="layernorm",
    position="rotary",
)
"""GPT-NeoX and Pythia: `GPTNeoXConfig` in transformers' models/gpt_neox/configuration_gpt_neox.py."""

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "gpt2": GPT2,
        "opt": OPT,
        "llama": LLAMA,
        "mistral": MISTRAL,
        "qwen2": QWEN2,
        "bitnet": BITNET,
        "gpt_neox": GPT_NEOX,
    }
)
"""The supported families by `model_type`."""
