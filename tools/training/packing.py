"""Tensors, config and tokenizer of the exported folder, in the format of transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tools.training import text
from tools.training.model import BitLinear, BitNet, Shape, absmean, ternary


def packed(weights: Tensor) -> Tensor:
    """Pack ternary weights into codes of two bits.

    The code is the weight + 1. Bits 2 i and 2 i + 1 of byte row r belong to output i * out / 4 + r.

    Args:
        weights: -1, 0 or 1, [out, in].

    Returns:
        [out / 4, in] uint8.

    Reference:
        `pack_weights` in integrations/bitnet.py of transformers.
    """
    codes = (weights + 1).to(torch.uint8).chunk(4)
    return codes[0] | codes[1] << 2 | codes[2] << 4 | codes[3] << 6


def tensors(model: BitNet) -> dict[str, Tensor]:
    """Return the content of `model.safetensors`; the scale of a matrix multiplies its ternary weights."""
    result = {name: value.detach().float().contiguous() for name, value in model.named_parameters()}
    for name, module in model.named_modules():
        if isinstance(module, BitLinear):
            latent = module.weight.detach()
            result[f"{name}.weight"] = packed(ternary(latent)).contiguous()
            result[f"{name}.weight_scale"] = absmean(latent).float().reshape(1)
    return result


def config(shape: Shape, alphabet: text.Alphabet) -> dict[str, Any]:
    """Return the content of `config.json`, with the keys of microsoft/bitnet-b1.58-2B-4T."""
    return {
        "architectures": ["BitNetForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": int(alphabet.encode(text.BOUNDARY)[0]),
        "eos_token_id": None,
        "hidden_act": "relu2",
        "hidden_size": shape.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": shape.intermediate_size,
        "max_position_embeddings": shape.max_position_embeddings,
        "model_type": "bitnet",
        "num_attention_heads": shape.num_attention_heads,
        "num_hidden_layers": shape.num_hidden_layers,
        "num_key_value_heads": shape.num_key_value_heads,
        "pad_token_id": None,
        "quantization_config": {
            "linear_class": "autobitlinear",
            "quant_method": "bitnet",
            "quantization_mode": "offline",
        },
        "rms_norm_eps": shape.rms_norm_eps,
        "rope_theta": shape.rope_theta,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": shape.vocab_size,
    }


def tokenizer(alphabet: text.Alphabet) -> dict[str, Any]:
    """Return the content of `tokenizer.json`, in which each character is one word."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "[\\s\\S]"}, "behavior": "Isolated", "invert": False},
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "WordLevel",
            "vocab": {token: number for number, token in enumerate(alphabet.tokens)},
            "unk_token": text.REPLACEMENT,
        },
    }


def write(model: BitNet, corpus: text.Corpus | None, alphabet: text.Alphabet, folder: Path) -> None:
    """Write the exported folder except README.md and training.json; without a corpus, also without its texts."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "model.safetensors"
    save_file(tensors(model), weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # save_file creates it readable only by its owner
    write_json(folder / "config.json", config(model.shape, alphabet))
    write_json(folder / "tokenizer.json", tokenizer(alphabet))
    if corpus is None:
        return
    held_out = "".join(text.BOUNDARY + chapter.text for chapter in corpus.held_out)
    for name, content in (("held-out.txt", held_out), ("calibration.txt", corpus.calibration)):
        (folder / name).write_text(content, encoding="utf-8", newline="\n")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file with indentation and without escaped characters."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
