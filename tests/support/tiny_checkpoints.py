"""Tiny checkpoints of each family with random weights, written with NumPy and nothing else."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

VOCAB = 40
D_MODEL = 32
D_FF = 48
LAYERS = 2
HEADS = 4
KV_HEADS = 2
D_KV = D_MODEL // HEADS * KV_HEADS
POSITIONS = 24

Tensors = dict[str, NDArray[Any]]
NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "uint8": "U8", "int8": "I8", "int64": "I64"}
PACKED = {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"}

_ROTARY: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": D_MODEL,
    "intermediate_size": D_FF,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "max_position_embeddings": POSITIONS,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "gpt2": {
        "model_type": "gpt2",
        "vocab_size": VOCAB,
        "n_embd": D_MODEL,
        "n_layer": LAYERS,
        "n_head": HEADS,
        "n_positions": POSITIONS,
    },
    "opt": {
        "model_type": "opt",
        "vocab_size": VOCAB,
        "hidden_size": D_MODEL,
        "ffn_dim": D_FF,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": POSITIONS,
    },
    "llama": {"model_type": "llama", **_ROTARY},
    "mistral": {"model_type": "mistral", **_ROTARY, "sliding_window": None},
    "qwen2": {"model_type": "qwen2", **_ROTARY, "tie_word_embeddings": True},
    "bitnet": {"model_type": "bitnet", **_ROTARY, "tie_word_embeddings": True},
    "1bitllm": {"model_type": "llama", "architectures": ["BitnetForCausalLM"], **_ROTARY},
}
CONFIGS["bitnet"]["quantization_config"] = {**PACKED, "quantization_mode": "online"}
CONFIGS["bitnet_packed"] = {**CONFIGS["bitnet"], "quantization_config": PACKED}
FAMILIES = tuple(CONFIGS)


def tensors_of(family: str) -> Tensors:
    """The float tensors of a family, as its files name them; of packed BitNet, what the packed codes stand for."""
    make = {"gpt2": _gpt2, "opt": _opt}.get(family)
    shapes = make() if make else _rotary(family)
    random = np.random.default_rng(7)
    return {name: (random.standard_normal(shape) * 0.3).astype(np.float32) for name, shape in shapes.items()}


def write_checkpoint(folder: Path, family: str, **changes: Any) -> Tensors:
    """Write config.json (with ``changes``) and model.safetensors; return the tensors written."""
    tensors = tensors_of(family)
    if family == "bitnet_packed":
        tensors = packed(tensors)
    write_config(folder, {**CONFIGS[family], **changes})
    write_safetensors(folder / "model.safetensors", tensors)
    return tensors


def write_config(folder: Path, values: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(values), encoding="utf-8")


def packed(tensors: Tensors) -> Tensors:
    """The same with projections as codes, four to a byte, and their scale."""
    found: Tensors = {}
    for name, values in tensors.items():
        if "_proj" not in name:
            found[name] = values
            continue
        scale = np.abs(values).mean(dtype=np.float64).astype(np.float32)
        codes = np.clip(np.rint(values * np.float32(1 / float(scale))), -1, 1)
        found[name] = pack(codes)
        found[f"{name}_scale"] = scale.reshape(1)
    return found


def pack(codes: NDArray[Any]) -> NDArray[np.uint8]:
    """Element by element: row r + p n of codes is bits 2p and 2p + 1 of row r of n."""
    rows = len(codes) // 4
    data = np.zeros((rows, codes.shape[1]), np.uint8)
    for row, column in np.ndindex(*codes.shape):
        data[row % rows, column] |= (int(codes[row, column]) + 1) << (2 * (row // rows))
    return data


def bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The upper halves, rounded towards 0."""
    return (values.view(np.uint32) >> 16).astype(np.uint16)


def write_safetensors(path: Path, tensors: Tensors, metadata: Mapping[str, str] | None = None) -> None:
    """Write a file; uint16 stands for bfloat16."""
    path.write_bytes(safetensors_bytes(tensors, metadata))


def safetensors_bytes(tensors: Tensors, metadata: Mapping[str, str] | None = None) -> bytes:
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    data = b""
    for name, values in tensors.items():
        raw = np.ascontiguousarray(values).tobytes()
        dtype = NAMES.get(str(values.dtype), "BF16")
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    return file_of(json.dumps(header).encode(), data)


def file_of(header: bytes, data: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def _gpt2() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"wte.weight": (VOCAB, D_MODEL), "wpe.weight": (POSITIONS, D_MODEL)}
    for layer in (f"h.{number}." for number in range(LAYERS)):
        shapes |= _biased({f"{layer}ln_1": (D_MODEL,), f"{layer}ln_2": (D_MODEL,)})
        matrices = {"attn.c_attn": (32, 96), "attn.c_proj": (32, 32), "mlp.c_fc": (32, 128), "mlp.c_proj": (128, 32)}
        for name, shape in matrices.items():
            shapes |= {f"{layer}{name}.weight": shape, f"{layer}{name}.bias": shape[1:]}
    return shapes | _biased({"ln_f": (D_MODEL,)})


def _opt() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "model.decoder.embed_tokens.weight": (VOCAB, D_MODEL),
        "model.decoder.embed_positions.weight": (POSITIONS + 2, D_MODEL),
    }
    for layer in (f"model.decoder.layers.{number}." for number in range(LAYERS)):
        modules: dict[str, tuple[int, ...]] = {
            **{f"{layer}self_attn.{part}_proj": (D_MODEL, D_MODEL) for part in ("q", "k", "v", "out")},
            f"{layer}fc1": (D_FF, D_MODEL),
            f"{layer}fc2": (D_MODEL, D_FF),
            f"{layer}self_attn_layer_norm": (D_MODEL,),
            f"{layer}final_layer_norm": (D_MODEL,),
        }
        shapes |= _biased(modules)
    return shapes | _biased({"model.decoder.final_layer_norm": (D_MODEL,)})


def _rotary(family: str) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCAB, D_MODEL)}
    projections = {"self_attn.q": (D_MODEL, D_MODEL), "self_attn.k": (D_KV, D_MODEL), "self_attn.v": (D_KV, D_MODEL)}
    projections |= {"self_attn.o": (D_MODEL, D_MODEL), "mlp.gate": (D_FF, D_MODEL), "mlp.up": (D_FF, D_MODEL)}
    projections |= {"mlp.down": (D_MODEL, D_FF)}
    for layer in (f"model.layers.{number}." for number in range(LAYERS)):
        shapes |= {f"{layer}{name}_proj.weight": shape for name, shape in projections.items()}
        if family == "qwen2":
            shapes |= {f"{layer}self_attn.{part}_proj.bias": projections[f"self_attn.{part}"][:1] for part in "qkv"}
        shapes |= {f"{layer}input_layernorm.weight": (32,), f"{layer}post_attention_layernorm.weight": (32,)}
        if family.startswith("bitnet"):
            shapes |= {f"{layer}self_attn.attn_sub_norm.weight": (32,), f"{layer}mlp.ffn_sub_norm.weight": (D_FF,)}
        if family == "1bitllm":
            shapes |= {f"{layer}self_attn.inner_attn_ln.weight": (32,), f"{layer}mlp.ffn_layernorm.weight": (D_FF,)}
    shapes["model.norm.weight"] = (D_MODEL,)
    if not CONFIGS[family].get("tie_word_embeddings"):
        shapes["lm_head.weight"] = (VOCAB, D_MODEL)
    return shapes


def _biased(modules: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    weights = {f"{name}.weight": shape for name, shape in modules.items()}
    return weights | {f"{name}.bias": shape[:1] for name, shape in modules.items()}
