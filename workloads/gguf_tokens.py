"""Tokenizers in the metadata of GGUF files.

Byte-level BPE (`tokenizer.ggml.model` gpt2) needs the library `tokenizers`, and BPE of sentencepiece (llama) the
library `sentencepiece`: the vocabulary is converted to the input of the library, so that both kinds of files are
tokenized by the same code.

Reference:
    Kinds of pre-tokenization: `llm_tokenizer_bpe` in llama-vocab.cpp of llama.cpp; the pre-tokenizers are those of the
    tokenizer.json of the models. Vocabulary of sentencepiece: sentencepiece_model.proto of google/sentencepiece.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from workloads.checked_fields import shorten, suggest
from workloads.gguf_config import read_gguf_header
from workloads.library_tokens import (
    LibraryTokenizer,
    SentencePieceTokenizer,
    library_tokenizer,
    sentencepiece_tokenizer,
)
from workloads.strict_json import join
from workloads.untrusted_files import printable
from workloads.workload_errors import TokenizerError

PREFIX = "tokenizer.ggml."
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Types of tokens, which are those of sentencepiece."""

_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
_SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3, _QWEN2, _DIGITS, _GPT2 = "llama3", "qwen2", "digits", "gpt2"
_SPLITS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("gpt-2", "gpt2", "phi-2", "olmo", "jais", "mpt"), _GPT2),
        **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"), _DIGITS),
        **dict.fromkeys(("llama-bpe", "llama3", "llama-v3", "falcon3", "smaug-bpe"), _LLAMA3),
        **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "stablelm2"), _QWEN2),
    }
)
"""Kind of pre-tokenization by `tokenizer.ggml.pre`."""


def gguf_tokenizer(path: str | os.PathLike[str]) -> LibraryTokenizer | SentencePieceTokenizer:
    """Load the tokenizer of a GGUF file.

    Args:
        path: The file.

    Returns:
        The tokenizer. `tokenizer.ggml.add_bos_token` decides whether a text begins with a BOS token; if the file lacks
        it, a text does with sentencepiece and with the pre-tokenization of Llama 3, as in llama.cpp.

    Raises:
        CheckpointError: If the file cannot be read or its header is invalid.
        TokenizerError: If it has no tokenizer or one that is not supported, or needs a library that is not installed.
    """
    values = read_gguf_header(path).values
    return _Vocabulary(printable(path), {key.removeprefix(PREFIX): values[key] for key in values}).tokenizer()


class _Vocabulary:
    """The vocabulary of one file; its values by key, without the prefix of the keys."""

    def __init__(self, source: str, values: Mapping[str, Any]) -> None:
        self.source, self.values = source, values
        self.tokens = self.texts("tokens")
        types = values.get("token_type")
        self.types = np.full(len(self.tokens), NORMAL) if types is None else types
        if not self.is_numbers(self.types) or self.types.dtype.kind not in "iu":
            raise self.error("token_type", f"must be {len(self.tokens):,} integers, one per token")

    def tokenizer(self) -> LibraryTokenizer | SentencePieceTokenizer:
        kind = self.values.get("model")
        if isinstance(kind, str) and kind == "gpt2":
            return self.byte_level()
        if isinstance(kind, str) and kind == "llama":
            return self.sentencepiece()
        raise self.error("model", f"must be gpt2 or llama, not {shorten(kind)}: other tokenizers are not read")

    def error(self, key: str, text: str) -> TokenizerError:
        return TokenizerError(f"{self.source}: {PREFIX}{key} {text}")

    def texts(self, key: str) -> list[str]:
        value = self.values.get(key)
        if not isinstance(value, list) or not value:
            raise self.error(key, "is missing" if value is None else "must be a list of strings")
        return value

    def is_numbers(self, value: object) -> bool:
        return isinstance(value, np.ndarray) and len(value) == len(self.tokens)

    def prefix(self, default: bool) -> tuple[int, ...]:
        """Return the ids that belong before a text; `default` says whether there is one if the file does not."""
        adds, bos = self.values.get("add_bos_token", default), self.values.get("bos_token_id")
        if adds is not True or bos is None:
            return ()
        if type(bos) is not int or not 0 <= bos < len(self.tokens):
            raise self.error("bos_token_id", f"must be an id from 0 to {len(self.tokens) - 1}, not {shorten(bos)}")
        return (bos,)

    def byte_level(self) -> LibraryTokenizer:
        vocabulary = {token: number for number, token in enumerate(self.tokens)}
        if len(vocabulary) != len(self.tokens):
            twice = next(token for number, token in enumerate(self.tokens) if vocabulary[token] != number)
            raise self.error("tokens", f"has the token {join('', twice)} twice")
        split = self.split()
        added = [
            {
                "id": number,
                "content": self.tokens[number],
                "special": int(self.types[number]) == CONTROL,
                **dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False),
            }
            for number in np.flatnonzero(np.isin(self.types, (CONTROL, USER_DEFINED))).tolist()
            if self.tokens[number]
        ]
        model = {"type": "BPE", "vocab": vocabulary, "merges": self.texts("merges"), "ignore_merges": split == _LLAMA3}
        file = {
            "version": "1.0",
            "added_tokens": added,
            "normalizer": {"type": "NFC"} if split == _QWEN2 else None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": list(_pre_tokenizers(split))},
            "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
            "model": {**dict.fromkeys(("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"))}
            | {"fuse_unk": False, "byte_fallback": False, **model},
        }
        return library_tokenizer(json.dumps(file).encode(), self.source, self.prefix(split == _LLAMA3), None, None)

    def split(self) -> str:
        pre = self.values.get("pre")
        if pre is None and "<|begin_of_text|>" in self.tokens:  # files of 2024, with the vocabulary of Llama 3
            return _LLAMA3
        if not isinstance(pre, str) or pre not in _SPLITS:
            found = "is missing" if pre is None else f"{shorten(pre)} is not supported{suggest(pre, _SPLITS)}"
            raise self.error("pre", f"{found}; supported are {', '.join(_SPLITS)}")
        return _SPLITS[pre]

    def sentencepiece(self) -> SentencePieceTokenizer:
        scores: Any = self.values.get("scores")
        if self.is_numbers(scores):
            with np.errstate(over="ignore"):
                scores = scores.astype(np.float32)
        if not self.is_numbers(scores) or not np.isfinite(scores).all():
            raise self.error("scores", f"must be {len(self.tokens):,} finite numbers, one per token")
        unknown = int(np.count_nonzero(self.types == UNKNOWN))
        if unknown != 1:
            raise self.error("token_type", f"must have one token for unknown text (type {UNKNOWN}), not {unknown}")
        adds = self.values.get("add_space_prefix", True) is True
        removes = self.values.get("remove_extra_whitespaces", False) is True
        data = b"".join(_model_proto(self.tokens, scores, self.types, adds_space=adds, removes_spaces=removes))
        return sentencepiece_tokenizer(data, self.source, None, self.prefix(True))


def _pre_tokenizers(split: str) -> Iterator[dict[str, Any]]:
    if split == _DIGITS:
        yield {"type": "Digits", "individual_digits": True}
    elif split != _GPT2:
        pattern = _WORDS % ("{1,3}" if split == _LLAMA3 else "") + _SPACES
        yield {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    whole = split in (_DIGITS, _GPT2)
    yield {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": whole}


def _model_proto(
    tokens: list[str], scores: Any, types: Any, *, adds_space: bool, removes_spaces: bool
) -> Iterator[bytes]:
    """Serialise a model of sentencepiece.

    Args:
        tokens: Text of each piece.
        scores: Score of each piece: those of BPE are the order of the merges.
        types: Type of each piece.
        adds_space: Whether a space is added before a text.
        removes_spaces: Whether repeated spaces become one.

    Yields:
        The parts of the message ModelProto: pieces (field 1), trainer_spec (2) and normalizer_spec (3).
    """
    for token, score, kind in zip(tokens, scores.tolist(), types.tolist(), strict=True):
        piece = _bytes(1, token.encode()) + b"\x15" + struct.pack("<f", score)  # field 2, 4 bytes
        yield _bytes(1, piece if kind == NORMAL else piece + _integer(3, kind))
    bpe, byte_fallback, unknown = 2, bool((types == BYTE).any()), int(np.flatnonzero(types == UNKNOWN)[0])
    trainer = _integer(3, bpe) + _integer(35, byte_fallback) + _integer(40, unknown)
    yield _bytes(2, trainer + _bytes(45, tokens[unknown].encode()))
    yield _bytes(3, _bytes(1, b"identity") + _integer(3, adds_space) + _integer(4, removes_spaces) + _integer(5, True))


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(int(value) & (1 << 64) - 1)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value
