"""Conversion of a Hugging Face `config.json` to a model spec.

The `model_type` of a file names its family; `workloads.model_families` lists the keys of each family. The files are
untrusted input, and all problems of a file are reported together.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from types import MappingProxyType
from typing import Any

from workloads.checked_fields import Boolean, Name, Number, OneOf, rules, shorten
from workloads.config_features import read_rotated, read_window, unlike_transformers
from workloads.config_keys import Keys
from workloads.family import Family
from workloads.gguf_files import is_gguf
from workloads.inner_model import TEXT_CONFIG, inner_model
from workloads.missing_files import no_config
from workloads.mixture_config import read_experts, read_latent
from workloads.model_families import ACTIVATIONS, BITNET, FAMILIES
from workloads.model_names import similar_families
from workloads.models import ENTRIES, ModelSpec
from workloads.strict_json import Problems, as_object, parse
from workloads.untrusted_files import printable, read_file
from workloads.workload_errors import ConfigFileError, SpecError, UnknownFamilyError

MAX_FILE_BYTES = 2**20
FILE_NAME = "config.json"

_NOT_MODELLED: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("num_local_experts", "num_experts", "n_routed_experts"), "mixture of experts"),
        "kv_lora_rank": "multi-head latent attention",
        "is_encoder_decoder": "an encoder in addition to the decoder",
        "add_cross_attention": "cross-attention",
    }
)
"""Features that a `ModelSpec` cannot describe, by the key that requests them."""


def read_model_config(path: str | os.PathLike[str]) -> ModelSpec:
    """Read the spec of a model from its `config.json`.

    The name of the spec is the last part of `_name_or_path` in the file, or else the name of the folder. Features that
    a spec does not describe but that leave the shape valid (a projected embedding, norms inside projections) are its
    `notes`.

    Args:
        path: The file, or the folder that contains it, or a GGUF file.

    Returns:
        The spec.

    Raises:
        UnknownFamilyError: If the model belongs to none of the `FAMILIES`.
        ConfigFileError: If the file cannot be read, is larger than 1 MiB, is not a JSON object, has missing or invalid
            keys (all are listed), or requests a feature that is not modelled, such as cross-attention.
    """
    return read_config_file(path).spec


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A parsed `config.json`.

    Attributes:
        file: Path of the file.
        model_type: Family of the model, a key of `FAMILIES`.
        spec: Shape of the model.
        values: All keys of the file with their values; those of its `text_config` if `is_inner`.
        is_inner: Whether the model is the language model inside a larger one.
    """

    file: Path
    model_type: str
    spec: ModelSpec
    values: Mapping[str, Any]
    is_inner: bool = False

    @property
    def is_1bitllm(self) -> bool:
        """Whether the model is one of 1bitLLM's BitNets, whose `model_type` is llama."""
        return self.model_type == "llama" and _is_1bitllm(self.values)

    def problems(self, verdict: str = "cannot be used as a model config") -> Problems:
        """Create an empty collection of problems of this file.

        Args:
            verdict: Continuation of the sentence that begins with the file's name, as in `Problems`.

        Returns:
            The collection, whose error is a `ConfigFileError`.
        """
        return Problems(printable(self.file), verdict, ConfigFileError)


def read_config_file(path: str | os.PathLike[str]) -> ConfigFile:
    """Read a `config.json` with all its keys.

    Args:
        path: The file, or the folder that contains it, or a GGUF file.

    Returns:
        The parsed file.

    Raises:
        UnknownFamilyError: As for `read_model_config`.
        ConfigFileError: As for `read_model_config`.
    """
    if is_gguf(path):
        from workloads.gguf_config import read_gguf_model  # which imports this module

        return read_gguf_model(path).config
    file = _config_file(path)
    try:
        data = read_file(file, "the model config", MAX_FILE_BYTES, ConfigFileError)
    except ConfigFileError as error:
        if text := no_config(path):
            raise ConfigFileError(f"{printable(path)}: {text}") from error
        raise
    problems = Problems(printable(file), "cannot be used as a model config", ConfigFileError)
    values = as_object(parse(data, problems), "", problems)
    if values is None:
        raise problems.error()
    return parse_config(values, file, problems)


def parse_config(values: dict[str, Any], file: Path, problems: Problems) -> ConfigFile:
    """Interpret the keys of a `config.json`.

    Args:
        values: Its keys and values.
        file: The file they are from.
        problems: Receives the problems of the file.

    Returns:
        The parsed file.

    Raises:
        UnknownFamilyError: As for `read_model_config`.
        ConfigFileError: As for `read_model_config`.
    """
    unsupported = list(_unsupported_features(values))
    inner, parts = inner_model(values, FAMILIES, problems) or (None, ())
    if problems.found:
        raise problems.error()
    if inner is not None:
        problems = Problems(printable(file), f"cannot be used as a model config, by its {TEXT_CONFIG}", ConfigFileError)
        unsupported += _unsupported_features(inner)
        values = inner
    model_type = _model_type(values)
    if model_type is None:
        raise UnknownFamilyError(_unknown_family(values, file))
    for text in unsupported:
        problems.add("", text)
    spec = _spec(Keys(values, problems), model_type, file, parts)
    if spec is None or problems.found:
        raise problems.error()
    return ConfigFile(file, model_type, spec, MappingProxyType(values), is_inner=inner is not None)


def _spec(keys: Keys, model_type: str, file: Path, parts: tuple[str, ...]) -> ModelSpec | None:
    """Return the spec, or None after recording why there is none. `parts` are further notes, as those of `_notes`."""
    family = FAMILIES[model_type]
    sizes = _sizes(keys, family)
    experts = read_experts(keys, family, sizes["layers"])
    latent = read_latent(keys, family, sizes)
    activation = family.default_activation
    if family.activation is not None:
        activation = keys.optional(family.activation, OneOf(tuple(ACTIVATIONS)), activation)
    positions = keys.optional(family.positions, ENTRIES, None) if family.positions else None
    window = read_window(keys, family, sizes["layers"])
    norms = _norms(keys, family)
    for text in unlike_transformers(keys, model_type):
        keys.problems.add("", text)
    derived = None if keys.problems.found else _derived(sizes, family)
    if derived is not None and latent is not None:
        derived["d_head"] = latent.d_query
    rotated = None if derived is None or latent is not None else read_rotated(keys, family, derived["d_head"])
    notes = tuple(f"{note} not modelled" for note in (*_notes(keys, model_type), *parts))
    if derived is None or keys.problems.found:
        return None
    try:
        return ModelSpec(
            name=_name(keys.values, model_type, file),
            **derived,
            gated=family.gated,
            activation=ACTIVATIONS[activation],
            position=family.position,
            d_rotary=rotated,
            **norms,
            score_cap=_has_cap(keys, family, "attn_logit_softcapping"),
            logit_cap=_has_cap(keys, family, "final_logit_softcapping"),
            window=window,
            experts=experts,
            latent=latent,
            positions=positions,
            notes=notes,
            source=printable(file.name),
            confidence="A",
        )
    except SpecError as error:
        keys.problems.add("", str(error))
        return None


def _norms(keys: Keys, family: Family) -> dict[str, Any]:
    """Return norms and their order by field of `ModelSpec`, and whether attention and FFN are parallel."""
    parallel, qk_norms = family.parallel, family.qk_norms
    sub_norms = family.sub_norms or _is_1bitllm(keys.values)
    if family.parallel_switch is not None:
        parallel = keys.optional(family.parallel_switch, Boolean(), parallel)
    if family.qk_norms_switch is not None and not keys.optional(family.qk_norms_switch, Boolean(), False):
        qk_norms = "none"
    if family.sub_norms_switch is not None:
        sub_norms = keys.optional(family.sub_norms_switch, Boolean(), sub_norms)
    quantisation = keys.values.get("quantization_config")
    inner = quantisation.get("use_rms_norm") if isinstance(quantisation, Mapping) else None
    if inner is not None and (text := Boolean().problem(inner)):
        keys.problems.add("quantization_config.use_rms_norm", text)
    return {
        "norm": family.norm,
        "norm_order": family.norm_order,
        "qk_norms": qk_norms,
        "sub_norms": sub_norms,
        "projection_norms": inner is True,
        "parallel": parallel,
        "shared_norm": parallel and family.shared_norm,
    }


def _has_cap(keys: Keys, family: Family, key: str) -> bool:
    if family.soft_caps is None:
        return False
    if key not in keys.values:
        return family.soft_caps
    return keys.optional(key, Number(1e-3, 1e6), None) is not None


def _sizes(keys: Keys, family: Family) -> dict[str, Any]:
    """Return the sizes in the file by field of `ModelSpec`; None for a size that is derived from others."""
    checks = rules(ModelSpec)
    named = {"layers": family.layers, "heads": family.heads, "d_model": family.d_model, "vocab": "vocab_size"}
    sizes = {field: keys.required(key, checks[field]) for field, key in named.items()}
    optional = {"kv_heads": family.kv_heads, "d_head": family.d_head}
    if family.d_ff_per_d_model:
        optional["d_ff"] = family.d_ff
    elif family.d_ff is not None:
        sizes["d_ff"] = keys.required(family.d_ff, checks["d_ff"])
    if family.d_head_required and family.d_head is not None:
        del optional["d_head"]
        sizes["d_head"] = keys.required(family.d_head, checks["d_head"])
    for field, key in optional.items():
        sizes[field] = keys.optional(key, checks[field], None) if key else None
    if family.kv_heads and not family.kv_heads_optional and family.kv_heads not in keys.values:
        keys.problems.add(family.kv_heads, "is missing")
    if not keys.problems.found:
        _check_division(keys.problems, sizes, family)
    return sizes


def _check_division(problems: Problems, sizes: Mapping[str, Any], family: Family) -> None:
    """Record numbers of heads that do not divide each other or d_model, with the key names of the file."""
    heads, kv_heads, d_model = sizes["heads"], sizes["kv_heads"], sizes["d_model"]
    if kv_heads is not None and heads % kv_heads:
        problems.add(family.heads, f"must be a multiple of {family.kv_heads}, not {heads} with {kv_heads}")
    if sizes["d_head"] is None and d_model % heads and not family.latent:
        unless = f" unless {family.d_head} is given" if family.d_head else ""
        problems.add(family.d_model, f"must be a multiple of {family.heads}{unless}, not {d_model} with {heads}")


def _derived(sizes: Mapping[str, Any], family: Family) -> dict[str, Any]:
    """Return `sizes` with each None replaced by the value derived from other sizes."""
    heads, d_model = sizes["heads"], sizes["d_model"]
    defaults = {"kv_heads": heads, "d_head": d_model // heads, "d_ff": family.d_ff_per_d_model * d_model}
    return {field: defaults[field] if size is None else size for field, size in sizes.items()}


def _notes(keys: Keys, model_type: str) -> Iterator[str]:
    """Describe the features of the model that its spec omits.

    Args:
        keys: The values of the file.
        model_type: Its family.

    Yields:
        One noun phrase with "is" or "are" per feature.
    """
    if model_type == "opt":
        embedded = keys.optional("word_embed_proj_dim", rules(ModelSpec)["d_model"], None)
        if embedded not in (None, keys.values.get("hidden_size")):
            yield f"its {embedded}-wide embedding projected to {keys.values.get('hidden_size')} is"
    if model_type == "opt" and not keys.optional("do_layer_norm_before", Boolean(), True):
        yield "its post-norm order is"
    clipped = keys.values.get("attn_config") if model_type == "mpt" else keys.values
    if model_type in ("olmo", "mpt") and isinstance(clipped, Mapping) and clipped.get("clip_qkv"):
        yield "the clipping of its queries, keys and values is"


def _model_type(values: Mapping[str, Any]) -> str | None:
    """Return the supported family that a file belongs to, or None."""
    named = values.get("model_type")
    if named is not None:
        return named if isinstance(named, str) and named in FAMILIES else None
    of_architecture = {family.architecture.lower(): model_type for model_type, family in FAMILIES.items()}
    return next((of_architecture[name] for name in _architectures(values) if name in of_architecture), None)


def _architectures(values: Mapping[str, Any]) -> list[str]:
    names = values.get("architectures")
    return [name.lower() for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _is_1bitllm(values: Mapping[str, Any]) -> bool:
    return BITNET.architecture.lower() in _architectures(values)  # 1bitLLM spells it BitnetForCausalLM


def _unsupported_features(values: Mapping[str, Any]) -> Iterator[str]:
    """Find the features of `_NOT_MODELLED` that a file requests.

    Args:
        values: The keys of the file; a family with experts or latent attention requests them by right.

    Yields:
        One message per feature.
    """
    family = FAMILIES.get(_model_type(values) or "")
    modelled = {family.mixture.experts} if family is not None and family.mixture is not None else set()
    modelled |= {"kv_lora_rank"} if family is not None and family.latent else set()
    for key, feature in _NOT_MODELLED.items():
        value = None if key in modelled else values.get(key)
        if value and not (type(value) is int and value == 1):  # a single expert is not a mixture
            yield f"{key}: {feature} is not modelled"


def _unknown_family(values: Mapping[str, Any], file: Path) -> str:
    known = f"supported families are {', '.join(FAMILIES)}"
    named = values.get("model_type")
    of_architecture = {family.architecture.lower(): model_type for model_type, family in FAMILIES.items()}
    meant = next((of_architecture[name] for name in _architectures(values) if name in of_architecture), None)
    if named is None:
        has = "names no supported model" if "architectures" in values else "is missing, too"
        text = f"model_type is missing, and architectures {has}: add the model_type of its family; {known}"
    elif meant is not None:
        text = f"model_type {shorten(named)} is not a supported family, but architectures names {meant}; {known}"
    else:
        text = f"model_type {shorten(named)} is not a supported family{similar_families(named)}; {known}"
    lines = [f"{printable(file)} cannot be used as a model config:", text, *_unsupported_features(values)]
    inner = values.get(TEXT_CONFIG)
    if isinstance(inner, Mapping) and inner:
        lines.append(f"its {TEXT_CONFIG} has model_type {shorten(inner.get('model_type'))}, no supported family either")
    return "\n  ".join(lines)


def _config_file(path: str | os.PathLike[str]) -> Path:
    if not os.fspath(path):  # Path("") would be the current folder
        raise ConfigFileError("cannot read the model config: the path is empty")
    given = Path(path)
    try:
        return given / FILE_NAME if given.is_dir() else given
    except (OSError, ValueError):  # reading the file reports why
        return given


def _name(values: Mapping[str, Any], model_type: str, file: Path) -> str:
    """Return the name of the model: the first valid one of its path, its folder and its family."""
    written = values.get("_name_or_path")
    folder = _last_part(file.absolute().parent)
    candidates = [folder, re.sub(r"[^A-Za-z0-9_.+-]+", "-", folder).strip("-.+")[:100], model_type]
    if isinstance(written, str):
        candidates.insert(0, _last_part(PurePosixPath(written.replace("\\", "/"))))
    return next(name for name in candidates if Name().problem(name) is None)


def _last_part(path: PurePath) -> str:
    """Return the last part of a path, or the name of the repository if it lies in the cache of Hugging Face's hub."""
    repository = path.parent.parent.name  # the cache: models--facebook--opt-6.7b/snapshots/a45aa65bbeb7...
    if path.parent.name == "snapshots" and repository.startswith("models--"):
        return repository.rpartition("--")[2]
    return path.name
