"""What a ``config.json`` says of a decoder beside its shape: constants, positions, biases, quantisation.

Shapes are `workloads.huggingface`'s. A trace does not depend on what is read here, a computed logit does; so what that
module notes as "not modelled" is refused here, unless it can be kept to. Absent keys have the defaults of the family's
configuration class in transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from workloads.checked_fields import Boolean, Integer, Number, OneOf, shorten
from workloads.huggingface import FAMILIES, ConfigFile, Keys
from workloads.neural_network import ActivationFunction, NetworkDetails

_ACTIVATIONS: Mapping[str, ActivationFunction] = MappingProxyType(
    {
        "gelu": "gelu",
        "gelu_python": "gelu",
        "gelu_new": "gelu_tanh",
        "gelu_fast": "gelu_tanh",
        "gelu_accurate": "gelu_tanh",
        "gelu_pytorch_tanh": "gelu_tanh",
        "gelu_python_tanh": "gelu_tanh",
        "silu": "silu",
        "swish": "silu",
        "relu": "relu",
        "relu2": "relu2",
    }
)
"""Exact functions by transformers' names (``ACT2FN``): the last five GELUs are one formula, written differently."""

Quantisation = Literal["none", "online", "packed_multiply", "packed_divide"]
"""How projections are kept: as floats that stand for themselves; as floats that BitNet ternarises as it computes;
as codes with a scale that products are multiplied by (``AutoBitLinear``) or divided by (``BitLinear``)."""

QKV = frozenset({"q", "k", "v"})
ATTENTION = QKV | {"o"}
FFN = frozenset({"gate", "up", "down"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """What is needed to find and use a network's tensors.

    Attributes:
        file: the file, with the shape.
        details: goes into the network.
        biases: projections that have one.
        tied: the LM head is the embedding.
        quantisation: of the projections.
        warnings: what of the model is kept to in part only.

    """

    file: ConfigFile
    details: NetworkDetails
    biases: frozenset[str]
    tied: bool
    quantisation: Quantisation
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """How the files of a ``model_type`` spell what shapes do without; Nones: there is no such key.

    Attributes:
        epsilon, default_epsilon: key and default of the norms' epsilon.
        positions: the key of the number of positions.
        position_offset: as in `NetworkDetails`.
        default_theta: base of rotary angles where the file names none.
        always_biased: projections that have a bias without a key saying so.
        biased_by: keys of switches, off by default, and the projections to which they give a bias.
        tied: whether embedding and LM head are tied without the key.
        must_be: switches that change what is computed: their only value that is understood, which is the default.

    """

    epsilon: str | None = "rms_norm_eps"
    default_epsilon: float = 1e-6
    positions: str = "max_position_embeddings"
    position_offset: int = 0
    default_theta: float = 10_000.0
    always_biased: frozenset[str] = frozenset()
    biased_by: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tied: bool = False
    must_be: Mapping[str, bool] = field(default_factory=dict)


_FAMILIES: Mapping[str, _Family] = MappingProxyType(
    {
        "gpt2": _Family(
            epsilon="layer_norm_epsilon",
            default_epsilon=1e-5,
            positions="n_positions",
            always_biased=ATTENTION | FFN,
            tied=True,
            must_be=MappingProxyType({"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False}),
        ),
        "opt": _Family(
            epsilon=None,  # torch.nn.LayerNorm's
            default_epsilon=1e-5,
            position_offset=2,  # OPTLearnedPositionalEmbedding in modeling_opt.py
            always_biased=ATTENTION | FFN,
            tied=True,
            must_be=MappingProxyType(
                {
                    "do_layer_norm_before": True,
                    "_remove_final_layer_norm": False,
                    "enable_bias": True,
                    "layer_norm_elementwise_affine": True,
                }
            ),
        ),
        "llama": _Family(biased_by=MappingProxyType({"attention_bias": ATTENTION, "mlp_bias": FFN})),
        "mistral": _Family(),
        "qwen2": _Family(always_biased=QKV),
        "bitnet": _Family(
            default_epsilon=1e-5,
            default_theta=500_000.0,
            biased_by=MappingProxyType({"attention_bias": ATTENTION}),
        ),
    }
)
READABLE = tuple(_FAMILIES)
"""The families whose checkpoints can be loaded."""


def understand(file: ConfigFile) -> NetworkConfig:
    """Return what ``file`` says beside the shape.

    Raises:
        ConfigFileError: keys that are missing or wrong, and whatever would change logits but is not computed.

    """
    problems = file.problems("cannot be used to load a checkpoint")
    if file.model_type not in _FAMILIES:
        problems.add("model_type", f"must be one of {', '.join(READABLE)} to load weights, not {file.model_type!r}")
        raise problems.error()
    family, keys = _FAMILIES[file.model_type], Keys(file.values, problems)
    for key, wanted in family.must_be.items():
        if keys.optional(key, Boolean(), wanted) is not wanted:
            problems.add(key, f"must be {str(wanted).lower()}: anything else is not computed")
    if file.model_type == "opt" and file.values.get("word_embed_proj_dim") not in (None, file.spec.d_model):
        found = shorten(file.values["word_embed_proj_dim"])
        problems.add("word_embed_proj_dim", f"must be hidden_size, {file.spec.d_model}, not {found}")
    positions = keys.required(family.positions, Integer(1, 2**31))
    window = _window(keys, file.model_type)
    warnings = []
    if window is not None and not problems.found and window < positions:
        warnings.append(f"positions end at {window} of {positions}, within the sliding window, which is not computed")
        positions = window
    epsilon = keys.optional(family.epsilon, Number(0, 1), None) if family.epsilon else None
    theta = _rotary_theta(keys, family.default_theta) if file.spec.position == "rotary" else family.default_theta
    biased = family.always_biased.union(
        *(parts for key, parts in family.biased_by.items() if keys.optional(key, Boolean(), False))
    )
    tied = keys.optional("tie_word_embeddings", Boolean(), family.tied)
    quantisation, text = _quantisation(file, keys)
    if problems.found:
        raise problems.error()
    return NetworkConfig(
        file=file,
        details=NetworkDetails(
            norm_epsilon=family.default_epsilon if epsilon is None else float(epsilon),
            activation=_activation(file),
            max_positions=positions,
            rotary_theta=float(theta),
            position_offset=family.position_offset,
        ),
        biases=biased,
        tied=bool(tied),
        quantisation=quantisation,
        warnings=tuple([*warnings, text] if text else warnings),
    )


def _activation(file: ConfigFile) -> ActivationFunction:
    family = FAMILIES[file.model_type]  # which has checked the value
    return _ACTIVATIONS[file.values.get(family.activation) or family.default_activation]


def _window(keys: Keys, model_type: str) -> int | None:
    """Return how many positions attention looks back, if not all."""
    sliding = model_type == "qwen2" and keys.optional("use_sliding_window", Boolean(), False)
    if model_type != "mistral" and not sliding:
        return None
    if "sliding_window" in keys.values and keys.values["sliding_window"] is None:
        return None
    window: int = keys.optional("sliding_window", Integer(1, 2**40), 4096)
    return window


def _rotary_theta(keys: Keys, default: float) -> float:
    """Return the base of the rotary angles, noting scalings, which are not computed.

    Where it is written: ``rope_theta`` until transformers 4, ``rope_parameters.rope_theta`` since 5.
    """
    problems = keys.problems
    theta = keys.optional("rope_theta", Number(1, 1e12), default)
    for key in ("rope_scaling", "rope_parameters"):
        parameters = keys.values.get(key)
        if parameters is None:
            continue
        if not isinstance(parameters, dict):
            problems.add(key, f"must be an object or null, not {shorten(parameters)}")
            continue
        kind = parameters.get("rope_type", parameters.get("type", "default"))
        if kind != "default":
            problems.add(key, f"must be of rope_type 'default', not {shorten(kind)}: scaled angles are not computed")
        inner = parameters.get("rope_theta", theta)
        if text := Number(1, 1e12).problem(inner):
            problems.add(f"{key}.rope_theta", text)
        else:
            theta = inner
        _check_whole(parameters.get("partial_rotary_factor"), f"{key}.partial_rotary_factor", problems.add)
    _check_whole(keys.values.get("partial_rotary_factor"), "partial_rotary_factor", problems.add)
    return float(theta) if isinstance(theta, int | float) else default


def _check_whole(factor: object, path: str, add: Callable[[str, str], None]) -> None:
    if factor not in (None, 1):
        add(path, f"must be 1, not {shorten(factor)}: angles of parts of heads are not computed")


def _quantisation(file: ConfigFile, keys: Keys) -> tuple[Quantisation, str]:
    """Return how projections are kept, and what to warn of."""
    problems, raw = keys.problems, file.values.get("quantization_config")
    is_bitnet = file.model_type == "bitnet"
    if raw is None and is_bitnet:
        return "online", "config.json has no quantization_config: weights are taken for BitNet's, to be ternarised"
    if raw is None:
        return ("online" if file.is_1bitllm else "none"), ""
    if not isinstance(raw, dict):
        problems.add("quantization_config", f"must be an object or null, not {shorten(raw)}")
        return "none", ""
    inner = Keys(raw, problems.__class__("", "", file.problems().kind))
    inner.required("quant_method", OneOf(("bitnet",)))
    linear = inner.optional("linear_class", OneOf(("bitlinear", "autobitlinear")), "bitlinear")
    mode = inner.optional("quantization_mode", OneOf(("offline", "online")), "offline")
    if inner.optional("use_rms_norm", Boolean(), False):
        inner.problems.add("use_rms_norm", "must be false: norms inside projections are not computed")
    for name in _kept_float(raw.get("modules_to_not_convert")):
        inner.problems.add("modules_to_not_convert", f"must name lm_head only, not {shorten(name)}")
    for text in inner.problems.found:
        problems.add("", f"quantization_config.{text}")
    if linear == "bitlinear":
        return "packed_divide", ""
    return ("online" if mode == "online" else "packed_multiply"), ""


def _kept_float(names: object) -> Iterator[object]:
    """Yield what should be left as floats, other than what is never quantised."""
    if names is None:
        return
    if not isinstance(names, list):
        yield names
        return
    yield from (name for name in names if name not in ("lm_head", "model.embed_tokens", "embed_tokens"))
