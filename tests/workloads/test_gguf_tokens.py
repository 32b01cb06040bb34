"""Tokenizers of GGUF files, beside those of the tokenizer files with the same vocabulary."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import gguf_files as gguf
from workloads import TokenizerError, load_tokenizer

TEXT = "In the beginning 2024 was  the word,\n\n and it's the e\u0301nd \U0001f600 12345"
TRAINING = ["in the beginning was the word", "the word was in the beginning of the end 1 2 3"] * 20


def file_of(folder: Path, **values: Any) -> Path:
    named = {f"tokenizer.ggml.{key}": value for key, value in values.items() if value is not None}
    return gguf.write(folder / "t.gguf", named, {})


def byte_level(split: Any) -> tuple[Any, dict[str, Any]]:
    """A tokenizer of the library with this pre-tokenizer, trained on a few lines, and its vocabulary for a file."""
    library: Any = pytest.importorskip("tokenizers")
    tokenizer = library.Tokenizer(library.models.BPE())
    parts = library.pre_tokenizers
    tokenizer.pre_tokenizer = parts.Sequence([*split(parts), parts.ByteLevel(add_prefix_space=False)])
    alphabet = parts.ByteLevel.alphabet()
    trainer = library.trainers.BpeTrainer(
        vocab_size=330, special_tokens=["<s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TRAINING, trainer)
    import json

    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in model["merges"]]
    types = np.array([3] + [1] * (len(tokens) - 1), np.int32)
    return tokenizer, {"model": "gpt2", "tokens": tokens, "merges": merges, "token_type": types, "bos_token_id": 0}


@pytest.mark.parametrize("pre", ["gpt-2", "smollm"])
def test_byte_level_tokens_are_those_of_the_library(pre: str, tmp_path: Path) -> None:
    """The pre-tokenizers of GPT-2 and SmolLM2 in their tokenizer.json: ByteLevel, with Digits before it or without."""
    tokenizer, values = byte_level(lambda parts: [parts.Digits(individual_digits=True)] if pre == "smollm" else [])
    ours = load_tokenizer(file_of(tmp_path, **values, pre=pre))
    assert ours.encode(TEXT).tolist() == tokenizer.encode(TEXT).ids
    assert ours.decode(ours.encode(TEXT)) == TEXT
    assert ours.encode("<s>a")[0] == 0
    assert ours.prefix_ids == ()
    assert load_tokenizer(file_of(tmp_path, **values, pre=pre, add_bos_token=True)).prefix_ids == (0,)


def test_numbers_are_cut_as_in_llama_3_and_qwen_2(tmp_path: Path) -> None:
    _, values = byte_level(lambda parts: [])
    values["tokens"] = [*values["tokens"], "123", "12"]
    values["merges"] = [*values["merges"], "1 2", "12 3"]
    values["token_type"] = np.append(values["token_type"], np.array([1, 1], np.int32))
    for pre, pieces in (("llama-bpe", ["123", "12"]), ("qwen2", ["1", "2", "3", "1", "2"])):
        tokenizer = load_tokenizer(file_of(tmp_path, **values, pre=pre))
        assert [tokenizer.decode([number]) for number in tokenizer.encode("12312")] == pieces
        assert tokenizer.prefix_ids == ((0,) if pre == "llama-bpe" else ())


def test_sentencepiece_tokens_are_those_of_the_model_file(tmp_path: Path) -> None:
    library: Any = pytest.importorskip("sentencepiece")
    model = io.BytesIO()
    library.SentencePieceTrainer.train(
        sentence_iterator=iter(TRAINING),
        model_writer=model,
        vocab_size=300,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=9,
    )
    (tmp_path / "tokenizer.model").write_bytes(model.getvalue())
    pieces = library.SentencePieceProcessor(model_proto=model.getvalue())
    ids = range(pieces.get_piece_size())
    kinds = [(2, pieces.is_unknown), (3, pieces.is_control), (6, pieces.is_byte)]
    types = [next((kind for kind, is_kind in kinds if is_kind(number)), 1) for number in ids]
    file = file_of(
        tmp_path,
        model="llama",
        tokens=[pieces.id_to_piece(number) for number in ids],
        scores=np.array([pieces.get_score(number) for number in ids], np.float32),
        token_type=np.array(types, np.int32),
        bos_token_id=1,
    )
    ours, theirs = load_tokenizer(file), load_tokenizer(tmp_path)
    assert ours.encode(TEXT).tolist() == theirs.encode(TEXT).tolist()
    assert ours.decode(ours.encode(TEXT)) == theirs.decode(theirs.encode(TEXT))
    assert ours.prefix_ids == theirs.prefix_ids == (1,)


ONE = {"model": "gpt2", "tokens": ["a", "b"], "merges": ["a b"], "pre": "gpt-2"}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"tokens": None}, "tokenizer.ggml.tokens is missing"),
        ({"tokens": 3}, "tokenizer.ggml.tokens must be a list of strings"),
        ({"tokens": ["a", "a"]}, "tokenizer.ggml.tokens has the token a twice"),
        ({"model": np.array([1, 2], np.int32)}, "tokenizer.ggml.model must be gpt2 or llama"),
        ({"token_type": np.array([np.nan, 1], np.float32)}, "tokenizer.ggml.token_type must be 2 integers"),
        ({"model": "bert"}, "tokenizer.ggml.model must be gpt2 or llama, not 'bert'"),
        ({"pre": "gpt-3"}, "tokenizer.ggml.pre 'gpt-3' is not supported (did you mean gpt-2"),
        ({"pre": None}, "tokenizer.ggml.pre is missing"),
        ({"merges": None}, "tokenizer.ggml.merges is missing"),
        ({"merges": ["x y"]}, "is not a usable tokenizer"),
        ({"token_type": np.array([1], np.int32)}, "tokenizer.ggml.token_type must be 2 integers, one per token"),
        ({"add_bos_token": True, "bos_token_id": 7}, "tokenizer.ggml.bos_token_id must be an id from 0 to 1, not 7"),
        ({"model": "llama"}, "tokenizer.ggml.scores must be 2 finite numbers"),
        ({"model": "llama", "scores": np.array([np.nan, 0], np.float32)}, "must be 2 finite numbers"),
        ({"model": "llama", "scores": np.zeros(2, np.float32)}, "must have one token for unknown text (type 2), not 0"),
    ],
)
def test_refused_vocabularies(changes: dict[str, Any], problem: str, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    pytest.importorskip("sentencepiece")
    with pytest.raises(TokenizerError) as raised:
        load_tokenizer(file_of(tmp_path, **{**ONE, **changes}))
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)
