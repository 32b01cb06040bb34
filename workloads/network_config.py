"""Values of a `config.json` that affect computed logits but not traces: constants, positions, biases, quantisation.

`workloads.huggingface` reads the shape of a model. A feature that it reports as "not modelled" has no effect on a trace
but may change logits. Such features are rejected here, unless the supported subset gives the same logits. Absent keys
have the defaults of the family's configuration class in transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from workloads.checked_fields import Boolean, Integer, Number, OneOf, shorten
from workloads.config_features import biased_projections, is_tied
from workloads.config_keys import Keys
from workloads.huggingface import ConfigFile
from workloads.model_families import FAMILIES
from workloads.neural_network import ActivationFunction, NetworkDetails, RotaryScaling
from workloads.router_config import read_router

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
"""Exact function by its name in transformers (`ACT2FN`); the five variants of gelu_tanh are the same formula."""

THETA = Number(1, 1e12)
"""Bases of the rotary angles."""

Quantisation = Literal["none", "online", "packed_multiply", "packed_divide"]
"""How a checkpoint stores projections.

- none: floats that are used as they are.
- online: floats that BitNet ternarises during inference.
- packed_multiply: codes with a scale that multiplies the products (`AutoBitLinear` in transformers).
- packed_divide: codes with a scale that divides the products (`BitLinear`).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """Values of a `config.json` that are needed to load the tensors of a network.

    Attributes:
        file: The parsed file, with the shape.
        details: The constants of the network.
        biases: Projections that have a bias, by field of `LayerWeights`.
        tied: Whether the LM head is the embedding table.
        quantisation: How the projections are stored.
        warnings: Restrictions of the model that this package does not compute exactly, one sentence each.
    """

    file: ConfigFile
    details: NetworkDetails
    biases: frozenset[str]
    tied: bool
    quantisation: Quantisation
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """Keys and defaults of the files of one `model_type`, in addition to those of the shape.

    Attributes:
        epsilon: Key of the epsilon of the norms; None means that there is no key.
        default_epsilon: Epsilon of the norms if the key is absent.
        positions: Key of the number of positions.
        default_theta: Base of the rotary angles if the key is absent.
        always_biased: Projections that always have a bias.
        biased_by: Projections that have a bias if a switch is on, by the key of the switch, which is off by default.
        tied: Whether embedding and LM head are tied if the key is absent.
        must_be: The only supported value of each switch that changes the computation; it is also the default.
    """

    epsilon: str | None = "rms_norm_eps"
    default_epsilon: float = 1e-6
    positions: str = "max_position_embeddings"
    default_theta: float = 10_000.0
    must_be: Mapping[str, bool] = field(default_factory=dict)


_FAMILIES: Mapping[str, _Family] = MappingProxyType(
    {
        "gpt2": _Family(
            epsilon="layer_norm_epsilon",
            default_epsilon=1e-5,
            positions="n_positions",
            must_be=MappingProxyType({"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False}),
        ),
        "opt": _Family(
            epsilon=None,  # torch.nn.LayerNorm's
            default_epsilon=1e-5,
            must_be=MappingProxyType(
                {
                    "do_layer_norm_before": True,
                    "_remove_final_layer_norm": False,
                    "enable_bias": True,
                    "layer_norm_elementwise_affine": True,
                }
            ),
        ),
        "llama": _Family(),
        "mistral": _Family(),
        "qwen2": _Family(),
        "mixtral": _Family(default_epsilon=1e-5, default_theta=1_000_000.0),
        "qwen2_moe": _Family(),
        "deepseek_v2": _Family(),
        "deepseek_v3": _Family(),
        "bitnet": _Family(default_epsilon=1e-5, default_theta=500_000.0),
    }
)
READABLE = tuple(_FAMILIES)
"""Families whose checkpoints can be loaded."""


def parse_network_config(file: ConfigFile) -> NetworkConfig:
    """Read the values of a `config.json` that `read_config_file` does not interpret.

    Args:
        file: The parsed file.

    Returns:
        The values needed to load the network.

    Raises:
        ConfigFileError: If keys are missing or invalid, or the file requests a feature that would change logits but is
            not computed.
    """
    problems = file.problems("cannot be used to load a checkpoint")
    if file.is_inner:
        problems.add(
            "text_config",
            "is a language model inside a larger model, which can be timed, but whose weights are not loaded: save the "
            "language model as a checkpoint of its own",
        )
        raise problems.error()
    if file.model_type not in _FAMILIES:
        problems.add(
            "",
            f"models of the family {file.model_type} can be timed, but their numbers are not computed: weights can be "
            f"loaded if model_type is {', '.join(READABLE[:-1])} or {READABLE[-1]}",
        )
        raise problems.error()
    family, keys = _FAMILIES[file.model_type], Keys(file.values, problems)
    for key, wanted in family.must_be.items():
        if keys.optional(key, Boolean(), wanted) is not wanted:
            problems.add(key, f"must be {str(wanted).lower()}: anything else is not computed")
    if file.model_type == "opt" and file.values.get("word_embed_proj_dim") not in (None, file.spec.d_model):
        found = shorten(file.values["word_embed_proj_dim"])
        problems.add("word_embed_proj_dim", f"must be hidden_size, {file.spec.d_model}, not {found}")
    positions = keys.required(family.positions, Integer(1, 2**31))
    epsilon = keys.optional(family.epsilon, Number(0, 1), None) if family.epsilon else None
    theta, scaling = family.default_theta, None
    if file.spec.position == "rotary":
        theta, scaling = _rotary(keys, theta)
    shape = FAMILIES[file.model_type]
    biased, tied = biased_projections(keys, shape), is_tied(keys, shape)
    quantisation, text = _quantisation(file, keys)
    mixture, router = file.spec.experts, None
    if mixture is not None:
        router = read_router(keys, file.model_type, mixture.experts, mixture.per_token)
    pairs = keys.optional("rope_interleave", Boolean(), True) if file.spec.latent is not None else False
    if problems.found:
        raise problems.error()
    return NetworkConfig(
        file=file,
        details=NetworkDetails(
            norm_epsilon=family.default_epsilon if epsilon is None else float(epsilon),
            activation=_activation(file),
            max_positions=positions,
            rotary_theta=theta,
            rotary_scaling=scaling,
            input_norm_epsilon=_input_norm_epsilon(file),
            position_offset=shape.position_offset,
            rotary_pairs="neighbours" if pairs else "halves",
            router=router,
        ),
        biases=biased,
        tied=tied,
        quantisation=quantisation,
        warnings=(text,) if text else (),
    )


def _activation(file: ConfigFile) -> ActivationFunction:
    family = FAMILIES[file.model_type]  # read_config_file has checked the value
    return _ACTIVATIONS[file.values.get(family.activation or "") or family.default_activation]


def _rotary(keys: Keys, default: float) -> tuple[float, RotaryScaling | None]:
    """Return base and scaling of the rotary angles, and record kinds of scaling that are not computed as problems.

    The base is `rope_theta` up to transformers 4 and `rope_parameters.rope_theta` since transformers 5.
    """
    problems = keys.problems
    theta = keys.optional("rope_theta", THETA, default)
    scaling = None
    for key in ("rope_scaling", "rope_parameters"):
        parameters = keys.values.get(key)
        if parameters is None:
            continue
        if not isinstance(parameters, dict):
            problems.add(key, f"must be an object or null, not {shorten(parameters)}")
            continue
        inner = Keys(parameters, problems.__class__("", "", problems.kind))
        theta = inner.optional("rope_theta", THETA, theta)
        kind = parameters.get("rope_type", parameters.get("type", "default"))
        if kind == "llama3":
            scaling = _llama3(inner)
        elif kind != "default":
            only = "must be of rope_type default or llama3"
            problems.add(key, f"{only}, not {shorten(kind)}: other scaled angles are not computed")
        _check_whole(parameters.get("partial_rotary_factor"), "partial_rotary_factor", inner.problems.add)
        for text in inner.problems.found:
            problems.add("", f"{key}.{text}")
    _check_whole(keys.values.get("partial_rotary_factor"), "partial_rotary_factor", problems.add)
    return (float(theta) if isinstance(theta, int | float) else default), scaling


def _llama3(keys: Keys) -> RotaryScaling | None:
    """Return the scaling of type llama3, or None after recording why there is none."""
    names = ("factor", "low_freq_factor", "high_freq_factor")
    factor, low, high = (keys.required(name, Number(1e-6, 1e6)) for name in names)
    original = keys.required("original_max_position_embeddings", Integer(1, 2**31))
    if keys.problems.found:
        return None
    if high <= low:
        keys.problems.add("high_freq_factor", f"must be above low_freq_factor, {low}, not {high}")
        return None
    return RotaryScaling(
        factor=float(factor),
        low_frequency_factor=float(low),
        high_frequency_factor=float(high),
        original_positions=original,
    )


def _input_norm_epsilon(file: ConfigFile) -> float:
    """Return the epsilon of norms inside projections, whose key `_quantisation` has checked."""
    quantisation = file.values.get("quantization_config")
    epsilon = quantisation.get("rms_norm_eps") if isinstance(quantisation, dict) else None
    return 1e-6 if epsilon is None else float(epsilon)  # BitNetQuantConfig in transformers


def _check_whole(factor: object, path: str, add: Callable[[str, str], None]) -> None:
    if factor not in (None, 1):
        add(path, f"must be 1, not {shorten(factor)}: rotary angles for a part of each head are not computed")


def _quantisation(file: ConfigFile, keys: Keys) -> tuple[Quantisation, str]:
    """Return how the checkpoint stores projections, and a warning or ""."""
    problems, raw = keys.problems, file.values.get("quantization_config")
    is_bitnet = file.model_type == "bitnet"
    if raw is None and is_bitnet:
        return "online", "config.json has no quantization_config: the weights are ternarised, as BitNet does online"
    if raw is None:
        return ("online" if file.is_1bitllm else "none"), ""
    if not isinstance(raw, dict):
        problems.add("quantization_config", f"must be an object or null, not {shorten(raw)}")
        return "none", ""
    inner = Keys(raw, problems.__class__("", "", file.problems().kind))
    inner.required("quant_method", OneOf(("bitnet",)))
    linear = inner.optional("linear_class", OneOf(("bitlinear", "autobitlinear")), "bitlinear")
    mode = inner.optional("quantization_mode", OneOf(("offline", "online")), "offline")
    inner.optional("use_rms_norm", Boolean(), False)
    inner.optional("rms_norm_eps", Number(0, 1), None)
    for name in _kept_float(raw.get("modules_to_not_convert")):
        inner.problems.add("modules_to_not_convert", f"must name lm_head only, not {shorten(name)}")
    for text in inner.problems.found:
        problems.add("", f"quantization_config.{text}")
    if linear == "bitlinear":
        return "packed_divide", ""
    return ("online" if mode == "online" else "packed_multiply"), ""


def _kept_float(names: object) -> Iterator[object]:
    """Find modules that the file excludes from quantisation, except those that are never quantised.

    Args:
        names: The value of `modules_to_not_convert`.

    Yields:
        Each name, or the whole value if it is not a list.
    """
    if names is None:
        return
    if not isinstance(names, list):
        yield names
        return
    yield from (name for name in names if name not in ("lm_head", "model.embed_tokens", "embed_tokens"))
