"""Shipped specs against published shapes, and the validation of a spec."""

import dataclasses
import pickle

import pytest

from workloads.models import find_model, load_models
from workloads.workload_errors import SpecError, UnknownModelError, WorkloadError

# layers, heads, kv_heads, d_model, d_ff, vocab as in the config.json of the Hugging Face repository named.
PUBLISHED = {
    "gpt2-medium": (24, 16, 16, 1024, 4096, 50257),  # openai-community/gpt2-medium; n_inner null means 4 n_embd
    "opt-6.7b": (32, 32, 32, 4096, 16384, 50272),  # facebook/opt-6.7b; also arXiv:2205.01068 Table 1
    "llama-7b": (32, 32, 32, 4096, 11008, 32000),  # huggyllama/llama-7b
    "llama-3-8b": (32, 32, 8, 4096, 14336, 128256),  # meta-llama/Meta-Llama-3-8B; also arXiv:2407.21783 Table 3
    "qwen2.5-0.5b": (24, 14, 2, 896, 4864, 151936),  # Qwen/Qwen2.5-0.5B
    "bitnet-b1.58-3b": (26, 32, 32, 3200, 8640, 32002),  # 1bitLLM/bitnet_b1_58-3B
    "bitnet-b1.58-2b-4t": (30, 20, 5, 2560, 6912, 128256),  # microsoft/bitnet-b1.58-2B-4T
    "pythia-6.9b": (32, 32, 32, 4096, 16384, 50432),  # EleutherAI/pythia-6.9b
}

# Parameters of the published checkpoints in the layers' matrices, counted by hand: no biases, norms or embeddings.
PUBLISHED_LAYER_WEIGHTS = {
    "gpt2-small": 84_934_656,  # 12 layers x 12 x 768^2: the "124M" less 39.4 M of embeddings, biases and norms
    "llama-7b": 6_476_005_376,  # 32 x (4 x 4096^2 + 3 x 4096 x 11008): 6.74 B less two tables of 131 M and the norms
    "llama-3-8b": 6_979_321_856,  # 32 x (2 x 4096^2 + 2 x 4096 x 1024 + 3 x 4096 x 14336): 8.03 B less 2 x 525 M
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_shape_is_the_published_one(name: str) -> None:
    spec = find_model(name)
    assert (spec.layers, spec.heads, spec.kv_heads, spec.d_model, spec.d_ff, spec.vocab) == PUBLISHED[name]


@pytest.mark.parametrize("name", PUBLISHED_LAYER_WEIGHTS)
def test_projection_weights_are_those_of_the_checkpoint(name: str) -> None:
    spec = find_model(name)
    assert spec.projection_weights == spec.projection_macs_per_token == PUBLISHED_LAYER_WEIGHTS[name]


def test_every_model_is_listed_once_with_a_source() -> None:
    models = load_models()
    assert len(models) == 31
    names = [name for spec in models.values() for name in (spec.name, *spec.aliases)]
    assert len(names) == len(set(names))
    assert all(name == name.lower() for name in names)
    assert all(spec.name == name and spec.source for name, spec in models.items())


def test_every_head_width_is_the_share_of_d_model() -> None:
    # True of all models listed so far but those of other d_head: Qwen3 and those with latent attention.
    others = {"qwen3-30b-a3b", "deepseek-v2", "deepseek-v3"}
    assert {spec.name for spec in load_models().values() if spec.d_query != spec.d_model} == others


@pytest.mark.parametrize(
    ("alias", "name"),
    [("gpt2-350m", "gpt2-medium"), ("GPT2-774M", "gpt2-large"), (" gpt2-1.5b ", "gpt2-xl"), ("OPT-6.7B", "opt-6.7b")],
)
def test_find_by_alias_in_any_case(alias: str, name: str) -> None:
    assert find_model(alias).name == name


def test_families() -> None:
    bitnet, pythia, llama = find_model("bitnet-b1.58-2b-4t"), find_model("pythia-1.4b"), find_model("llama-3-8b")
    assert bitnet.sub_norms
    assert bitnet.gated
    assert bitnet.activation == "relu2"
    assert pythia.parallel
    assert not pythia.gated
    assert pythia.norm == "layernorm"
    assert pythia.position == "rotary"
    assert not llama.parallel
    assert not llama.sub_norms
    assert llama.activation == "silu"
    assert llama.norm == "rmsnorm"


def test_kv_cache_of_llama_3_8b() -> None:
    # 32 layers x 8 KV heads x 128 x (K and V) = 64 Ki elements: the well-known 128 KiB per token in FP16.
    spec = find_model("llama-3-8b")
    assert spec.kv_entries_per_token == 65_536
    assert spec.kv_bytes_per_token(16) == 128 * 1024
    assert spec.kv_bytes_per_token() == 64 * 1024
    with pytest.raises(SpecError, match="bits must be an integer from 1 to 64, not 0"):
        spec.kv_bytes_per_token(0)


def test_unknown_model_names_the_nearest_and_the_list() -> None:
    with pytest.raises(
        UnknownModelError, match=r"'gpt2-medum' \(did you mean gpt2-medium.*`pimsim models` lists all 31"
    ):
        find_model("gpt2-medum")


@pytest.mark.parametrize("name", ["", "x" * 10**6, "\ud800", 7, None])
def test_errors_about_long_names_are_short(name: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        find_model(name)
    assert len(str(caught.value)) < 300


def test_replace_gives_a_checked_copy() -> None:
    spec = dataclasses.replace(find_model("gpt2-medium"), d_ff=1024)
    assert spec.d_ff == 1024
    assert find_model("gpt2-medium").d_ff == 4096
    assert spec.projection_weights == 24 * (4 + 2) * 1024**2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": 0}, "layers must be an integer from 1 to 10000, not 0"),
        ({"d_ff": 2**30}, "d_ff must be an integer"),
        ({"heads": True}, "heads must be an integer from 1 to 65536, not True"),
        ({"d_model": 1024.0}, "d_model must be an integer .* not 1024.0"),
        ({"kv_heads": 3}, "heads must be a multiple of kv_heads, not 16 with 3"),
        ({"norm": "layer_norm"}, r"norm must be one of layernorm, rmsnorm, .*did you mean layernorm"),
        ({"gated": "no"}, "gated must be true or false"),
        ({"aliases": "a"}, "aliases must be a list"),
        ({"name": "a\nb"}, "name must be a name"),
        ({"layers": -1, "vocab": 0}, "layers must .*; vocab must"),
    ],
)
def test_invalid_specs_are_rejected(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        dataclasses.replace(find_model("gpt2-medium"), **change)  # type: ignore[arg-type]


def test_specs_are_frozen_hashable_and_picklable() -> None:
    spec = find_model("opt-6.7b")
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.layers = 1  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert hash(spec)
    assert issubclass(UnknownModelError, WorkloadError)
    assert issubclass(WorkloadError, ValueError)
