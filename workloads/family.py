"""How the `config.json` files of one family define the shape of a model, and what its models have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureKeys:
    """Keys of the sizes of a mixture of experts in the `config.json` of a family.

    Attributes:
        experts: Key of the number of experts.
        d_expert: Key of the width of an expert.
        per_token: Key of the number of experts that process a token.
        shared_width: Key of the width of the shared expert, which has a gate (Qwen2-MoE); None means that there is no
            such expert.
        shared_count: Key of the number of shared experts, each as wide as the others; None means that there are none.
        default_shared: Number of shared experts if the key is absent.
        first_dense: Key of the number of layers at the beginning that have a usual FFN; None means none.
        default_first_dense: Number of these layers if the key is absent.
        every: Key of the distance of the layers with experts, of which the first one is at this distance; None means
            that all layers have experts.
        dense: Key of the list of further layers with a usual FFN; None means that there is none.
    """

    experts: str
    d_expert: str = "moe_intermediate_size"
    per_token: str = "num_experts_per_tok"
    shared_width: str | None = None
    shared_count: str | None = None
    default_shared: int = 0
    first_dense: str | None = None
    default_first_dense: int = 0
    every: str | None = None
    dense: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How the `config.json` files of one `model_type` define the shape of a model.

    Attributes:
        architecture: Model class, which identifies the family of early files without `model_type`.
        layers: Key of the number of layers. `ModelSpec` defines the meaning of this and the following values.
        heads: Key of the number of query heads.
        d_model: Key of the width of the residual stream.
        d_ff: Key of the width of the FFN; None means that it is always `d_ff_per_d_model` times the width.
        activation: Key of the activation function; None means that it is always the default.
        kv_heads: Key of the number of KV heads; None means that all heads have their own keys and values.
        d_head: Key of the width of a head; None means d_model / heads.
        kv_heads_optional: Whether the key `kv_heads` may be absent, which means as many as heads. The value null always
            means this.
        d_ff_per_d_model: Width of the FFN in units of d_model if its key is absent; 0 means that the key is required.
        default_activation: Activation function if its key is absent.
        d_head_required: Whether the key `d_head` must be present, because the class has a size of its own for it.
        parallel: Whether attention and FFN are parallel; if the family has the key `parallel_switch`, the value for
            files without it.
        parallel_switch: Key of the switch for parallel attention and FFN; None means that there is none.
        shared_norm: Whether parallel attention and FFN share one norm.
        positions: Key of the number of learned positions; None if positions are not learned.
        windows: Which layers have the window `sliding_window`: "none"; "all", unless it is null; "switched", those from
            `max_window_layers` on if `use_sliding_window` is true; "patterned", all but each `full_every`-th layer.
            In the last two, the key `layer_types` says it instead if it is present.
        default_window: Window if the key is absent; None means no window ("all"), or that the key is required.
        full_every: Distance of the layers without a window, for "patterned".
        soft_caps: Whether scores and logits are capped if the keys `attn_logit_softcapping` and
            `final_logit_softcapping` are absent; None means that the family has no such keys.
        norm_order: `ModelSpec.norm_order` of the family.
        rotated: Key of the fraction of a head that is rotated, or of the number of its elements if the default is above
            1. The key `partial_rotary_factor` in `rope_parameters` or `rope_scaling` is the fraction, too.
        default_rotated: Value if none of the keys is there.
        qk_norms: `ModelSpec.qk_norms` of the family.
        qk_norms_switch: Key of the switch that turns `qk_norms` on, off by default; None means always on.
        one_norm_for_all_heads: Whether all heads share the constants of `qk_norms`.
        qk_norm_vectors: As `norm_vectors`, for `qk_norms`.
        gated: `ModelSpec.gated` of the family.
        norm: `ModelSpec.norm` of the family.
        position: `ModelSpec.position` of the family.
        sub_norms: `ModelSpec.sub_norms` of the family.
        sub_norms_switch: Key of the switch for `sub_norms`, on by default; None means that there is none.
        norm_vectors: Vectors of constants per norm: 2 with weight and bias, 1 with a weight, 0 without constants.
        always_biased: Projections that always have a bias, by field of `LayerWeights`.
        biased_by: Projections that have a bias if a switch is on, by the key of the switch.
        biased_by_default: Whether the switches of `biased_by` are on if they are absent.
        lm_head_bias: Whether the LM head has a bias.
        tied: Whether embedding and LM head are one table if the key `tie_word_embeddings` is absent.
        position_offset: Rows of the learned position embedding before that of position 0.
        mixture: Keys of the mixture of experts; None means that the family has none.
        latent: Whether attention is multi-head latent attention.
    """

    architecture: str
    layers: str = "num_hidden_layers"
    heads: str = "num_attention_heads"
    d_model: str = "hidden_size"
    d_ff: str | None = "intermediate_size"
    activation: str | None = "hidden_act"
    kv_heads: str | None = None
    d_head: str | None = None
    kv_heads_optional: bool = False
    d_ff_per_d_model: int = 0
    d_head_required: bool = False
    default_activation: str
    parallel: bool = False
    parallel_switch: str | None = None
    shared_norm: bool = False
    positions: str | None = None
    windows: Literal["none", "all", "switched", "patterned"] = "none"
    default_window: int | None = None
    full_every: int = 1
    soft_caps: bool | None = None
    rotated: str = "partial_rotary_factor"
    default_rotated: float = 1
    norm_order: str = "before"
    qk_norms: str = "none"
    qk_norms_switch: str | None = None
    one_norm_for_all_heads: bool = True
    qk_norm_vectors: int = 1
    gated: bool
    norm: str
    position: str
    sub_norms: bool = False
    sub_norms_switch: str | None = None
    norm_vectors: int = 1
    always_biased: frozenset[str] = frozenset()
    biased_by: Mapping[str, frozenset[str]] = field(default_factory=dict)
    biased_by_default: bool = False
    lm_head_bias: bool = False
    tied: bool = False
    position_offset: int = 0
    mixture: MixtureKeys | None = None
    latent: bool = False
