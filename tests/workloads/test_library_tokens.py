"""BOS tokens of templates and configs, and vocabularies of sentencepiece."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from workloads import TokenizerError, load_tokenizer
from workloads.text_tokens import CONFIG_NAME, FILE_NAME, MODEL_NAME

CASE = "a b"
"""Tokens 274, 262 and 282 of the tokenizer below."""


def library_file(folder: Path, *, bos: bool = True, eos: bool = False, nested: bool = False) -> Path:
    """Write a byte-level tokenizer whose template adds token 0 before a text, as that of Llama 3 does."""
    library: Any = pytest.importorskip("tokenizers")
    vocabulary = {"<s>": 0, "</s>": 1, "a": 274, "\u0120": 262, "b": 282}
    vocabulary |= {f"<{number}>": number for number in range(2, 300) if number not in (262, 274, 282)}
    tokenizer = library.Tokenizer(library.models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    single = f"{'<s> ' if bos else ''}$A{' </s>' if eos else ''}"
    processor = library.processors.TemplateProcessing(single=single, special_tokens=[("<s>", 0), ("</s>", 1)])
    if nested:
        processor = library.processors.Sequence([library.processors.ByteLevel(trim_offsets=False), processor])
    tokenizer.post_processor = processor
    tokenizer.save(str(folder / FILE_NAME))
    return folder


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("eos", [False, True])
def test_the_template_of_the_case(eos: bool, nested: bool, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(library_file(tmp_path, eos=eos, nested=nested))
    assert [*tokenizer.prefix_ids, *tokenizer.encode(CASE).tolist()] == [0, 274, 262, 282]


@pytest.mark.parametrize(
    ("template", "config", "prefix"),
    [
        (False, None, ()),
        (True, {}, (0,)),
        (True, {"add_bos_token": None}, (0,)),
        (True, {"add_bos_token": False}, ()),
        (False, {"add_bos_token": True, "bos_token": "<s>"}, (0,)),
        (False, {"add_bos_token": True, "bos_token": {"content": "<s>"}}, (0,)),
        (False, {"add_bos_token": True, "bos_token": "<unknown>"}, ()),
        (False, {"add_bos_token": True}, ()),
    ],
)
def test_the_config_of_the_tokenizer_decides(
    template: bool, config: dict[str, Any] | None, prefix: tuple[int, ...], tmp_path: Path
) -> None:
    library_file(tmp_path, bos=template)
    if config is not None:
        (tmp_path / CONFIG_NAME).write_text(json.dumps(config))
    assert load_tokenizer(tmp_path).prefix_ids == prefix


def test_a_vocabulary_without_the_probed_letters(tmp_path: Path) -> None:
    """A word-level vocabulary without an unknown token cannot tokenize any text that is not in it."""
    library: Any = pytest.importorskip("tokenizers")
    tokenizer = library.Tokenizer(library.models.WordLevel({"cell": 0, "<s>": 1}))
    tokenizer.post_processor = library.processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.save(str(tmp_path / FILE_NAME))
    loaded = load_tokenizer(tmp_path)
    assert [*loaded.prefix_ids, *loaded.encode("cell").tolist()] == [1, 0]


def test_other_processors_are_tried_out(tmp_path: Path) -> None:
    library: Any = pytest.importorskip("tokenizers")
    tokenizer = library.Tokenizer(library.models.WordLevel({"a": 0, "<s>": 1, "</s>": 2}))
    tokenizer.post_processor = library.processors.RobertaProcessing(("</s>", 2), ("<s>", 1))
    tokenizer.save(str(tmp_path / FILE_NAME))
    assert load_tokenizer(tmp_path).prefix_ids == (1,)


def test_a_broken_config_of_the_tokenizer_is_named(tmp_path: Path) -> None:
    library_file(tmp_path)
    (tmp_path / CONFIG_NAME).write_text("[]")
    with pytest.raises(TokenizerError, match=r"tokenizer_config\.json is not a usable config of a tokenizer"):
        load_tokenizer(tmp_path)


# sentencepiece.


@pytest.fixture(scope="module")
def model() -> bytes:
    """Train a BPE of 300 pieces with bytes for unknown characters; <unk>, <s> and </s> are 0, 1 and 2."""
    library: Any = pytest.importorskip("sentencepiece")
    written = io.BytesIO()
    library.SentencePieceTrainer.train(
        sentence_iterator=iter(["the cell of the array", "a cell in the array"] * 10),
        model_writer=written,
        model_type="bpe",
        vocab_size=300,
        byte_fallback=True,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=3,
    )
    return written.getvalue()


def write(folder: Path, data: bytes, **config: Any) -> Path:
    (folder / MODEL_NAME).write_bytes(data)
    if config:
        (folder / CONFIG_NAME).write_text(json.dumps(config))
    return folder


def test_a_vocabulary_of_sentencepiece(model: bytes, tmp_path: Path) -> None:
    library: Any = pytest.importorskip("sentencepiece")
    processor = library.SentencePieceProcessor()
    processor.LoadFromSerializedProto(model)
    tokenizer = load_tokenizer(write(tmp_path, model))
    assert tokenizer.vocab == processor.get_piece_size()
    assert tokenizer.prefix_ids == (processor.piece_to_id("<s>"),) == (1,)
    for text in ("the cell", "  the\n\narray é😀 ", "a", "ﬁ x"):
        found = tokenizer.tokenize(text)
        assert found.ids.tolist() == processor.encode(text)
        assert found.characters.sum() == len(text)
        assert found.utf8_bytes.sum() == len(text.encode())
        assert (found.characters >= 0).all()
    assert tokenizer.decode(tokenizer.encode("the cell")) == "the cell"
    assert tokenizer.tokenize("the cell").characters.tolist()[-1] > 0
    for wrong in ([-1], [tokenizer.vocab]):
        with pytest.raises(TokenizerError, match="token ids are integers from 0 to"):
            tokenizer.decode(wrong)


@pytest.mark.parametrize(
    ("config", "prefix"), [({}, (1,)), ({"add_bos_token": True}, (1,)), ({"add_bos_token": False}, ())]
)
def test_bos_of_sentencepiece(config: dict[str, Any], prefix: tuple[int, ...], model: bytes, tmp_path: Path) -> None:
    assert load_tokenizer(write(tmp_path, model, **config)).prefix_ids == prefix


def test_tokenizer_json_is_preferred(model: bytes, tmp_path: Path) -> None:
    write(library_file(tmp_path), model)
    assert load_tokenizer(tmp_path).vocab == 300


@pytest.mark.parametrize("data", [b"", b"x" * 10, b"\n\x05hello", b"\x00" * 100])
def test_files_that_are_no_vocabularies(data: bytes, tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece")
    with pytest.raises(TokenizerError, match=r"tokenizer\.model: is not a usable tokenizer: "):
        load_tokenizer(write(tmp_path, data))


def test_sentencepiece_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(TokenizerError, match=r'install it with pip install "pimsim\[sentencepiece\]"'):
        load_tokenizer(write(tmp_path, b"x"))


def test_a_folder_with_parts_of_a_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text("{}")
    (tmp_path / "merges.txt").write_text("")
    with pytest.raises(
        TokenizerError, match=r"has merges\.txt, vocab\.json, but neither .* can be saved as tokenizer\.json"
    ):
        load_tokenizer(tmp_path)
