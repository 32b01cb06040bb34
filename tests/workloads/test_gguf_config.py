"""Shapes of GGUF files: those of the config.json of the same model; and files that are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import gguf_files as gguf
from tests.support import tiny_checkpoints as tiny
from workloads import (
    ConfigFileError,
    UnknownFamilyError,
    WorkloadError,
    count_parameters,
    load_network,
    read_model_config,
)

LLAMA = gguf.metadata(tiny.CONFIGS["llama"], "llama")
EMBEDDING = {"token_embd.weight": gguf.floats(np.zeros((40, 32)), "F16")}


def written(folder: Path, changes: dict[str, Any], base: dict[str, Any] = LLAMA) -> Path:
    values = {key: value for key, value in {**base, **changes}.items() if value is not None}
    return gguf.write(folder / "tiny-llama.gguf", values, EMBEDDING)


@pytest.mark.parametrize(
    ("family", "architecture"),
    [("llama", "llama"), ("qwen2", "qwen2"), ("gpt2", "gpt2"), ("bitnet", "bitnet-b1.58")],
)
def test_the_shape_is_that_of_the_config_json(family: str, architecture: str, tmp_path: Path) -> None:
    tensors = tiny.write_checkpoint(tmp_path / "hf", family)
    file = gguf.write(tmp_path / "m.gguf", *gguf.converted(tmp_path / "hf", architecture, tensors))
    ours, theirs = read_model_config(file), read_model_config(tmp_path / "hf")
    assert replace(ours, name=theirs.name, source=theirs.source) == theirs
    assert count_parameters(file) == count_parameters(tmp_path / "hf")
    assert ours.name == "m"


def test_the_published_shape_of_smollm2(tmp_path: Path) -> None:
    """HuggingFaceTB/SmolLM2-135M: 134,515,008 parameters (its safetensors on the hub)."""
    sizes = {"block_count": 30, "embedding_length": 576, "feed_forward_length": 1536, "context_length": 8192}
    sizes |= {"attention.head_count": 9, "attention.head_count_kv": 3, "vocab_size": 49152}
    values = {"general.architecture": "llama"} | {f"llama.{end}": size for end, size in sizes.items()}
    file = gguf.write(tmp_path / "s.gguf", values, {})
    assert count_parameters(file).total == 134_515_008


def test_architectures_that_can_only_be_timed(tmp_path: Path) -> None:
    values = gguf.metadata(tiny.CONFIGS["llama"], "gemma2")
    values |= {"gemma2.attention.key_length": 16, "gemma2.attention.sliding_window": 8}
    values |= {"gemma2.attn_logit_softcapping": 50.0}
    file = gguf.write(tmp_path / "g.gguf", values, EMBEDDING)
    spec = read_model_config(file)
    assert (spec.d_head, spec.window, spec.score_cap, spec.logit_cap) == (16, (8, None), True, False)
    with pytest.raises(ConfigFileError, match="architecture gemma2 can be timed, but their numbers are not computed"):
        load_network(file)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"general.architecture": None}, "general.architecture is missing; supported are llama, gpt2"),
        ({"general.architecture": "qwen4"}, "'qwen4' is not a supported architecture (did you mean qwen"),
        ({"general.architecture": np.array([1, 2], np.int32)}, "is not a supported architecture"),
        ({"general.architecture": 3}, "3 is not a supported architecture"),
        ({"llama.block_count": None}, "llama.block_count is missing"),
        ({"llama.block_count": 0}, "llama.block_count must be"),
        ({"llama.attention.head_count": 5}, "llama.embedding_length must be a multiple of llama.attention.head_count"),
        ({"llama.attention.head_count_kv": np.array([2, 1], np.int32)}, "llama.attention.head_count_kv"),
        ({"llama.embedding_length": "32"}, "llama.embedding_length"),
        ({"llama.expert_count": np.array([8, 4], np.int32)}, "mixtures of experts are not read from GGUF"),
        ({"split.count": np.array([1, 2], np.int32)}, "split.count is a list of 2"),
        ({"llama.block_count": np.array([], np.int32)}, "llama.block_count must be"),
        ({"llama.expert_count": 8}, "mixtures of experts are not read from GGUF"),
        ({"split.count": 3}, "merge the parts into one file"),
        ({"llama.attention.key_length": 8, "llama.attention.value_length": 16}, "must equal key_length, 8, not 16"),
    ],
)
def test_refused_metadata(changes: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(WorkloadError) as raised:
        read_model_config(written(tmp_path, changes))
    assert problem in str(raised.value)
    assert "num_" not in str(raised.value)


def test_equal_heads_of_all_layers_may_be_an_array(tmp_path: Path) -> None:
    assert (
        read_model_config(written(tmp_path, {"llama.attention.head_count_kv": np.array([2, 2], np.int32)})).kv_heads
        == 2
    )


def test_missing_and_wrong_tensors_are_listed(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError) as raised:
        load_network(written(tmp_path, {}), weights="float")
    assert "contains weights that do not match its metadata" in str(raised.value)
    assert "'blk.0.attn_norm.weight' is missing" in str(raised.value)


def test_an_unknown_family_is_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(UnknownFamilyError):
        read_model_config(written(tmp_path, {"general.architecture": "rwkv7"}))
