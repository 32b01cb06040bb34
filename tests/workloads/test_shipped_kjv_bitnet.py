"""The files of the shipped 1-bit model against its README."""

from __future__ import annotations

import json
import math
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "workloads" / "data" / "kjv-bitnet"
LOGITS = Path(__file__).parents[1] / "data" / "kjv-bitnet-logits.npz"
DTYPES = {"F32": np.dtype("<f4"), "U8": np.dtype("u1")}
MAX_BYTES = 3_000_000


def content(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def tensors() -> dict[str, np.ndarray[Any, Any]]:
    """Read tensors in the safetensors format: length of the header, JSON header, and data bytes."""
    data = (FOLDER / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    body = data[8 + length :]
    assert sum(each["data_offsets"][1] - each["data_offsets"][0] for each in header.values()) == len(body)
    return {
        name: np.frombuffer(body[slice(*each["data_offsets"])], DTYPES[each["dtype"]]).reshape(each["shape"])
        for name, each in header.items()
    }


CONFIG = json.loads(content("config.json"))
NUMBERS = json.loads(content("training.json"))
TENSORS = tensors()


def projections() -> dict[str, tuple[int, int]]:
    """Return the shape, [out, in], of each projection according to the config."""
    width, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    keys = CONFIG["num_key_value_heads"] * width // CONFIG["num_attention_heads"]
    shapes = {
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (keys, width),
        "self_attn.v_proj": (keys, width),
        "self_attn.o_proj": (width, width),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    layers = range(CONFIG["num_hidden_layers"])
    return {f"model.layers.{layer}.{name}": shape for layer in layers for name, shape in shapes.items()}


def test_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) < MAX_BYTES


def test_has_the_tensors_that_the_config_requires() -> None:
    width = CONFIG["hidden_size"]
    expected: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (CONFIG["vocab_size"], width),
        "model.norm.weight": (width,),
    }
    for name, (out, into) in projections().items():
        expected[f"{name}.weight"] = (out // 4, into)
        expected[f"{name}.weight_scale"] = (1,)
    for layer in range(CONFIG["num_hidden_layers"]):
        for norm in ("input_layernorm", "post_attention_layernorm", "self_attn.attn_sub_norm"):
            expected[f"model.layers.{layer}.{norm}.weight"] = (width,)
        expected[f"model.layers.{layer}.mlp.ffn_sub_norm.weight"] = (CONFIG["intermediate_size"],)
    assert {name: tensor.shape for name, tensor in TENSORS.items()} == expected


@pytest.mark.parametrize("name", projections())
def test_weights_are_ternary(name: str) -> None:
    packed = TENSORS[f"{name}.weight"]
    assert packed.dtype == np.uint8
    codes = np.stack([packed >> 2 * place & 3 for place in range(4)])
    assert set(np.unique(codes).tolist()) == {0, 1, 2}
    assert TENSORS[f"{name}.weight_scale"][0] > 0


def test_the_rest_is_finite() -> None:
    assert all(np.isfinite(tensor).all() for tensor in TENSORS.values())


def test_a_token_is_a_character() -> None:
    tokenizer = json.loads(content("tokenizer.json"))
    vocabulary = tokenizer["model"]["vocab"]
    assert sorted(vocabulary.values()) == list(range(CONFIG["vocab_size"]))
    assert all(len(token) == 1 for token in vocabulary)
    assert tokenizer["model"]["unk_token"] in vocabulary
    assert set(content("held-out.txt") + content("calibration.txt")) <= set(vocabulary)
    assert vocabulary["\n"] == CONFIG["bos_token_id"]


def test_held_out_text_is_whole_chapters() -> None:
    chapters = content("held-out.txt").removeprefix("\n").split("\n\n")
    assert len(chapters) == NUMBERS["chapters"]["held_out"] == len(NUMBERS["held_out_chapters"])
    assert sum(len(chapter.rstrip("\n")) + 1 for chapter in chapters) == NUMBERS["characters"]["held_out"]
    assert 100_000 < NUMBERS["characters"]["held_out"] < 200_000


def test_held_out_text_is_not_in_that_for_calibration() -> None:
    chars = 100
    calibration = content("calibration.txt")
    known = {calibration[start : start + chars] for start in range(len(calibration) - chars + 1)}
    held_out = content("held-out.txt")
    assert not any(held_out[start : start + chars] in known for start in range(len(held_out) - chars + 1))


def test_perplexity_beats_the_5_gram() -> None:
    numbers = NUMBERS["held_out_per_character"]
    assert all(each["low"] < each["value"] < each["high"] for each in numbers.values())
    ratio = numbers["ratio to the 5-gram"]
    assert math.isclose(ratio["value"], numbers["model"]["value"] / numbers["Kneser-Ney 5-gram"]["value"], rel_tol=1e-3)
    assert ratio["high"] < 0.9


def test_readme_has_the_same_numbers() -> None:
    rows = re.findall(r"^\| (.+?) \| ([\d.]+) \| ([\d.]+) to ([\d.]+) \|$", content("README.md"), re.M)
    shown = {name: tuple(map(float, values)) for name, *values in rows}
    assert shown == {
        name: (each["value"], each["low"], each["high"]) for name, each in NUMBERS["held_out_per_character"].items()
    }


def test_reference_logits_are_of_this_model() -> None:
    with np.load(LOGITS) as made:
        for number in range(2):
            ids, logits = made[f"ids_{number}"], made[f"logits_{number}"]
            assert logits.shape == (len(ids), CONFIG["vocab_size"])
            exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
            probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
            nats = -np.log(probabilities[np.arange(len(ids) - 1), ids[1:]]).mean()
            assert np.exp(nats) < 2 * NUMBERS["held_out_per_character"]["Kneser-Ney 5-gram"]["value"]
