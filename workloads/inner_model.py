"""The language model inside a larger one, whose `config.json` has it as `text_config`: Gemma 3 from 4B on, LLaVA.

transformers writes of a nested config only the values that differ from the defaults of its class, so that for example
the `text_config` of Gemma 3 4B has neither heads nor vocabulary. The missing values are those defaults.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from workloads.family import Family
from workloads.strict_json import Problems, as_object

TEXT_CONFIG = "text_config"

_LLAMA = {"vocab_size": 32000, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "gemma3_text": {
            "vocab_size": 262_208,
            "hidden_size": 2304,
            "intermediate_size": 9216,
            "num_hidden_layers": 26,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 256,
            "hidden_activation": "gelu_pytorch_tanh",
            "sliding_window": 4096,
        },
        "llama": {**_LLAMA, "intermediate_size": 11008, "hidden_act": "silu"},
        "mistral": {
            **_LLAMA,
            "intermediate_size": 14336,
            "num_key_value_heads": 8,
            "hidden_act": "silu",
            "sliding_window": 4096,
        },
        "qwen2": {
            **_LLAMA,
            "vocab_size": 151_936,
            "intermediate_size": 22016,
            "num_key_value_heads": 32,
            "hidden_act": "silu",
            "sliding_window": 4096,
            "max_window_layers": 28,
        },
    }
)
"""Defaults of the sizes by `model_type`: `Gemma3TextConfig`, `LlamaConfig`, `MistralConfig` and `Qwen2Config` in
transformers' models/*/configuration_*.py."""
_IMPLIED = MappingProxyType({"gemma3": "gemma3_text", "llava": "llama"})
"""`model_type` of a `text_config` that has none, by that of the whole model: `Gemma3Config` and `LlavaConfig`."""
_PARTS = MappingProxyType({"vision_config": "vision tower", "audio_config": "audio tower"})


def inner_model(
    values: Mapping[str, Any], families: Mapping[str, Family], problems: Problems
) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """Return the values of the language model inside a larger model.

    Args:
        values: The keys of the whole file.
        families: The supported families by `model_type`.
        problems: Receives the problems of a `text_config` that is not a valid JSON object.

    Returns:
        Values with the name of the whole model and the defaults of their class; and notes of what is not modelled, each
        a noun phrase with "is". None if the file is that of a language model itself, or the inner one is of no
        supported family.
    """
    named, given = values.get("model_type"), values.get(TEXT_CONFIG)
    if (isinstance(named, str) and named in families) or not isinstance(given, Mapping) or not given:
        return None
    inner = as_object(given, TEXT_CONFIG, problems)
    implied = _IMPLIED.get(named) if isinstance(named, str) else None
    model_type = (inner or {}).get("model_type", implied)
    if inner is None or not isinstance(model_type, str) or model_type not in families:
        return None
    outer = {key: values[key] for key in ("_name_or_path", "tie_word_embeddings") if key in values}
    own = {key: value for key, value in inner.items() if key != "_name_or_path"}  # that of the model it was made from
    found = {**DEFAULTS.get(model_type, {}), **outer, **own, "model_type": model_type}
    parts = [what for key, what in _PARTS.items() if values.get(key)] or ["other part"]
    return found, tuple(f"its {what}, which turns other inputs into tokens of the prompt, is" for what in parts)
