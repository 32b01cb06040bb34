"""Language models inside larger ones: their shape is that of `text_config` with the defaults of its class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workloads.model_configs import read, refusal, shape, without, write
from workloads.checkpoint import load_network
from workloads.models import find_model
from workloads.parameter_count import count_parameters
from workloads.workload_errors import ConfigFileError

SIGLIP = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "patch_size": 14, "image_size": 896}
GEMMA3_27B: dict[str, Any] = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "model_type": "gemma3",
    "mm_tokens_per_image": 256,
    "text_config": {
        "head_dim": 128,
        "hidden_size": 5376,
        "intermediate_size": 21504,
        "model_type": "gemma3_text",
        "num_attention_heads": 32,
        "num_hidden_layers": 62,
        "num_key_value_heads": 16,
        "sliding_window": 1024,
    },
    "vision_config": SIGLIP | {"model_type": "siglip_vision_model"},
}
"""Keys of google/gemma-3-27b-it that define the shape; the vocabulary is the default of its class."""


def test_the_language_model_and_the_vision_tower_have_the_published_total(tmp_path: Path) -> None:
    """27,432.40664 M parameters: achatbot pull request 150, which prints the modules of the vision tower, too.

    By hand: four square matrices, an FFN and two layer norms per layer, with biases; a convolution of 14 x 14 patches
    in three colours, 4,096 positions, a layer norm; a projection to the width of the language model, and its norm.
    """
    width, wide, text = 1152, 4304, 5376
    layer = 4 * (width * width + width) + 2 * width * wide + wide + width + 4 * width
    tower = 27 * layer + (3 * 14 * 14 + 1) * width + 4096 * width + 2 * width
    count = count_parameters(write(tmp_path, GEMMA3_27B))
    assert count.total + tower + width * text + width == 27_432_406_640


def test_sizes_that_equal_the_defaults_of_the_class_are_not_in_the_file(tmp_path: Path) -> None:
    """google/gemma-3-4b-it: heads, KV heads, width of a head and vocabulary stand nowhere in its config.json."""
    inner = {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "sliding_window": 1024}
    spec = read(tmp_path, {"model_type": "gemma3", "text_config": inner, "vision_config": SIGLIP}, "gemma-3-4b-it")
    assert (spec.name, spec.heads, spec.kv_heads, spec.d_head, spec.vocab) == ("gemma-3-4b-it", 8, 4, 256, 262_208)
    assert spec.windows[:7] == (1024,) * 5 + (None, 1024)
    (note,) = spec.notes
    assert note == "its vision tower, which turns other inputs into tokens of the prompt, is not modelled"
    vicuna = {"_name_or_path": "lmsys/vicuna-7b-v1.5", "model_type": "llama", "vocab_size": 32_000}
    llava = read(tmp_path, {"model_type": "llava", "text_config": vicuna, "audio_config": SIGLIP}, "llava-1.5-7b-hf")
    assert without(shape(llava), "notes") == without(shape(find_model("llama-7b")), "notes")
    assert llava.name == "llava-1.5-7b-hf", "not that of the model that it was made from"
    assert "audio tower" in llava.notes[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 0}, "by its text_config:\n  num_hidden_layers must"),
        ({"num_experts": 8}, "num_experts: mixture of experts is not modelled"),
        ({"model_type": "phi3"}, "by its text_config:\n  vocab_size is missing"),
    ],
)
def test_problems_of_the_inner_model_are_named_as_such(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    config = {**GEMMA3_27B, "text_config": without(GEMMA3_27B["text_config"], "num_key_value_heads") | change}
    with pytest.raises(ConfigFileError) as caught:
        read(tmp_path, config)
    assert message in str(caught.value)


def test_a_text_config_that_is_ambiguous_is_refused(tmp_path: Path) -> None:
    text = '{"model_type": "llava", "text_config": {"model_type": "llama", "model_type": "qwen2"}}'
    assert "model_type occurs twice" in refusal(tmp_path, text)


def test_weights_of_a_language_model_inside_a_larger_one_are_not_loaded(tmp_path: Path) -> None:
    folder = write(tmp_path, {"model_type": "llava", "text_config": {"model_type": "llama"}}).parent
    with pytest.raises(ConfigFileError, match="text_config is a language model inside a larger model"):
        load_network(folder)
