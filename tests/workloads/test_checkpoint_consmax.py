"""Constants of ConSmax in a checkpoint: in all layers, or in none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.tiny_checkpoints import CONFIGS, HEADS, LAYERS, Tensors, tensors_of, write_config, write_safetensors
from workloads.checkpoint import load_network
from workloads.workload_errors import CheckpointError

MODULES = {"gpt2": "h.{}.attn.consmax", "opt": "model.decoder.layers.{}.self_attn.consmax"}
"""Names of the module of the constants, by family; the others have that of LLaMA."""


def names(family: str, layer: int) -> tuple[str, str]:
    module = MODULES.get(family, "model.layers.{}.self_attn.consmax").format(layer)
    return f"{module}.beta", f"{module}.gamma"


def constants(family: str) -> Tensors:
    found: Tensors = {}
    for layer in range(LAYERS):
        beta, gamma = names(family, layer)
        found |= {beta: np.arange(HEADS, dtype=np.float32) + layer, gamma: np.full(HEADS, 100 + layer, np.float32)}
    return found


def write(folder: Path, family: str, more: Tensors) -> Path:
    write_config(folder, CONFIGS[family])
    write_safetensors(folder / "model.safetensors", {**tensors_of(family), **more})
    return folder


@pytest.mark.parametrize("family", ["gpt2", "opt", "llama", "bitnet", "1bitllm"])
def test_they_are_read_layer_by_layer(family: str, tmp_path: Path) -> None:
    loaded = load_network(write(tmp_path / "with", family, constants(family)))
    plain = load_network(write(tmp_path / "without", family, {}))
    assert (loaded.network.has_consmax, plain.network.has_consmax) == (True, False)
    assert loaded.warnings == plain.warnings
    for number, layer in enumerate(loaded.network.layers):
        assert layer.consmax is not None
        np.testing.assert_array_equal(layer.consmax.beta, np.arange(HEADS) + number)
        np.testing.assert_array_equal(layer.consmax.gamma, np.full(HEADS, 100 + number))
        assert layer.consmax.beta.dtype == np.float32


def test_half_of_them_is_refused(tmp_path: Path) -> None:
    incomplete = {name: value for name, value in constants("llama").items() if name != names("llama", 1)[1]}
    with pytest.raises(CheckpointError, match=r"layers\.1\.self_attn\.consmax\.gamma'? is missing"):
        load_network(write(tmp_path, "llama", incomplete))


@pytest.mark.parametrize(
    ("beta", "gamma", "told"),
    [
        (np.zeros(HEADS + 1), np.ones(HEADS), r"consmax\.beta'? must have the shape \[4\], not \[5\]"),
        (np.zeros(HEADS), np.zeros(HEADS), r"consmax\.gamma'? must be above 0"),
        (np.zeros(HEADS), -np.ones(HEADS), r"consmax\.gamma'? must be above 0"),
        (np.full(HEADS, np.nan), np.ones(HEADS), "not finite in float32"),
        (np.zeros(HEADS), np.full(HEADS, np.inf), "not finite in float32"),
    ],
)
def test_constants_that_are_not_of_a_consmax(beta: np.ndarray, gamma: np.ndarray, told: str, tmp_path: Path) -> None:
    wrong = dict(zip(names("llama", 0), (beta.astype(np.float32), gamma.astype(np.float32)), strict=True))
    with pytest.raises(CheckpointError, match=told):
        load_network(write(tmp_path, "llama", {**constants("llama"), **wrong}))
