"""Conversion of the metadata of GGUF files to the configs of Hugging Face's families.

A GGUF file names its architecture (`general.architecture`), whose name begins the keys of its sizes. They become the
keys of the `config.json` of the same family, so that one set of rules holds for both kinds of files.

Reference:
    Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and gguf/constants.py of its Python library.
    Architectures bitnet-b1.58 and bitnet-25: the llama.cpp of microsoft/BitNet.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from workloads.checked_fields import shorten, suggest
from workloads.gguf_files import is_gguf
from workloads.gguf_header import Header, read_header
from workloads.gguf_tensors import GgufTensor
from workloads.huggingface import ConfigFile, parse_config
from workloads.model_families import BITNET, FAMILIES
from workloads.network_config import READABLE, NetworkConfig, parse_network_config
from workloads.neural_network import RotaryFactors
from workloads.strict_json import Problems
from workloads.untrusted_files import printable
from workloads.workload_errors import ConfigFileError, UnknownFamilyError

ARCHITECTURES: Mapping[str, str] = MappingProxyType(
    {
        "llama": "llama",
        "gpt2": "gpt2",
        "qwen2": "qwen2",
        "bitnet": "llama",  # 1bitLLM's reproductions
        "bitnet-b1.58": "bitnet",
        "bitnet-25": "bitnet",
        "gemma3": "gemma3_text",
        **{name: name for name in ("qwen3", "phi3", "gemma", "gemma2", "granite", "starcoder2")},
    }
)
"""Family, a key of `FAMILIES`, by the name of an architecture."""

EMBEDDING, LM_HEAD, ROTARY_FACTORS = "token_embd.weight", "output.weight", "rope_freqs.weight"
PERMUTED = ("llama",)
"""Architectures whose queries and keys are in the order of neighbouring pairs (`LLAMA_ROPE_TYPE_NORM` of llama.cpp)."""

MAX_LISTED = 10_000
"""Numbers of an array that are kept as a list: more than a model has layers."""

_SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        "layers": "block_count",
        "heads": "attention.head_count",
        "d_model": "embedding_length",
        "d_ff": "feed_forward_length",
        "kv_heads": "attention.head_count_kv",
        "d_head": "attention.key_length",
    }
)
"""End of the key of a size by the field of `Family` that names its key in `config.json`."""

_UNCOMPUTED = (
    "attention.scale",
    "attention.clamp_kqv",
    "attention.max_alibi_bias",
    "attention.sliding_window",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "logit_scale",
    "residual_scale",
    "embedding_scale",
)
"""Ends of keys of features that change the logits of the architectures whose numbers are computed."""


@dataclass(frozen=True, slots=True, eq=False)
class GgufModel:
    """A GGUF file of a supported architecture.

    Attributes:
        header: Its metadata and tensors.
        architecture: Name of its architecture, a key of `ARCHITECTURES`.
        config: Its shape, and its values as those of a `config.json`.
        keys: Keys of the file by the keys of `config` that are made from them.
    """

    header: Header
    architecture: str
    config: ConfigFile
    keys: Mapping[str, str]

    def tensors(self) -> dict[str, GgufTensor]:
        """List the tensors.

        Returns:
            The tensors by name; the rows of queries and keys have the order of transformers.
        """
        spec = self.config.spec
        heads = {"attn_q": spec.heads, "attn_k": spec.kv_heads} if self.architecture in PERMUTED else {}
        return {
            name: GgufTensor(name, self.header.file, info, heads.get((name.split(".") + [""] * 2)[2], 0))
            for name, info in self.header.tensors.items()
        }


def read_gguf_header(path: str | os.PathLike[str]) -> Header:
    """Read the header of a GGUF file; the last two that were read stay in memory.

    Args:
        path: The file.

    Returns:
        Metadata, and the places of the tensors.

    Raises:
        CheckpointError: As for `read_header`.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return read_header(path)  # which reports why
    return _read_header(os.fspath(path), status.st_mtime_ns, status.st_size)


@lru_cache(2)
def _read_header(path: str, time_ns: int, size: int) -> Header:
    del time_ns, size
    return read_header(path)


def read_gguf_model(path: str | os.PathLike[str]) -> GgufModel:
    """Read the shape of the model in a GGUF file.

    Args:
        path: The file.

    Returns:
        The model; its tensors are only located.

    Raises:
        CheckpointError: If the file cannot be read or its header is invalid.
        UnknownFamilyError: If its architecture is not supported.
        ConfigFileError: If keys are missing or invalid, or it requests a feature that is not modelled.
    """
    assert is_gguf(path)
    header = read_gguf_header(path)
    source = printable(path)
    architecture = header.values.get("general.architecture")
    if not isinstance(architecture, str) or architecture not in ARCHITECTURES:
        known = f"supported are {', '.join(ARCHITECTURES)}"
        found = "is missing" if architecture is None else f"{shorten(architecture)} is not a supported architecture"
        raise UnknownFamilyError(
            f"{source}: general.architecture {found}{suggest(architecture, ARCHITECTURES)}; {known}"
        )
    problems = Problems(source, "cannot be used as a model", ConfigFileError)
    stated = _stated(header, architecture)
    for text in _not_modelled(stated, architecture):
        problems.add("", text)
    if problems.found:
        raise problems.error()
    values, keys = _values(header, stated, architecture)
    try:
        config = parse_config(values, Path(path), problems)
    except ConfigFileError as error:
        raise type(error)(_with_own_keys(str(error), keys)) from error
    return GgufModel(header, architecture, config, keys)


def gguf_network_config(model: GgufModel) -> NetworkConfig:
    """Return what is needed to load the tensors of a GGUF file.

    Args:
        model: The file.

    Returns:
        Constants of the network; its projections are stored without tensors of scales beside them.

    Raises:
        ConfigFileError: If the numbers of its family are not computed, or if it requests a feature that would change
            logits but is not computed.
        CheckpointError: If the factors of its rotary angles cannot be read.
    """
    source, values = printable(model.header.file), _stated(model.header, model.architecture)
    if model.config.model_type not in READABLE:
        names = [name for name, family in ARCHITECTURES.items() if family in READABLE]
        raise ConfigFileError(
            f"{source}: models of the architecture {model.architecture} can be timed, but their numbers are not "
            f"computed: weights can be loaded if general.architecture is {', '.join(names[:-1])} or {names[-1]}"
        )
    keys = [f"{model.architecture}.{end}" for end in _UNCOMPUTED]
    if found := [key for key in keys if values.get(key)]:
        raise ConfigFileError(f"{source}: {', '.join(found)}: the feature can be timed, but is not computed")
    try:
        config = parse_network_config(model.config)
    except ConfigFileError as error:
        raise ConfigFileError(_with_own_keys(str(error), model.keys)) from error
    factors = model.tensors().get(ROTARY_FACTORS)
    details = config.details
    if factors is not None and model.config.spec.position == "rotary":
        details = replace(details, rotary_scaling=_rotary_factors(factors, model.config.spec.d_head))
    return replace(config, details=details, quantisation="none", warnings=())


def _rotary_factors(tensor: GgufTensor, d_head: int) -> RotaryFactors:
    if tensor.shape != (d_head // 2,):
        raise tensor.error(f"must have the shape [{d_head // 2}], not {list(tensor.shape)}")
    factors = tensor.read()
    if not (factors > 0).all():
        raise tensor.error("must be above 0: it divides the frequencies of the rotary angles")
    return RotaryFactors(tuple(map(float, factors)))


def _stated(header: Header, architecture: str) -> dict[str, Any]:
    """Return the values of the architecture; arrays, which have a number per layer, as one number or as a list."""
    own = (f"{architecture}.", "split.")
    return {key: _same_in_all_layers(value) for key, value in header.values.items() if key.startswith(own)}


def _not_modelled(values: Mapping[str, Any], architecture: str) -> Iterator[str]:
    """Describe what a file requests that no trace contains.

    Args:
        values: The result of `_stated`.
        architecture: Architecture of the file.

    Yields:
        One message per feature.
    """
    if values.get(f"{architecture}.expert_count"):
        yield f"{architecture}.expert_count: mixtures of experts are not read from GGUF; use the model's safetensors"
    if (count := values.get("split.count")) not in (None, 1):
        yield f"split.count is {shorten(count)}: merge the parts into one file (llama-gguf-split --merge)"
    lengths = [values.get(f"{architecture}.attention.{part}_length") for part in ("key", "value")]
    if None not in lengths and lengths[0] != lengths[1]:
        yield f"{architecture}.attention.value_length must equal key_length, {lengths[0]}, not {lengths[1]}"


def _values(header: Header, stated: Mapping[str, Any], architecture: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of the `config.json` of the same model, and the key of the file for each that has one."""
    model_type = ARCHITECTURES[architecture]
    family = FAMILIES[model_type]
    found: dict[str, Any] = {"model_type": model_type, "_name_or_path": _name(header)}
    keys: dict[str, str] = {}

    def take(key: str | None, end: str) -> None:
        name = f"{architecture}.{end}"
        if key is None:
            return
        keys[key] = name
        if name in stated:
            found[key] = stated[name]

    for field, end in _SUFFIXES.items():
        take(getattr(family, field), end)
    norm = "layer_norm" if family.norm == "layernorm" else "layer_norm_rms"
    take("layer_norm_epsilon" if model_type == "gpt2" else "rms_norm_eps", f"attention.{norm}_epsilon")
    take("n_positions" if model_type == "gpt2" else "max_position_embeddings", "context_length")
    take("rope_theta", "rope.freq_base")
    take("vocab_size", "vocab_size")
    take("sliding_window", "attention.sliding_window")
    for cap in ("attn_logit_softcapping", "final_logit_softcapping") if family.soft_caps is not None else ():
        found[cap] = None
        take(cap, cap)
    if model_type in READABLE or family.windows == "all":
        found["sliding_window"] = found.get("sliding_window") if family.windows == "all" else None
    table = header.tensors.get(EMBEDDING)
    tokens = header.values.get("tokenizer.ggml.tokens")
    if table is not None and len(table.shape) == 2:
        found["vocab_size"] = table.shape[0]
    elif "vocab_size" not in found and isinstance(tokens, list):
        found["vocab_size"] = len(tokens)
    found["tie_word_embeddings"] = LM_HEAD not in header.tensors
    found |= _switches(header, model_type)
    found |= _rotary(stated, architecture, found, keys)
    if architecture == "bitnet":
        found["architectures"] = [BITNET.architecture]
    return found, keys


def _switches(header: Header, model_type: str) -> dict[str, Any]:
    """Return switches that a file does not have as keys: its tensors tell them."""
    found: dict[str, Any] = {}
    for key, roles in FAMILIES[model_type].biased_by.items():
        found[key] = f"blk.0.{'ffn_up' if 'up' in roles and 'q' not in roles else 'attn_q'}.bias" in header.tensors
    if model_type == "bitnet":
        found["use_sub_norms"] = "blk.0.attn_sub_norm.weight" in header.tensors
    return found


def _rotary(
    values: Mapping[str, Any], architecture: str, found: Mapping[str, Any], keys: dict[str, str]
) -> dict[str, Any]:
    """Return the rotated elements of a head and the scaling of the angles, as in a `config.json`."""
    family = FAMILIES[ARCHITECTURES[architecture]]
    result: dict[str, Any] = {}
    d_model, heads = found.get(family.d_model), found.get(family.heads)
    d_head = found.get(family.d_head or "")
    if d_head is None and type(d_model) is int and type(heads) is int and heads:
        d_head = d_model // heads
    rotated = values.get(f"{architecture}.rope.dimension_count")
    if family.position == "rotary" and type(rotated) is int and type(d_head) is int and 0 < rotated < d_head:
        result["partial_rotary_factor"] = rotated / d_head
        keys["partial_rotary_factor"] = f"{architecture}.rope.dimension_count"
    kind = values.get(f"{architecture}.rope.scaling.type", "none")
    factor = values.get(f"{architecture}.rope.scaling.factor", values.get(f"{architecture}.rope.scale_linear", 1))
    if kind not in ("none", "") and not (kind == "linear" and factor == 1):
        result["rope_scaling"] = {"rope_type": kind, "factor": factor}
        keys["rope_scaling"] = f"{architecture}.rope.scaling.type"
    return result


def _same_in_all_layers(value: Any) -> Any:
    """Return the value of an array that is the same in all of it, another array as a list, and any other as it is."""
    if isinstance(value, np.ndarray):
        return value[0].item() if value.size and (value == value[0]).all() else value[:MAX_LISTED].tolist()
    return value


def _name(header: Header) -> str:
    """Return the name of the model: that of the file, unless it is the usual name of any file."""
    name = header.values.get("general.name")
    usual = re.match(r"(ggml-)?model\b", header.file.stem)
    return name.replace(" ", "-") if usual and isinstance(name, str) else header.file.stem


def _with_own_keys(message: str, keys: Mapping[str, str]) -> str:
    """Return a message about a config with the keys of the file in place of those of a `config.json`."""
    if not keys:
        return message
    return re.sub(rf"\b({'|'.join(map(re.escape, keys))})\b", lambda match: keys[match[1]], message)
