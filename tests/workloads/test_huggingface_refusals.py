"""Files of config.json that are not configs, or not of a supported family, and the message of each."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.workloads.model_configs import read, refusal, shape, without
from tests.workloads.published_configs import LLAMA_2_7B, MISTRAL_7B, OPT_6_7B, PUBLISHED
from workloads import huggingface
from workloads.mixture_config import LATENT_KEYS
from workloads.model_families import FAMILIES
from workloads.models import find_model
from workloads.workload_errors import ConfigFileError, SpecError, UnknownFamilyError, WorkloadError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is not JSON: Expecting value in line 1, column 1"),
        (b"\x89PNG\r\n\x1a\n\0\0", "it is not UTF-8 text (byte 0)"),
        (b"\0" * 1000, "it is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"vocab_size": ' + "9" * 5000 + "}", "an integer of 5000 digits"),
        ('{"vocab_size": NaN}', "NaN is not a JSON number"),
        ("[]", "must be an object, not a list of 0"),
    ],
)
def test_files_that_are_not_configs(text: str | bytes, message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, text)


def test_the_largest_allowed_file_is_read(tmp_path: Path) -> None:
    text = json.dumps(OPT_6_7B)[:-1] + ', "x": [' + "1.5e-300," * 100_000 + "0." + "9" * 100_000 + "]}"
    assert 0.9 * huggingface.MAX_FILE_BYTES < len(text) < huggingface.MAX_FILE_BYTES
    assert shape(read(tmp_path, text)) == shape(find_model("opt-6.7b"))


@pytest.mark.parametrize("model_type", FAMILIES)
def test_every_missing_key_is_listed(model_type: str, tmp_path: Path) -> None:
    family = FAMILIES[model_type]
    missing = {family.layers, family.heads, family.d_model, "vocab_size"}
    missing |= set() if family.d_ff_per_d_model else {family.d_ff}
    missing |= {family.kv_heads} if family.kv_heads and not family.kv_heads_optional else set()
    missing |= {family.d_head} if family.d_head_required else set()
    missing |= {"sliding_window"} if family.windows == "patterned" and family.default_window is None else set()
    if family.mixture is not None:
        missing |= {family.mixture.experts, family.mixture.per_token, family.mixture.d_expert}
        missing |= {family.mixture.shared_width} - {None}
    missing |= {*LATENT_KEYS.values(), "q_lora_rank"} if family.latent else set()
    lines = refusal(tmp_path, {"model_type": model_type}).splitlines()[1:]
    found = {line.strip().partition(";")[0] for line in lines}
    assert found == {f"{key} is missing" for key in missing} or len(found) == 11  # ten, and "and 3 more"
    assert len(found - {f"{key} is missing" for key in missing}) <= (len(missing) > 10)


def test_sizes_have_no_defaults(tmp_path: Path) -> None:
    # transformers would take 8, Mistral 7B's own number.
    assert "num_key_value_heads is missing" in refusal(tmp_path, without(MISTRAL_7B, "num_key_value_heads"))


def test_every_wrong_value_is_listed(tmp_path: Path) -> None:
    wrong = {"hidden_size": "4096", "vocab_size": 32000.0, "num_hidden_layers": None, "num_key_value_heads": True}
    wrong |= {"head_dim": [128], "hidden_act": "sliu", "num_attention_heads": 10**30, "intermediate_size": 0}
    message = refusal(tmp_path, LLAMA_2_7B | wrong)
    assert all(f"\n  {key} must be " in message for key in wrong)
    assert "not 'sliu' (did you mean silu?)" in message


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("llama-7b", {"num_local_experts": 8}, "num_local_experts: mixture of experts is not modelled"),
        ("qwen2.5-0.5b", {"num_experts": 60}, "num_experts: mixture of experts is not modelled"),
        ("llama-7b", {"n_routed_experts": {}, "num_experts": True}, "num_experts: mixture of experts"),
        ("llama-7b", {"kv_lora_rank": 512}, "kv_lora_rank: multi-head latent attention is not modelled"),
        ("gpt2-medium", {"add_cross_attention": True}, "add_cross_attention: cross-attention is not modelled"),
        ("gpt2-medium", {"is_encoder_decoder": True}, "is_encoder_decoder: an encoder in addition to the decoder"),
        (
            "mistral-7b",
            {"num_key_value_heads": 7},
            "num_attention_heads must be a multiple of num_key_value_heads, not 32",
        ),
        ("gpt2-medium", {"n_head": 15}, "n_embd must be a multiple of n_head, not 1024 with 15"),
        (
            "llama-7b",
            {"num_attention_heads": 30, "num_key_value_heads": 30},
            "hidden_size must be a multiple of num_attention_heads unless head_dim is given, not 4096 with 30",
        ),
        ("gpt2-medium", {"n_embd": 2**24}, "d_ff must be an integer from 1 to 16777216, not 67108864"),
        ("mistral-7b", {"sliding_window": "4096"}, "sliding_window must be an integer"),
        ("qwen2.5-0.5b", {"use_sliding_window": 1}, "use_sliding_window must be true or false, not 1"),
        (
            "qwen2.5-0.5b",
            {"use_sliding_window": True, "layer_types": ["chunked_attention"] * 24},
            "layer_types must be a list of 24 times full_attention or sliding_attention, not a list of 24",
        ),
        ("opt-6.7b", {"do_layer_norm_before": "no"}, "do_layer_norm_before must be true or false"),
        ("opt-6.7b", {"word_embed_proj_dim": 0}, "word_embed_proj_dim must be an integer"),
        ("pythia-1.4b", {"use_parallel_residual": 0}, "use_parallel_residual must be true or false"),
        ("gpt2-medium", {"activation_function": "tanh"}, "activation_function must be one of gelu, "),
    ],
)
def test_invalid_files_of_supported_families(name: str, change: dict[str, Any], message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, PUBLISHED[name] | change)


def test_one_expert_or_none_is_not_a_mixture(tmp_path: Path) -> None:
    change: dict[str, Any] = {"num_local_experts": 1, "num_experts": 0, "n_routed_experts": None, "kv_lora_rank": None}
    change |= {"is_encoder_decoder": False, "add_cross_attention": False, "text_config": {}}
    assert shape(read(tmp_path, LLAMA_2_7B | change)) == shape(find_model("llama-7b"))


def test_duplicate_keys_are_rejected(tmp_path: Path) -> None:
    text = json.dumps(LLAMA_2_7B)[:-1] + ', "hidden_size": 8192}'
    assert "hidden_size occurs twice" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "model_type is missing, and architectures is missing, too: add the model_type of its family"),
        ({"architectures": ["BloomForCausalLM", 7, None]}, "model_type is missing"),
        ({"architectures": "GPT2LMHeadModel"}, "model_type is missing, and architectures names no supported model"),
        ({"model_type": "bloom"}, "model_type 'bloom' is not a supported family; supported families are gpt2, "),
        ({"model_type": "lama"}, "(did you mean llama?)"),
        ({"model_type": 7}, "model_type 7 is not a supported family"),
        ({"model_type": {"a": 1}}, "model_type an object with 1 key is not a supported family"),
        ({"model_type": "\ud800\n" * 10**5}, "is not a supported family"),
        ({"model_type": "my_llama", "architectures": ["LlamaForCausalLM"]}, "family, but architectures names llama;"),
        # A name that resembles another is not misspelt if it names models of another structure.
        ({"model_type": "gpt_neo"}, "'gpt_neo' is not a supported family; "),
        ({"model_type": "qwen3_next"}, "'qwen3_next' is not a supported family; "),
        (
            {"model_type": "phimoe", "num_local_experts": 8},
            "\n  num_local_experts: mixture of experts is not modelled",
        ),
        ({"model_type": "deepseek_v4", "kv_lora_rank": 512}, "\n  kv_lora_rank: multi-head latent attention"),
        (
            {"model_type": "llama4", "text_config": {"model_type": "llama4_text"}},
            "\n  its text_config has model_type 'llama4_text', no supported family either",
        ),
        ({"model_type": "qwen2_vl", "text_config": {"hidden_size": 8}}, "its text_config has model_type None, no supp"),
    ],
)
def test_unknown_families_are_rejected(config: dict[str, Any], message: str, tmp_path: Path) -> None:
    text = refusal(tmp_path, config)
    assert message in text
    assert f"supported families are {', '.join(FAMILIES)}" in text
    with pytest.raises(UnknownFamilyError):
        read(tmp_path, config)


def test_errors_are_workload_errors() -> None:
    assert issubclass(UnknownFamilyError, ConfigFileError)
    assert issubclass(ConfigFileError, WorkloadError)
    assert not issubclass(ConfigFileError, SpecError)
