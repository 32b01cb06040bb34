"""Tokenizers: single characters against the library, coverage of the text, and rejected input."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads import TokenizerError, load_tokenizer
from workloads.character_tokens import CharacterTokenizer
from workloads.library_tokens import LibraryTokenizer
from workloads.text_tokens import FILE_NAME

LETTERS = "abc é\n😀"
UNKNOWN = "<unk>"


def characters(**changes: Any) -> dict[str, Any]:
    """Return a tokenizer.json of single characters whose unknown token has id 0."""
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {
        "version": "1.0",
        "added_tokens": [{"id": 0, "content": UNKNOWN, "special": True, **plain}],
        "normalizer": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": ""}, "behavior": "Isolated", "invert": False},
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "WordLevel",
            "vocab": {token: number for number, token in enumerate([UNKNOWN, *LETTERS])},
            "unk_token": UNKNOWN,
        },
        **changes,
    }


def write(folder: Path, values: object) -> Path:
    (folder / FILE_NAME).write_text(json.dumps(values), encoding="utf-8")
    return folder


def test_characters_need_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    tokenizer = load_tokenizer(write(tmp_path, characters()))
    found = tokenizer.tokenize("ab\n\né😀zc")
    assert found.ids.tolist() == [1, 2, 6, 6, 5, 7, 0, 3]
    assert found.characters.tolist() == [1] * 8
    assert found.utf8_bytes.tolist() == [1, 1, 1, 1, 2, 4, 1, 1]
    assert tokenizer.decode(found.ids) == "ab\n\né😀<unk>c"
    assert tokenizer.vocab == 8
    assert tokenizer.encode("").tolist() == []


def test_any_other_vocabulary_needs_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    write(tmp_path, characters(normalizer={"type": "Lowercase"}))
    with pytest.raises(TokenizerError, match=r'install it with pip install "pimsim\[tokenizers\]"'):
        load_tokenizer(tmp_path)


@given(st.lists(st.sampled_from([*LETTERS, "z", "\r", "<", "unk>", UNKNOWN]), max_size=30).map("".join))
def test_character_tokenizer_equals_the_library(text: str) -> None:
    library = pytest.importorskip("tokenizers")
    with tempfile.TemporaryDirectory() as name:
        ours = load_tokenizer(write(Path(name), characters()))
        theirs = LibraryTokenizer(library.Tokenizer.from_file(str(Path(name) / FILE_NAME)))
    assert isinstance(ours, CharacterTokenizer)
    one, other = ours.tokenize(text), theirs.tokenize(text)
    for field in ("ids", "characters", "utf8_bytes"):
        assert getattr(one, field).tolist() == getattr(other, field).tolist()
    assert ours.decode(one.ids) == theirs.decode(one.ids)
    assert ours.vocab == theirs.vocab


@pytest.mark.parametrize("pattern", [{"Regex": r"[\s\S]"}, {"String": ""}, {"Regex": ""}])
def test_patterns_that_match_every_character(pattern: dict[str, str], tmp_path: Path) -> None:
    values = characters(added_tokens=[])
    values["pre_tokenizer"]["pattern"] = pattern
    tokenizer = load_tokenizer(write(tmp_path, values))
    assert isinstance(tokenizer, CharacterTokenizer)
    found = tokenizer.tokenize("ab\n\né😀zc")
    assert found.ids.tolist() == [1, 2, 6, 6, 5, 7, 0, 3]
    assert found.characters.tolist() == [1] * 8
    assert found.utf8_bytes.tolist() == [1, 1, 1, 1, 2, 4, 1, 1]


def byte_level(folder: Path) -> Any:
    """Return a byte-level BPE without merges, in which an emoji is four tokens."""
    library = pytest.importorskip("tokenizers")
    alphabet = sorted(library.pre_tokenizers.ByteLevel.alphabet())
    tokenizer = library.Tokenizer(library.models.BPE({token: n for n, token in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(folder / FILE_NAME))
    return load_tokenizer(folder)


def test_tokens_that_share_a_character(tmp_path: Path) -> None:
    found = byte_level(tmp_path).tokenize("a😀é")
    assert found.characters.tolist() == [1, 1, 0, 0, 0, 1, 0]
    assert found.utf8_bytes.tolist() == [1, 4, 0, 0, 0, 2, 0]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20))
def test_coverage_adds_up_to_the_text(text: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        tokenizer = byte_level(Path(name))
    found = tokenizer.tokenize(text)
    assert found.characters.sum() == len(text)
    assert found.utf8_bytes.sum() == len(text.encode())
    assert (found.characters >= 0).all()
    assert len(found.ids) == len(text.encode())
    assert tokenizer.decode(found.ids) == text


def test_words_include_adjacent_spaces(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    values = characters(pre_tokenizer={"type": "WhitespaceSplit"}, added_tokens=[])
    values["model"]["vocab"] = {UNKNOWN: 0, "the": 1, "cell": 2}
    tokenizer = load_tokenizer(write(tmp_path, values))
    found = tokenizer.tokenize("the  big cell \n")
    assert found.ids.tolist() == [1, 0, 2]
    assert found.characters.tolist() == [3, 5, 7]
    with pytest.raises(TokenizerError, match="has no tokens for the text '  '"):
        tokenizer.tokenize("  ")


def test_without_an_unknown_token_unknown_characters_are_errors(tmp_path: Path) -> None:
    values = characters(added_tokens=[])
    del values["model"]["vocab"][UNKNOWN]
    tokenizer = load_tokenizer(write(tmp_path, values))
    with pytest.raises(TokenizerError, match="'z' is not one of the 7 characters"):
        tokenizer.encode("az")


def test_an_unknown_token_may_be_a_character(tmp_path: Path) -> None:
    values = characters(added_tokens=[])
    values["model"].update(vocab={"\ufffd": 0, "a": 1}, unk_token="\ufffd")
    tokenizer = load_tokenizer(write(tmp_path, values))
    assert tokenizer.encode("za").tolist() == [0, 1]
    assert tokenizer.decode([0, 1]) == "\ufffda"


def test_unpaired_surrogates_and_ids_out_of_range(tmp_path: Path) -> None:
    ours = load_tokenizer(write(tmp_path, characters()))
    (tmp_path / "library").mkdir()
    for tokenizer in (ours, byte_level(tmp_path / "library")):
        with pytest.raises(TokenizerError, match="an unpaired surrogate"):
            tokenizer.tokenize("a\ud800")
    for wrong in (-1, 8, 2**70):
        with pytest.raises(TokenizerError):
            ours.decode([wrong])


def changed(path: str, value: object) -> dict[str, Any]:
    values = characters()
    *outer, last = path.split(".")
    inner = values
    for key in outer:
        inner = inner[key]
    inner[last] = value
    return values


WRONG: list[tuple[object, str]] = [
    ([], "must be an object"),
    (changed("model.vocab", {"a": 1, "b": 1}), "must give each token a different id"),
    (changed("model.vocab", {"a": "1"}), "model.vocab.a must be an integer from 0"),
    (changed("model.vocab", {"a": [1]}), "model.vocab.a must be an integer from 0"),
    (changed("model.vocab", {"a": -1}), "model.vocab.a must be an integer from 0"),
    (changed("model.vocab", {UNKNOWN: 3}), "redefines '<unk>'"),
    ({**changed("model.vocab", {}), "added_tokens": []}, "model.vocab is empty"),
]


@pytest.mark.parametrize(("values", "text"), WRONG, ids=[text for _, text in WRONG])
def test_wrong_vocabularies(values: object, text: str, tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=text):
        load_tokenizer(write(tmp_path, values))


def test_files_that_are_not_tokenizers(tmp_path: Path) -> None:
    with pytest.raises(
        TokenizerError,
        match=r"cannot read the tokenizer: the folder is empty, but neither tokenizer\.json nor tokenizer\.model",
    ):
        load_tokenizer(tmp_path)
    for data in (b"", b"\xff", b"{", b'{"model": ' + b"[" * 10**5, b'{"a": 1, "a": 2}'):
        (tmp_path / FILE_NAME).write_bytes(data)
        with pytest.raises(TokenizerError):
            load_tokenizer(tmp_path)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=4), st.sampled_from(["WordLevel", "BPE"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["type", "vocab", "id", "content", "merges", "a", "é"]), inner, max_size=4),
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted(characters())), JSON, st.booleans())
def test_any_change_gives_a_tokenizer_or_one_error(key: str, value: object, inner: bool) -> None:
    pytest.importorskip("tokenizers")
    values = characters()
    if inner:
        values["model"]["vocab" if isinstance(value, dict) else "unk_token"] = value
    else:
        values[key] = value
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), values)
        try:
            tokenizer = load_tokenizer(name)
            assert np.issubdtype(tokenizer.encode("abz").dtype, np.int64)
        except TokenizerError as error:
            text = str(error)
        else:
            text = ""
    assert len(text) < 4000
