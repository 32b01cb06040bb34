"""From a Hugging Face ``config.json`` to a model spec.

A file says which family it is of by its ``model_type``; `FAMILIES` says, for each family, under which keys the shape is
written, as defined by that family's configuration class in Hugging Face's transformers. Two kinds of that class's
defaults apply to keys that are absent: those computed from other keys (``num_key_value_heads`` as many as
``num_attention_heads``), and words and switches (``hidden_act``). Sizes do not: the 4096 that stands in the class is
one model's ``hidden_size``, so a file without the key does not describe its model, and is refused.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from types import MappingProxyType
from typing import Any

from workloads.checked_fields import Boolean, Integer, Name, OneOf, Rule, rules, shorten, suggest
from workloads.models import ModelSpec
from workloads.strict_json import Problems, as_object, parse
from workloads.untrusted_files import printable, read_file
from workloads.workload_errors import ConfigFileError, SpecError, UnknownFamilyError

MAX_FILE_BYTES = 2**20
FILE_NAME = "config.json"

ACTIVATIONS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_accurate"), "gelu"),
        **dict.fromkeys(("gelu_pytorch_tanh", "gelu_python_tanh"), "gelu"),
        **dict.fromkeys(("silu", "swish"), "silu"),
        "relu": "relu",
        "relu2": "relu2",
    }
)
"""What transformers calls a function (``ACT2FN`` in activations.py) and what an op does: all GELUs are one to us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How the files of one ``model_type`` spell a shape, and what goes without saying.

    Attributes:
        architecture: the model class, by which files without a ``model_type`` (the first ones) are told.
        layers, heads, d_model, d_ff, activation: the keys; `ModelSpec` says what they mean.
        kv_heads, d_head: the keys, or None where there is none: all heads have their own K and V; d_model / heads.
        kv_heads_optional: without the key, or with null, there are as many as heads; else only with null.
        d_ff_per_d_model: the FFN's width without its key, in d_model; 0 if the key is required.
        default_activation: the function without its key.
        parallel: the key that says whether attention and FFN are parallel (they are without it), or None: never.
        gated, norm, position, sub_norms: as in `ModelSpec`, the same for the whole family.

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
    gated=False,
    norm="layernorm",
    position="learned",
)
"""GPT-2: ``GPT2Config`` in transformers' models/gpt2/configuration_gpt2.py (n_inner null: 4 n_embd)."""

OPT = Family(
    architecture="OPTForCausalLM",
    d_ff="ffn_dim",
    activation="activation_function",
    default_activation="relu",
    gated=False,
    norm="layernorm",
    position="learned",
)
"""OPT: ``OPTConfig`` in transformers' models/opt/configuration_opt.py."""

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
"""LLaMA 1 to 3, Vicuna and others: ``LlamaConfig`` in transformers' models/llama/configuration_llama.py.

1bitLLM's BitNet b1.58 reproductions (0.7B to 3.3B) call themselves llama too; their architecture, BitnetForCausalLM,
has sub-norms (configuration_bitnet.py and modeling_bitnet.py in their Hugging Face repositories).
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
"""Mistral: ``MistralConfig`` in transformers' models/mistral/configuration_mistral.py (sliding_window absent: 4096)."""

QWEN2 = Family(
    architecture="Qwen2ForCausalLM",
    kv_heads="num_key_value_heads",
    d_head="head_dim",
    default_activation="silu",
    gated=True,
    norm="rmsnorm",
    position="rotary",
)
"""Qwen2, Qwen2.5: ``Qwen2Config`` in transformers' models/qwen2/configuration_qwen2.py, where use_sliding_window absent
means false; head_dim is not there, but read in modeling_qwen2.py."""

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
"""BitNet b1.58 2B4T: ``BitNetConfig`` in transformers' models/bitnet/configuration_bitnet.py; the sub-norms, and a
head_dim if there is one, are in modeling_bitnet.py."""

GPT_NEOX = Family(
    architecture="GPTNeoXForCausalLM",
    default_activation="gelu",
    parallel="use_parallel_residual",
    gated=False,
    norm="layernorm",
    position="rotary",
)
"""GPT-NeoX and Pythia: ``GPTNeoXConfig`` in transformers' models/gpt_neox/configuration_gpt_neox.py."""

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
"""The families that are understood, by ``model_type``."""

_NOT_MODELLED: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("num_local_experts", "num_experts", "n_routed_experts"), "mixture of experts"),
        "kv_lora_rank": "multi-head latent attention",
        "is_encoder_decoder": "an encoder beside the decoder",
        "add_cross_attention": "cross-attention",
        "text_config": "a language model inside a larger model",
    }
)
"""What a file may ask for that no spec can say, by the key that asks for it."""


def read_model_config(path: str | os.PathLike[str]) -> ModelSpec:
    """Return the spec of the model whose ``config.json`` is at ``path``, which may also be the folder that holds it.

    The spec is called as the file's ``_name_or_path`` ends, or else as the folder; what of the model a spec leaves out
    (a sliding window, a projected embedding) is noted in ``source``.

    Raises:
        UnknownFamilyError: the model is of none of the `FAMILIES`.
        ConfigFileError: the file cannot be read, is larger than 1 MiB, is no JSON object, lacks keys or has wrong ones
            (all are listed), or asks for what is not modelled, as a mixture of experts.

    """
    return read_config_file(path).spec


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A model's ``config.json``, understood as far as shapes go; ``values`` is all that it says.

    Attributes:
        file: where it is.
        model_type: its family, a key of `FAMILIES`.
        spec: the shape.
        values: key by key.

    """

    file: Path
    model_type: str
    spec: ModelSpec
    values: Mapping[str, Any]

    @property
    def is_1bitllm(self) -> bool:
        """Whether it is one of 1bitLLM's BitNets, which call themselves llama."""
        return self.model_type == "llama" and _is_1bitllm(self.values)

    def problems(self, verdict: str = "cannot be used as a model config") -> Problems:
        """Return a list, empty yet, of what else is wrong with the file."""
        return Problems(printable(self.file), verdict, ConfigFileError)


def read_config_file(path: str | os.PathLike[str]) -> ConfigFile:
    """Return the file of `read_model_config`, which see, with all that it says beside the spec."""
    file = _config_file(path)
    data = read_file(file, "the model config", MAX_FILE_BYTES, ConfigFileError)
    problems = Problems(printable(file), "cannot be used as a model config", ConfigFileError)
    values = as_object(parse(data, problems), "", problems)
    if values is None:
        raise problems.error()
    model_type = _model_type(values)
    if model_type is None:
        raise _unknown_family(values, file)
    for text in _obstacles(values):
        problems.add("", text)
    spec = _spec(Keys(values, problems), model_type, file)
    if spec is None or problems.found:
        raise problems.error()
    return ConfigFile(file, model_type, spec, MappingProxyType(values))


class Keys:
    """The values of one file, each checked as it is taken."""

    def __init__(self, values: Mapping[str, Any], problems: Problems) -> None:
        self.values = values
        self.problems = problems

    def required(self, key: str, rule: Rule) -> Any:
        """Return the value of ``key``, noting if it is missing or wrong."""
        if key not in self.values:
            self.problems.add(key, "is missing")
            return None
        if text := rule.problem(self.values[key]):
            self.problems.add(key, text)
        return self.values[key]

    def optional(self, key: str, rule: Rule, default: Any) -> Any:
        """Return the value of ``key``, or ``default`` if there is none or null, noting if it is wrong."""
        return default if self.values.get(key) is None else self.required(key, rule)


def _spec(keys: Keys, model_type: str, file: Path) -> ModelSpec | None:
    """Return the spec, or None after noting why not."""
    family = FAMILIES[model_type]
    sizes = _sizes(keys, family)
    activation = keys.optional(family.activation, OneOf(tuple(ACTIVATIONS)), family.default_activation)
    parallel = family.parallel is not None and keys.optional(family.parallel, Boolean(), True)
    notes = [f"{note} is not modelled" for note in _notes(keys, model_type)]
    if keys.problems.found:
        return None
    try:
        return ModelSpec(
            name=_name(keys.values, model_type, file),
            **_derived(sizes, family),
            gated=family.gated,
            norm=family.norm,
            activation=ACTIVATIONS[activation],
            position=family.position,
            sub_norms=family.sub_norms or _is_1bitllm(keys.values),
            parallel=parallel,
            source="; ".join([printable(file.name), *notes]),
            confidence="A",
        )
    except SpecError as error:
        keys.problems.add("", str(error))
        return None


def _sizes(keys: Keys, family: Family) -> dict[str, Any]:
    """Return the numbers that the file gives, None for those left to be derived."""
    checks = rules(ModelSpec)
    named = {"layers": family.layers, "heads": family.heads, "d_model": family.d_model, "vocab": "vocab_size"}
    sizes = {field: keys.required(key, checks[field]) for field, key in named.items()}
    optional = {"kv_heads": family.kv_heads, "d_head": family.d_head}
    if family.d_ff_per_d_model:
        optional["d_ff"] = family.d_ff
    else:
        sizes["d_ff"] = keys.required(family.d_ff, checks["d_ff"])
    for field, key in optional.items():
        sizes[field] = keys.optional(key, checks[field], None) if key else None
    if family.kv_heads and not family.kv_heads_optional and family.kv_heads not in keys.values:
        keys.problems.add(family.kv_heads, "is missing")
    if not keys.problems.found:
        _check_division(keys.problems, sizes, family)
    return sizes


def _check_division(problems: Problems, sizes: Mapping[str, Any], family: Family) -> None:
    """Note heads that do not share evenly, in the words of the file."""
    heads, kv_heads, d_model = sizes["heads"], sizes["kv_heads"], sizes["d_model"]
    if kv_heads is not None and heads % kv_heads:
        problems.add(family.heads, f"must be a multiple of {family.kv_heads}, not {heads} with {kv_heads}")
    if sizes["d_head"] is None and d_model % heads:
        unless = f" unless {family.d_head} is given" if family.d_head else ""
        problems.add(family.d_model, f"must be a multiple of {family.heads}{unless}, not {d_model} with {heads}")


def _derived(sizes: Mapping[str, Any], family: Family) -> dict[str, Any]:
    """Return ``sizes`` with those filled in that follow from others."""
    heads, d_model = sizes["heads"], sizes["d_model"]
    defaults = {"kv_heads": heads, "d_head": d_model // heads, "d_ff": family.d_ff_per_d_model * d_model}
    return {field: defaults[field] if size is None else size for field, size in sizes.items()}


def _notes(keys: Keys, model_type: str) -> Iterator[str]:
    """Yield what the file says of the model that is left out of its spec."""
    sliding = model_type == "qwen2" and keys.optional("use_sliding_window", Boolean(), False)
    if (model_type == "mistral" or sliding) and keys.values.get("sliding_window", 4096) is not None:
        yield f"its {keys.optional('sliding_window', Integer(1, 2**40), 4096)}-entry sliding window"
    if model_type == "opt":
        embedded = keys.optional("word_embed_proj_dim", rules(ModelSpec)["d_model"], None)
        if embedded not in (None, keys.values.get("hidden_size")):
            yield f"its {embedded}-wide embedding projected to {keys.values.get('hidden_size')}"
    if model_type == "opt" and not keys.optional("do_layer_norm_before", Boolean(), True):
        yield "its post-norm order"
    if model_type == "gpt_neox" and keys.values.get("rotary_pct") != 1:
        yield "its rotary embedding of only a part of each head"


def _model_type(values: Mapping[str, Any]) -> str | None:
    """Return the known family that a file is of, or None."""
    named = values.get("model_type")
    if named is not None:
        return named if isinstance(named, str) and named in FAMILIES else None
    of_architecture = {family.architecture.lower(): model_type for model_type, family in FAMILIES.items()}
    return next((of_architecture[name] for name in _architectures(values) if name in of_architecture), None)


def _architectures(values: Mapping[str, Any]) -> list[str]:
    names = values.get("architectures")
    return [name.lower() for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _is_1bitllm(values: Mapping[str, Any]) -> bool:
    return BITNET.architecture.lower() in _architectures(values)  # theirs is spelled BitnetForCausalLM


def _obstacles(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a file that may be of a known family is none of it: what it asks for that no spec can say."""
    for key, what in _NOT_MODELLED.items():
        value = values.get(key)
        if value and not (type(value) is int and value == 1):  # 1 expert is no mixture
            yield f"{key}: {what} is not modelled"


def _unknown_family(values: Mapping[str, Any], file: Path) -> UnknownFamilyError:
    known = f"known are {', '.join(FAMILIES)}"
    named = values.get("model_type")
    if named is None:
        classes = ", ".join(family.architecture for family in FAMILIES.values())
        text = f"model_type is missing, and architectures names none of {classes}; {known}"
    else:
        text = f"model_type {shorten(named)} is no family that is understood{suggest(named, FAMILIES)}; {known}"
    lines = [f"{printable(file)} cannot be used as a model config:", text, *_obstacles(values)]
    return UnknownFamilyError("\n  ".join(lines))


def _config_file(path: str | os.PathLike[str]) -> Path:
    if not os.fspath(path):  # to Path, the current folder
        raise ConfigFileError("cannot read the model config: the path is empty")
    given = Path(path)
    try:
        return given / FILE_NAME if given.is_dir() else given
    except (OSError, ValueError):  # reading it will say why
        return given


def _name(values: Mapping[str, Any], model_type: str, file: Path) -> str:
    """Return what to call the model: a valid name, whatever the file and its folder are called."""
    written = values.get("_name_or_path")
    folder = _last_part(file.absolute().parent)
    candidates = [folder, re.sub(r"[^A-Za-z0-9_.+-]+", "-", folder).strip("-.+")[:100], model_type]
    if isinstance(written, str):
        candidates.insert(0, _last_part(PurePosixPath(written.replace("\\", "/"))))
    return next(name for name in candidates if Name().problem(name) is None)


def _last_part(path: PurePath) -> str:
    """Return the model's name in a path: the last part, or the repository's in the cache of Hugging Face's hub."""
    repository = path.parent.parent.name  # the cache: models--facebook--opt-6.7b/snapshots/a45aa65bbeb7...
    if path.parent.name == "snapshots" and repository.startswith("models--"):
        return repository.rpartition("--")[2]
    return path.name
