"""Published config.json files against the shipped specs: families, defaults, names and paths."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.workloads.model_configs import read, shape, without
from tests.workloads.published_configs import MISTRAL_7B, OPT_6_7B, PUBLISHED
from tests.workloads.published_totals import COUNTED, MIXTURES, TOTALS
from workloads import huggingface
from workloads.decoder_ops import decode_step, prefill
from workloads.huggingface import read_model_config
from workloads.model_families import ACTIVATIONS, FAMILIES
from workloads.models import find_model, load_models
from workloads.workload_errors import ConfigFileError

# Families.


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_file_gives_the_listed_shape(name: str, tmp_path: Path) -> None:
    spec = read(tmp_path, PUBLISHED[name])
    assert shape(spec) == shape(find_model(name))
    assert spec.confidence == "A"
    assert spec.source.split(";")[0] == "config.json"
    assert decode_step(spec, 128).macs == decode_step(find_model(name), 128).macs


def test_every_family_is_tested() -> None:
    configs = [*PUBLISHED.values(), *(config for _, config in (TOTALS | COUNTED).values())]
    configs += [config for *_, config in MIXTURES.values()]
    assert {config["model_type"] for config in configs} >= set(FAMILIES) - {"olmo3"}  # test_model_families.py
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


EMBEDDING = "its 512-wide embedding projected to 1024 is not modelled"
CLIPPED = "the clipping of its queries, keys and values is not modelled"


@pytest.mark.parametrize(
    ("name", "change", "notes"),
    [
        ("mistral-7b", {}, ()),
        ("qwen2.5-0.5b", {"use_sliding_window": True}, ()),
        ("opt-6.7b", {}, ()),
        ("opt-350m", {}, (EMBEDDING, "its post-norm order is not modelled")),
        ("llama-7b", {"model_type": "olmo", "clip_qkv": 8.0}, (CLIPPED,)),
        ("llama-7b", {"model_type": "olmo", "clip_qkv": None}, ()),
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
