"""Similar names within one architecture, and ids of the hub."""

from pathlib import Path

import pytest

from workloads.model_families import FAMILIES
from workloads.model_names import is_hub_id, other_families, similar_families, similar_models
from workloads.models import load_models

SHIPPED = [alias for spec in load_models().values() for alias in (spec.name, *spec.aliases)]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("llama-3.1-8b", "llama-3-8b"),
        ("meta-llama/Llama-3.1-8B", "llama-3-8b"),
        ("facebook/opt-6.7b", "opt-6.7b"),
        ("gpt2-medum", "gpt2-medium"),
        ("lama-7b", "llama-7b"),
        ("Qwen/Qwen2.5-14B", "qwen2.5-7b"),
        ("pythia-2.8b", "pythia-6.9b"),
        ("tiiuae/Falcon3-7B", "falcon3-7b-1.58bit"),
        ("mistralai/Mixtral-8x22B", "mixtral-8x7b"),
        ("deepseek-ai/DeepSeek-V3-Base", "deepseek-v3"),
    ],
)
def test_similar_models(name: str, first: str) -> None:
    assert similar_models(name, SHIPPED)[0] == first


@pytest.mark.parametrize(
    "name",
    ["gptj", "gpt-j-6b", "gpt_neo-1.3b", "qwen3-8b", "phimoe-8x7b", "falcon-7b", "gemma-7b", "qwen2-moe", "", 7],
)
def test_models_of_other_architectures_are_not_similar(name: object) -> None:
    assert similar_models(name, SHIPPED) == []


@pytest.mark.parametrize(("model_type", "meant"), [("lama", "llama"), ("gpt-neox", "gpt_neox"), ("gemma_2", "gemma2")])
def test_misspelt_families(model_type: str, meant: str) -> None:
    assert similar_families(model_type).startswith(f" (did you mean {meant}")


@pytest.mark.parametrize("model_type", ["gpt_neo", "qwen3_next", "llama4", "falcon", "phimoe", 7, None])
def test_other_families_are_not_misspelt(model_type: object) -> None:
    assert similar_families(model_type) == ""


def test_no_family_is_in_both_lists() -> None:
    assert not set(FAMILIES) & set(other_families())


def test_hub_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_hub_id("meta-llama/Llama-3.1-8B")
    for path in ("llama", "./a/b", "/a/b", "~/a", "a/b/c", "a/b.json", "a/b c", "a/", "", "a\0/b"):
        assert not is_hub_id(path)
    (tmp_path / "models").mkdir()  # a path below an existing folder is misspelt, and no id
    assert not is_hub_id("models/llama")
