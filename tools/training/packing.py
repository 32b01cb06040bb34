"""The exported folder's tensors, config and tokenizer, as transformers reads them."""

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
    """Ternary weights, [out, in], as codes of two bits, [out / 4, in] bytes.

    The code is the weight + 1. Bits 2 i and 2 i + 1 of byte row r belong to output i out / 4 + r, as transformers'
    `pack_weights` has it (integrations/bitnet.py).
    """
    codes = (weights + 1).to(torch.uint8).chunk(4)
    return codes[0] | codes[1] << 2 | codes[2] << 4 | codes[3] << 6


def tensors(model: BitNet) -> dict[str, Tensor]:
    """All that `model.safetensors` holds: a matrix's scale is what its ternary weights are multiplied by."""
    result = {name: value.detach().float().contiguous() for name, value in model.named_parameters()}
    for name, module in model.named_modules():
        if isinstance(module, BitLinear):
            latent = module.weight.detach()
            result[f"{name}.weight"] = packed(ternary(latent)).contiguous()
            result[f"{name}.weight_scale"] = absmean(latent).float().reshape(1)
    return result


def config(shape: Shape, alphabet: text.Alphabet) -> dict[str, Any]:
    """`config.json`: the keys of microsoft/bitnet-b1.58-2B-4T's."""
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
    """`tokenizer.json`: each character is a word of its own."""
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


def write(model: BitNet, corpus: text.Corpus, alphabet: text.Alphabet, folder: Path) -> None:
    """The whole folder but for its README and numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "model.safetensors"
    save_file(tensors(model), weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # it is made for its owner alone
    write_json(folder / "config.json", config(model.shape, alphabet))
    write_json(folder / "tokenizer.json", tokenizer(alphabet))
    held_out = "".join(text.BOUNDARY + chapter.text for chapter in corpus.held_out)
    for name, content in (("held-out.txt", held_out), ("calibration.txt", corpus.calibration)):
        (folder / name).write_text(content, encoding="utf-8", newline="\n")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Indented, with the characters themselves."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
