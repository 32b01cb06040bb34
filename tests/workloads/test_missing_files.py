"""Messages about hub ids and folders without a config or weights: what is there, what is missing, what to do."""

import json
from pathlib import Path

import pytest

from tests.workloads.published_configs import LLAMA_2_7B
from workloads.huggingface import read_model_config
from workloads.safetensors_files import open_tensors
from workloads.workload_errors import CheckpointError, ConfigFileError

NEEDED = "timing needs config.json; `pimsim accuracy` also needs model.safetensors"
BASE = {"base_model_name_or_path": "meta-llama/Llama-2-7b-hf"}
MERGE = "it is a LoRA adapter of 'meta-llama/Llama-2-7b-hf' (adapter_config.json), which only changes the weights"


def refusal(path: Path | str) -> str:
    with pytest.raises(ConfigFileError) as caught:
        read_model_config(path)
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith(f"{path}: ")
    return message


def folder(tmp_path: Path, **files: str) -> Path:
    home = tmp_path / "model"
    for name, text in files.items():
        file = home / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    home.mkdir(exist_ok=True)
    return home


def test_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    message = refusal("meta-llama/Llama-3.1-8B")
    assert "looks like an id of Hugging Face's hub, and nothing is downloaded" in message
    assert NEEDED in message
    assert message.endswith("Shipped shapes with a similar name: llama-3-8b, llama-3-70b, llama-13b.")
    assert refusal("facebook/opt-6.7b").endswith("pimsim ships its shape as opt-6.7b.")
    for address in ("https://huggingface.co/facebook/opt-6.7b", "hf.co/facebook/opt-6.7b/tree/main"):
        assert "looks like an address of a model on Hugging Face's hub" in refusal(address)
        assert refusal(address).endswith("pimsim ships its shape as opt-6.7b.")
    assert refusal("Qwen/Qwen3-8B").endswith("or one GGUF file).")  # no shipped model has its architecture


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"tokenizer.model": ""}, ["has tokenizer.model, but no config.json", "only the vocabulary", NEEDED]),
        ({"adapter_config.json": json.dumps(BASE), "adapter_model.safetensors": ""}, [MERGE, "merge_and_unload"]),
        ({"adapter_config.json": "[]"}, ["it is a LoRA adapter (adapter_config.json)"]),
        ({"params.json": "{}", "tokenizer.model": ""}, ["has params.json, tokenizer.model, but", "Meta's own format"]),
        ({"q4.gguf": ""}, ["has q4.gguf, but no config.json; give the path of 'q4.gguf' itself"]),
        ({"model.safetensors": ""}, ["has the weights without the shape"]),
        ({}, ["the folder is empty"]),
        ({"inner__config.json": "{}"}, ["the one in 'inner' may be meant: give that folder"]),
        ({"snapshots__a45__config.json": "{}", "refs__main": "a45"}, ["the one in 'snapshots/a45' may be meant"]),
        ({f"{number}.txt": "" for number in range(9)}, ["has 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 4 more, but"]),
        ({"a\nb": ""}, ["has 'a\\nb', but no config.json"]),
    ],
)
def test_folders_without_a_config(files: dict[str, str], words: list[str], tmp_path: Path) -> None:
    message = refusal(folder(tmp_path, **files))
    assert all(word in message for word in words), message


def test_a_lora_folder_with_the_config_of_its_base(tmp_path: Path) -> None:
    home = folder(tmp_path, **{"config.json": json.dumps(LLAMA_2_7B), "adapter_config.json": json.dumps(BASE)})
    assert read_model_config(home).layers == 32
    with pytest.raises(CheckpointError) as caught:
        open_tensors(home)
    assert "contains neither model.safetensors nor model.safetensors.index.json" in str(caught.value)
    assert MERGE in str(caught.value)
