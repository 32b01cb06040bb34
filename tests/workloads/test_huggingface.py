"""Published config.json files against the shipped specs, and invalid files."""

import dataclasses
import json
import os
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads.published_configs import LLAMA_2_7B, MISTRAL_7B, OPT_6_7B, PUBLISHED
from workloads import huggingface
from workloads.decoder_ops import decode_step, prefill
from workloads.huggingface import read_model_config
from workloads.model_families import ACTIVATIONS, FAMILIES
from workloads.models import ModelSpec, find_model, load_models
from workloads.ops import Activation
from workloads.workload_errors import ConfigFileError, SpecError, UnknownFamilyError, WorkloadError


def without(config: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in keys}


def read(tmp_path: Path, config: dict[str, Any] | str | bytes, folder: str = "model") -> ModelSpec:
    text = json.dumps(config) if isinstance(config, dict) else config
    file = tmp_path / folder / "config.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_model_config(file)


def refusal(tmp_path: Path, config: dict[str, Any] | str | bytes) -> str:
    with pytest.raises(ConfigFileError) as caught:
        read(tmp_path, config)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'model' / 'config.json'} cannot be used as a model config:\n  ")
    assert len(message.splitlines()) <= 12
    assert all(len(line) < 400 and line.isprintable() for line in message.splitlines())
    return message


def shape(spec: ModelSpec) -> dict[str, Any]:
    return without(dataclasses.asdict(spec), "name", "aliases", "source", "confidence")


# Families.


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_file_gives_the_listed_shape(name: str, tmp_path: Path) -> None:
    spec = read(tmp_path, PUBLISHED[name])
    assert shape(spec) == shape(find_model(name))
    assert spec.confidence == "A"
    assert spec.source.split(";")[0] == "config.json"
    assert decode_step(spec, 128).macs == decode_step(find_model(name), 128).macs


def test_every_family_is_tested() -> None:
    assert {config["model_type"] for config in PUBLISHED.values()} == set(FAMILIES)
    assert {spec.activation for spec in load_models().values()} == set(ACTIVATIONS.values())


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_file_without_model_type_is_known_by_its_architecture(name: str, tmp_path: Path) -> None:
    # As the first files were, gpt2-medium's among them.
    assert shape(read(tmp_path, without(PUBLISHED[name], "model_type"))) == shape(find_model(name))


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("gpt2-medium", ("n_inner", "activation_function")),
        ("opt-6.7b", ("activation_function", "do_layer_norm_before", "word_embed_proj_dim")),
        ("llama-7b", ("num_key_value_heads", "head_dim", "hidden_act")),
        ("mistral-7b", ("head_dim", "hidden_act", "sliding_window")),
        ("qwen2.5-0.5b", ("head_dim", "hidden_act", "use_sliding_window")),
        ("bitnet-b1.58-2b-4t", ("head_dim", "hidden_act")),
        ("pythia-1.4b", ("hidden_act", "use_parallel_residual", "rotary_pct")),
    ],
)
def test_defaults_of_transformers_apply(name: str, absent: tuple[str, ...], tmp_path: Path) -> None:
    spec = read(tmp_path, PUBLISHED[name])
    assert read(tmp_path, without(PUBLISHED[name], *absent)) == spec
    nulls = {key: None for key in absent if key not in ("sliding_window", "rotary_pct")}
    assert shape(read(tmp_path, PUBLISHED[name] | nulls)) == shape(spec)


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("gpt2-medium", {"n_inner": 2048}, {"d_ff": 2048}),
        ("gpt2-medium", {"n_inner": None, "n_embd": 512}, {"d_ff": 2048, "d_model": 512, "d_head": 32}),
        ("llama-7b", {"head_dim": 256}, {"d_head": 256}),
        (
            "llama-7b",
            {"head_dim": 100, "num_attention_heads": 30, "num_key_value_heads": 6},
            {"heads": 30, "kv_heads": 6},
        ),
        ("llama-7b", {"hidden_act": "relu"}, {"activation": "relu"}),
        ("mistral-7b", {"num_key_value_heads": None}, {"kv_heads": 32}),
        ("mistral-7b", {"hidden_size": 5120, "head_dim": 128}, {"d_model": 5120, "d_head": 128}),  # as Mistral NeMo
        ("bitnet-b1.58-2b-4t", {"architectures": ["BitnetForCausalLM"], "hidden_act": "silu"}, {"activation": "silu"}),
        ("bitnet-b1.58-3b", {"architectures": ["LlamaForCausalLM"]}, {"sub_norms": False}),  # as Falcon3 1.58-bit
        ("bitnet-b1.58-3b", {"model_type": "bitnet"}, {"sub_norms": True, "activation": "silu"}),
        ("pythia-1.4b", {"use_parallel_residual": False}, {"parallel": False}),
        ("opt-6.7b", {"activation_function": "gelu"}, {"activation": "gelu"}),
    ],
)
def test_keys_that_change_the_shape(
    name: str, change: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    spec = read(tmp_path, PUBLISHED[name] | change)
    assert {key: getattr(spec, key) for key in expected} == expected


PARTIAL = "its rotary embedding of only a part of each head is not modelled"
EMBEDDING = "its 512-wide embedding projected to 1024 is not modelled"
INNER_NORMS = "the norms inside its projections (quantization_config.use_rms_norm) are not modelled"


@pytest.mark.parametrize(
    ("name", "change", "notes"),
    [
        ("mistral-7b", {}, ()),
        ("qwen2.5-0.5b", {"use_sliding_window": True}, ()),
        ("opt-6.7b", {}, ()),
        ("opt-350m", {}, (EMBEDDING, "its post-norm order is not modelled")),
        ("pythia-1.4b", {}, (PARTIAL,)),
        ("pythia-1.4b", {"rotary_pct": 1.0}, ()),
        ("pythia-1.4b", {"rotary_pct": 1.0, "rope_parameters": {"partial_rotary_factor": 0.25}}, (PARTIAL,)),
        ("llama-7b", {"partial_rotary_factor": 0.5}, (PARTIAL,)),
        ("llama-7b", {"partial_rotary_factor": 1.0, "rope_scaling": None}, ()),
        ("llama-7b", {"quantization_config": {"quant_method": "bitnet", "use_rms_norm": True}}, (INNER_NORMS,)),
        ("llama-7b", {"quantization_config": {"quant_method": "bitnet", "use_rms_norm": False}}, ()),
    ],
)
def test_omitted_features_are_notes(name: str, change: dict[str, Any], notes: tuple[str, ...], tmp_path: Path) -> None:
    spec = read(tmp_path, PUBLISHED[name] | change)
    assert spec.notes == notes
    assert spec.source == "config.json"
    assert decode_step(spec, 8).notes == prefill(spec, 8).notes == notes


@pytest.mark.parametrize(
    ("name", "change", "window"),
    [
        ("mistral-7b", {}, 4096),
        ("mistral-7b", {"sliding_window": 512}, 512),
        ("mistral-7b", {"sliding_window": None}, None),  # as v0.2 and v0.3
        ("llama-7b", {"sliding_window": 512}, None),  # LlamaModel in transformers does not read the key
        ("qwen2.5-0.5b", {}, None),
        ("qwen2.5-0.5b", {"use_sliding_window": True, "sliding_window": None}, None),
        # Layers before max_window_layers, 24 of 24 in the published file, attend to all tokens (Qwen2Config).
        ("qwen2.5-0.5b", {"use_sliding_window": True}, None),
        ("qwen2.5-0.5b", {"use_sliding_window": True, "max_window_layers": 0, "sliding_window": 64}, 64),
        ("qwen2.5-0.5b", {"use_sliding_window": True, "max_window_layers": 21}, (None,) * 21 + (32768,) * 3),
        (
            "qwen2.5-0.5b",
            {"use_sliding_window": True, "layer_types": ["sliding_attention", "full_attention"] * 12},
            (32768, None) * 12,
        ),
    ],
)
def test_windows(name: str, change: dict[str, Any], window: object, tmp_path: Path) -> None:
    assert read(tmp_path, PUBLISHED[name] | change).window == window


@pytest.mark.parametrize(
    ("name", "positions"), [("gpt2-medium", 1024), ("opt-6.7b", 2048), ("llama-7b", None), ("mistral-7b", None)]
)
def test_learned_positions(name: str, positions: int | None, tmp_path: Path) -> None:
    """Radford et al. 2019, section 2.3: a context of 1024 tokens; arXiv:2205.01068, section 2.2: 2048."""
    assert read(tmp_path, PUBLISHED[name]).positions == find_model(name).positions == positions


# Names and paths.


@pytest.mark.parametrize(
    ("written", "folder", "name"),
    [
        ("facebook/opt-6.7b", "x", "opt-6.7b"),
        ("opt-6.7b/", "x", "opt-6.7b"),
        ("./hf_ckpt", "x", "hf_ckpt"),
        ("C:\\models\\tiny", "x", "tiny"),
        ("/home/someone/.cache/huggingface/hub/models--facebook--opt-6.7b/snapshots/a45aa65b/", "x", "opt-6.7b"),
        *((insane, "folder", "folder") for insane in ("", ".", "..", "/", "a b", "x" * 101, "é", "\ud800", "a\0b")),
        (None, "folder", "folder"),
        (["a"], "folder", "folder"),
        (None, "models--Qwen--Qwen2.5-0.5B/snapshots/060db6499f32", "Qwen2.5-0.5B"),
        (None, "models--Qwen--Qwen2.5-0.5B/other/060db6499f32", "060db6499f32"),
        (None, "my model (2)", "my-model-2"),
        (None, "模型", "opt"),
        (None, "y" * 120, "y" * 100),
    ],
)
def test_name(written: object, folder: str, name: str, tmp_path: Path) -> None:
    assert read(tmp_path, OPT_6_7B | {"_name_or_path": written}, folder).name == name


def test_a_folder_stands_for_the_file_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = read(tmp_path, MISTRAL_7B, "Mistral-7B-v0.1")
    folder = tmp_path / "Mistral-7B-v0.1"
    assert spec.name == "Mistral-7B-v0.1"
    assert read_model_config(folder) == read_model_config(str(folder)) == spec
    monkeypatch.chdir(folder)
    assert read_model_config(".") == read_model_config("config.json") == spec
    with pytest.raises(ConfigFileError, match="the path is empty"):  # not this folder
        read_model_config("")
    (folder / "other.json").write_text(json.dumps(MISTRAL_7B))
    assert read_model_config("other.json").source == "other.json"


@pytest.mark.parametrize("path", ["", "no/such/file.json", "a\0b", "x" * 5000, "\udcff.json", "."])
def test_paths_that_cannot_be_read(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigFileError, match="cannot read the model config: ") as caught:
        read_model_config(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1200


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_fifos_and_folders_in_place_of_the_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    for path in (tmp_path, tmp_path / "config.json"):
        with pytest.raises(ConfigFileError, match="not a regular file"):
            read_model_config(path)
    (tmp_path / "a" / "config.json").mkdir(parents=True)
    with pytest.raises(ConfigFileError, match="not a regular file"):
        read_model_config(tmp_path / "a")


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with path.open("wb") as file:
        file.truncate(huggingface.MAX_FILE_BYTES + 1)
    with pytest.raises(ConfigFileError, match=r"config\.json: cannot read the model config: larger than 1 MiB"):
        read_model_config(path)


# Files that are wrong.


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
    lines = refusal(tmp_path, {"model_type": model_type}).splitlines()[1:]
    assert {line.strip() for line in lines} == {f"{key} is missing" for key in missing}


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
        ({}, "model_type is missing, and architectures names none of GPT2LMHeadModel, OPTForCausalLM, "),
        ({"architectures": ["BloomForCausalLM", 7, None]}, "model_type is missing"),
        ({"architectures": "GPT2LMHeadModel"}, "model_type is missing"),
        ({"model_type": "bloom"}, "model_type 'bloom' is not a supported family; supported families are gpt2, "),
        ({"model_type": "lama"}, "(did you mean llama?)"),
        ({"model_type": 7}, "model_type 7 is not a supported family"),
        ({"model_type": {"a": 1}}, "model_type an object with 1 keys is not a supported family"),
        ({"model_type": "\ud800\n" * 10**5}, "is not a supported family"),
        ({"model_type": "bloom", "architectures": ["LlamaForCausalLM"]}, "'bloom' is not a supported family"),
        (
            {"model_type": "mixtral", "num_local_experts": 8},
            "\n  num_local_experts: mixture of experts is not modelled",
        ),
        ({"model_type": "deepseek_v3", "kv_lora_rank": 512}, "\n  kv_lora_rank: multi-head latent attention"),
        ({"model_type": "llava", "text_config": {"model_type": "llama"}}, "text_config: a language model inside"),
    ],
)
def test_unknown_families_are_rejected(config: dict[str, Any], message: str, tmp_path: Path) -> None:
    text = refusal(tmp_path, config)
    assert message in text
    assert "supported families are gpt2, opt, llama, mistral, qwen2, bitnet, gpt_neox" in text
    with pytest.raises(UnknownFamilyError):
        read(tmp_path, config)


def test_errors_are_workload_errors() -> None:
    assert issubclass(UnknownFamilyError, ConfigFileError)
    assert issubclass(ConfigFileError, WorkloadError)
    assert not issubclass(ConfigFileError, SpecError)


# Fuzz: how many examples is the hypothesis profile's business (tests/conftest.py).

JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([0, -1, 1, 7, 2**24, 2**25, 10**30, "gelu", "llama", "gpt2", [], {}, [[]], [None], {"a": {}}]),
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "config.json"


def read_or_refuse(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    with suppress(ConfigFileError):
        spec = read_model_config(file)
        assert all(op.macs >= 0 for _, op in decode_step(spec, 1).ops())
        assert any(isinstance(op, Activation) for _, op in decode_step(spec, 1).ops())
        assert_holds(spec, json.loads(data))


def assert_holds(spec: ModelSpec, values: dict[str, Any]) -> None:
    """Check that a spec has the sizes in its file, for the key names of both conventions."""
    gpt2 = "n_embd" in values and values.get("model_type") != "llama" and "hidden_size" not in values
    names = {
        "layers": "n_layer" if gpt2 else "num_hidden_layers",
        "heads": "n_head" if gpt2 else "num_attention_heads",
        "d_model": "n_embd" if gpt2 else "hidden_size",
        "vocab": "vocab_size",
    }
    assert {field: getattr(spec, field) for field in names} == {field: values[key] for field, key in names.items()}
    for key in ("n_inner",) if gpt2 else ("ffn_dim", "intermediate_size"):
        if key in values and not (key == "intermediate_size" and "ffn_dim" in values):
            assert spec.d_ff == (4 * spec.d_model if values[key] is None else values[key])
            break
    if not gpt2 and spec.kv_heads != spec.heads:
        assert spec.kv_heads == values["num_key_value_heads"]


@given(data=st.data())
def test_fuzz_mutated_configs(data: st.DataObject, file: Path) -> None:
    wrong = deepcopy(data.draw(st.sampled_from(list(PUBLISHED.values()))))
    keys = st.sampled_from(sorted({*wrong, *huggingface._NOT_MODELLED, "head_dim", "n_inner", "sliding_window"}))
    for _ in range(data.draw(st.integers(1, 5))):
        key = data.draw(keys)
        if data.draw(st.booleans()):
            wrong.pop(key, None)
        else:
            wrong[key] = deepcopy(data.draw(JUNK))
    read_or_refuse(file, json.dumps(wrong).encode())


@given(data=st.data())
def test_fuzz_mutated_bytes(data: st.DataObject, file: Path) -> None:
    text = bytearray(json.dumps(data.draw(st.sampled_from(list(PUBLISHED.values())))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 8))
        junk = st.one_of(st.binary(max_size=4), st.sampled_from([b'"', b"{", b"}", b",", b"9" * 40]))
        text[start:end] = data.draw(junk)
    read_or_refuse(file, bytes(text))


@given(data=st.binary())
def test_fuzz_anything(data: bytes, file: Path) -> None:
    file.write_bytes(data)
    with pytest.raises(ConfigFileError):
        read_model_config(file)
