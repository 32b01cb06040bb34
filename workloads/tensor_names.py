"""Names of the tensors in the checkpoints of each model family, as defined by Hugging Face's transformers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from workloads.strict_json import join


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureNames:
    """Names of the tensors of a mixture of experts in a layer, without the ending `.weight`.

    Attributes:
        router: Name of the router.
        expert: Names of the projections of an expert, by field of `ExpertWeights`; {} stands for its number.
        shared: Names of the projections of the shared expert, by field of `LayerWeights`; None without one.
        bias: Name of the bias of the scores, with its ending; None without one.
        shared_gate: Name of the gate of the shared expert; None without one.
    """

    router: str
    expert: Mapping[str, str]
    shared: Mapping[str, str] | None = None
    bias: str | None = None
    shared_gate: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorNames:
    """Names of the tensors of one family, without the endings `.weight` and `.bias`.

    Attributes:
        prefixes: Possible prefixes of all names except `lm_head`; the prefix of the embedding determines which one a
            checkpoint has.
        embedding: Name of the embedding table.
        positions: Name of the learned position embedding; None if positions are rotary.
        layer: Prefix of the names of a layer; {} stands for its number.
        norms: Names of the norms of a layer, by field of `LayerWeights`.
        projections: Names of the projections of a layer, by field of `LayerWeights`. Fields with the same name are one
            tensor, which is split in the order of the fields along the output dimension.
        final_norm: Name of the norm before the LM head.
        transposed: Whether projections are stored as [in, out].
        consmax: Name of the module with the constants of ConSmax in a layer. Its tensors `.beta` and `.gamma` are a
            convention of this package: transformers has no ConSmax.
        ignored: Endings of the names of tensors without weights, such as masks and angles that older versions saved.
        mixture: Names of the tensors of a mixture of experts, or None.
        latent: Names of the modules of latent attention, by their usual short names, or None.
        lm_head: Name of the LM head, which has none of the prefixes.
    """

    prefixes: tuple[str, ...]
    embedding: str = "embed_tokens"
    positions: str | None = None
    layer: str = "layers.{}."
    norms: Mapping[str, str]
    projections: Mapping[str, str]
    final_norm: str = "norm"
    transposed: bool = False
    consmax: str = "self_attn.consmax"
    ignored: tuple[str, ...] = ()
    mixture: MixtureNames | None = None
    latent: Mapping[str, str] | None = None
    lm_head: str = "lm_head.weight"


_ATTENTION = {part: f"self_attn.{part}_proj" for part in "qkvo"}
_GATED_FFN = {part: f"mlp.{part}_proj" for part in ("gate", "up", "down")}
_LLAMA_NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
_INV_FREQ = (".rotary_emb.inv_freq",)

GPT2 = TensorNames(
    prefixes=("transformer.", ""),
    embedding="wte",
    positions="wpe",
    layer="h.{}.",
    norms=MappingProxyType({"attn_norm": "ln_1", "ffn_norm": "ln_2"}),
    projections=MappingProxyType(
        {**dict.fromkeys("qkv", "attn.c_attn"), "o": "attn.c_proj", "up": "mlp.c_fc", "down": "mlp.c_proj"}
    ),
    final_norm="ln_f",
    transposed=True,  # transformers' Conv1D
    consmax="attn.consmax",
    ignored=(".attn.bias", ".attn.masked_bias"),
)

OPT = TensorNames(
    prefixes=("model.decoder.", "decoder."),
    positions="embed_positions",
    norms=MappingProxyType({"attn_norm": "self_attn_layer_norm", "ffn_norm": "final_layer_norm"}),
    projections=MappingProxyType({**_ATTENTION, "o": "self_attn.out_proj", "up": "fc1", "down": "fc2"}),
    final_norm="final_layer_norm",
)

LLAMA = TensorNames(
    prefixes=("model.", ""),
    norms=MappingProxyType(_LLAMA_NORMS),
    projections=MappingProxyType({**_ATTENTION, **_GATED_FFN}),
    ignored=_INV_FREQ,
)

BITNET = TensorNames(
    prefixes=("model.", ""),
    norms=MappingProxyType(
        {**_LLAMA_NORMS, "attn_sub_norm": "self_attn.attn_sub_norm", "ffn_sub_norm": "mlp.ffn_sub_norm"}
    ),
    projections=LLAMA.projections,
    ignored=_INV_FREQ,
)

BITNET_1BITLLM = TensorNames(  # modeling_bitnet.py in 1bitLLM's repositories
    prefixes=("model.", ""),
    norms=MappingProxyType(
        {**_LLAMA_NORMS, "attn_sub_norm": "self_attn.inner_attn_ln", "ffn_sub_norm": "mlp.ffn_layernorm"}
    ),
    projections=LLAMA.projections,
    ignored=_INV_FREQ,
)

MIXTRAL = replace(
    LLAMA,
    mixture=MixtureNames(
        router="block_sparse_moe.gate",
        expert=MappingProxyType(
            {
                part: f"block_sparse_moe.experts.{{}}.{name}"
                for part, name in (("gate", "w1"), ("up", "w3"), ("down", "w2"))
            }
        ),
    ),
)
_EXPERTS = MappingProxyType({part: f"mlp.experts.{{}}.{part}_proj" for part in ("gate", "up", "down")})

QWEN2_MOE = replace(
    LLAMA,
    mixture=MixtureNames(
        router="mlp.gate",
        expert=_EXPERTS,
        shared=MappingProxyType({part: f"mlp.shared_expert.{part}_proj" for part in ("gate", "up", "down")}),
        shared_gate="mlp.shared_expert_gate",
    ),
)

DEEPSEEK_V2 = replace(
    LLAMA,
    mixture=MixtureNames(
        router="mlp.gate",
        expert=_EXPERTS,
        shared=MappingProxyType({part: f"mlp.shared_experts.{part}_proj" for part in ("gate", "up", "down")}),
    ),
    latent=MappingProxyType(
        {
            "q": "self_attn.q_proj",
            "q_a": "self_attn.q_a_proj",
            "q_norm": "self_attn.q_a_layernorm",
            "q_b": "self_attn.q_b_proj",
            "kv_a": "self_attn.kv_a_proj_with_mqa",
            "kv_norm": "self_attn.kv_a_layernorm",
            "kv_b": "self_attn.kv_b_proj",
        }
    ),
)

assert DEEPSEEK_V2.mixture is not None
DEEPSEEK_V3 = replace(DEEPSEEK_V2, mixture=replace(DEEPSEEK_V2.mixture, bias="mlp.gate.e_score_correction_bias"))

GGUF_LLAMA = TensorNames(  # gguf/constants.py of the library gguf
    prefixes=("",),
    embedding="token_embd",
    layer="blk.{}.",
    norms=MappingProxyType({"attn_norm": "attn_norm", "ffn_norm": "ffn_norm"}),
    projections=MappingProxyType(
        {**{part: f"attn_{part}" for part in "qkv"}, "o": "attn_output"}
        | {part: f"ffn_{part}" for part in ("gate", "up", "down")}
    ),
    final_norm="output_norm",
    consmax="attn_consmax",
    ignored=("rope_freqs.weight",),
    lm_head="output.weight",
)
GGUF_BITNET = replace(
    GGUF_LLAMA,
    norms=MappingProxyType({**GGUF_LLAMA.norms, "attn_sub_norm": "attn_sub_norm", "ffn_sub_norm": "ffn_sub_norm"}),
)
GGUF_GPT2 = replace(
    GGUF_LLAMA,
    positions="position_embd",
    projections=MappingProxyType(
        {**dict.fromkeys("qkv", "attn_qkv"), "o": "attn_output", "up": "ffn_up", "down": "ffn_down"}
    ),
)
GGUF_NAMES: Mapping[str, TensorNames] = MappingProxyType(
    {
        "llama": GGUF_LLAMA,
        "qwen2": GGUF_LLAMA,
        "gpt2": GGUF_GPT2,
        **dict.fromkeys(("bitnet", "bitnet-b1.58", "bitnet-25"), GGUF_BITNET),
    }
)
"""Tensor names in GGUF files, by architecture."""

NAMES: Mapping[str, TensorNames] = MappingProxyType(
    {
        "gpt2": GPT2,
        "opt": OPT,
        "llama": LLAMA,
        "mistral": LLAMA,
        "qwen2": LLAMA,
        "bitnet": BITNET,
        "mixtral": MIXTRAL,
        "qwen2_moe": QWEN2_MOE,
        "deepseek_v2": DEEPSEEK_V2,
        "deepseek_v3": DEEPSEEK_V3,
    }
)
"""Tensor names of each family by `model_type`."""

SIMILAR = 0.6
"""Smallest similarity of the differing parts of two names, as in `workloads.checked_fields.suggest`."""


def has_similar_parts(name: str, other: str) -> bool:
    """Return whether the dotted parts in which two names of tensors differ are similar.

    Args:
        name: A name.
        other: Another name.

    Returns:
        True if the differing parts are similar, or one name only has more parts at its beginning.
    """
    from difflib import SequenceMatcher  # needed only for error messages

    ours, theirs = name.split("."), other.split(".")
    if len(ours) == len(theirs):
        pairs = [(one, two) for one, two in zip(ours, theirs, strict=True) if one != two]
        return all(SequenceMatcher(None, one, two).ratio() >= SIMILAR for one, two in pairs)
    shorter, longer = sorted((ours, theirs), key=len)
    return longer[-len(shorter) :] == shorter


def unused_tensors(names: Sequence[str], model_type: str) -> str:
    """Return a warning about tensors that a family does not use.

    Args:
        names: Their names, at least one.
        model_type: The family.

    Returns:
        One sentence.
    """
    shown = ", ".join(join("", name) for name in names[:3])
    are = "tensor is" if len(names) == 1 else "tensors are"
    return f"{len(names)} {are} not used by {model_type}: {shown}{', ...' if len(names) > 3 else ''}"
