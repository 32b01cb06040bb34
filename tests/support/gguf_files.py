"""GGUF files written with struct and NumPy alone, and blocks packed element by element from ggml's description."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.tiny_checkpoints import CONFIGS, Tensors

NUMBERS = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q8_0": 8, "I32": 26, "I2_S": 36}
ARRAYS = {"uint8": 0, "int8": 1, "int32": 5, "float32": 6, "int64": 11}
ALIGNMENT = 32


@dataclass(frozen=True)
class Stored:
    """A tensor as its file has it: type, shape (outputs before inputs) and bytes."""

    type: str
    shape: tuple[int, ...]
    data: bytes


def floats(values: NDArray[Any], dtype: str = "F32") -> Stored:
    return Stored(dtype, values.shape, values.astype({"F32": "<f4", "F16": "<f2"}[dtype]).tobytes())


def text(value: str | bytes) -> bytes:
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(data)) + data


def value_bytes(value: Any) -> bytes:
    """Type and bytes of a value of the metadata."""
    if isinstance(value, bytes):  # as it is
        return value
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if isinstance(value, list):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))
    return struct.pack("<IIQ", 9, ARRAYS[str(value.dtype)], len(value)) + value.tobytes()


def file_bytes(values: Mapping[str, Any], tensors: Mapping[str, Stored]) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    head += b"".join(text(key) + value_bytes(value) for key, value in values.items())
    data = b""
    for name, tensor in tensors.items():
        dims = struct.pack(f"<{len(tensor.shape)}Q", *reversed(tensor.shape))
        head += text(name) + struct.pack("<I", len(tensor.shape)) + dims
        head += struct.pack("<IQ", NUMBERS[tensor.type], len(data))
        data += tensor.data + bytes(-len(tensor.data) % ALIGNMENT)
    return head + bytes(-len(head) % ALIGNMENT) + data


def i2_s(codes: NDArray[Any], scale: float) -> Stored:
    """BitNet's I2_S: 128 codes in 32 bytes, from the highest bits; then the scale, and 28 bytes that nobody reads."""
    flat = codes.reshape(-1)
    data = np.zeros(flat.size // 4, np.uint8)
    for number, code in enumerate(flat):
        block, inside = divmod(number, 128)
        data[block * 32 + inside % 32] |= (int(code) + 1) << (6 - 2 * (inside // 32))
    return Stored("I2_S", codes.shape, data.tobytes() + struct.pack("<f", scale) + bytes(28))


def q4(codes: NDArray[Any], scales: NDArray[Any], minima: NDArray[Any] | None = None) -> Stored:
    """Q4_0, or Q4_1 with minima: codes of 0 to 15, [rows, inputs]; the scale and the minimum of each 32 inputs."""
    data = b""
    for row, blocks in enumerate(codes.reshape(len(codes), -1, 32)):
        for number, block in enumerate(blocks):
            data += struct.pack("<e", scales[row, number])
            data += b"" if minima is None else struct.pack("<e", minima[row, number])
            data += bytes(int(block[i]) | int(block[i + 16]) << 4 for i in range(16))
    return Stored("Q4_0" if minima is None else "Q4_1", codes.shape, data)


def q8_0(codes: NDArray[Any], scales: NDArray[Any]) -> Stored:
    blocks = codes.reshape(len(codes), -1, 32)
    parts = (
        struct.pack("<e", scales[row, number]) + block.astype(np.int8).tobytes()
        for row, of_row in enumerate(blocks)
        for number, block in enumerate(of_row)
    )
    return Stored("Q8_0", codes.shape, b"".join(parts))


LLAMA_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "self_attn.attn_sub_norm": "attn_sub_norm",
    "mlp.ffn_sub_norm": "ffn_sub_norm",
}
GPT2_NAMES = {
    "wte": "token_embd",
    "wpe": "position_embd",
    "ln_f": "output_norm",
    "ln_1": "attn_norm",
    "ln_2": "ffn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}


def renamed(name: str) -> str:
    """Name in GGUF of a tensor of GPT-2, or of LLaMA and the families after it."""
    module, _, what = name.removeprefix("transformer.").rpartition(".")
    prefix = ""
    for before in ("model.layers.", "h."):
        if module.startswith(before):
            number, _, module = module.removeprefix(before).partition(".")
            prefix = f"blk.{number}."
    return f"{prefix}{(GPT2_NAMES if module in GPT2_NAMES else LLAMA_NAMES)[module]}.{what}"


def interleaved(rows: NDArray[Any], heads: int) -> NDArray[Any]:
    """Rows i and i + d / 2 of each head beside each other, as llama.cpp's converter writes queries and keys."""
    d_head = len(rows) // heads
    order = [h * d_head + half * d_head // 2 + i for h in range(heads) for i in range(d_head // 2) for half in (0, 1)]
    return rows[order]


def converted(folder: Path, architecture: str, tensors: Tensors) -> tuple[dict[str, Any], dict[str, Stored]]:
    """Metadata and float tensors of the checkpoint in a folder, as a converter to GGUF writes them."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    heads = config.get("num_attention_heads") or config["n_head"]
    found: dict[str, Stored] = {}
    for name, values in tensors.items():
        new = renamed(name)
        stored = values
        if architecture == "llama" and ".attn_q." in new:
            stored = interleaved(values, heads)
        if architecture == "llama" and ".attn_k." in new:
            stored = interleaved(values, config["num_key_value_heads"])
        if architecture == "gpt2" and values.ndim == 2 and new.startswith("blk."):
            stored = values.T
        found[new] = floats(stored)
    return metadata(config, architecture), found


def metadata(config: Mapping[str, Any], architecture: str) -> dict[str, Any]:
    """The keys of a GGUF file for those of a config.json."""
    ends = {
        "block_count": ("num_hidden_layers", "n_layer"),
        "attention.head_count": ("num_attention_heads", "n_head"),
        "attention.head_count_kv": ("num_key_value_heads",),
        "embedding_length": ("hidden_size", "n_embd"),
        "feed_forward_length": ("intermediate_size",),
        "context_length": ("max_position_embeddings", "n_positions"),
        "attention.layer_norm_rms_epsilon": ("rms_norm_eps",),
        "attention.layer_norm_epsilon": ("layer_norm_epsilon",),
    }
    values: dict[str, Any] = {"general.architecture": architecture}
    for end, keys in ends.items():
        given = next((config[key] for key in keys if config.get(key) is not None), None)
        if given is not None:
            values[f"{architecture}.{end}"] = given
    if architecture == "gpt2":
        values["gpt2.feed_forward_length"] = 4 * config["n_embd"]
    theta = config.get("rope_theta") or (config.get("rope_parameters") or {}).get("rope_theta")
    if theta is not None:
        values[f"{architecture}.rope.freq_base"] = float(theta)
    return values


def write(path: Path, values: Mapping[str, Any], tensors: Mapping[str, Stored]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file_bytes(values, tensors))
    return path


def grouped_file(folder: Path, kind: str, tokens: list[str] | None = None) -> Path:
    """A tiny LLaMA of 64 inputs with random Q4_0, Q4_1 or Q8_0; tokens are a byte-level vocabulary."""
    vocab = 40 if tokens is None else len(tokens)
    config = {**CONFIGS["llama"], "hidden_size": 64, "intermediate_size": 96, "vocab_size": vocab}
    shapes = {"attn_q": (64, 64), "attn_k": (32, 64), "attn_v": (32, 64), "attn_output": (64, 64)}
    shapes |= {"ffn_gate": (96, 64), "ffn_up": (96, 64), "ffn_down": (64, 96)}
    random = np.random.default_rng(11)
    tensors = {"token_embd.weight": floats(random.standard_normal((vocab, 64)), "F16")}
    for layer in range(2):
        for name, (outputs, inputs) in shapes.items():
            scales = random.uniform(-0.02, 0.02, (outputs, inputs // 32))
            codes = random.integers(0, 16, (outputs, inputs))
            stored = q4(codes, scales, None if kind == "Q4_0" else random.uniform(-12, -3, scales.shape) * scales)
            if kind == "Q8_0":
                stored = q8_0(random.integers(-127, 128, (outputs, inputs)), scales / 8)
            tensors[f"blk.{layer}.{name}.weight"] = stored
        tensors |= {f"blk.{layer}.{name}_norm.weight": floats(np.ones(64)) for name in ("attn", "ffn")}
    tensors["output_norm.weight"] = floats(np.ones(64))
    values = metadata(config, "llama")
    if tokens is not None:
        named = {"model": "gpt2", "pre": "gpt-2", "tokens": tokens, "merges": ["i n"]}
        values |= {f"tokenizer.ggml.{key}": value for key, value in named.items()}
    return write(folder / f"{kind}.gguf", values, tensors)
