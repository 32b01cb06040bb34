"""Conversion between text and token ids with the `tokenizer.json` in the folder of a model.

This module reads vocabularies of single characters itself. The `tokenizers` library (the extra `tokenizers`) reads all
others and is imported only for them. It executes nothing from the file except regular expressions.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workloads.checked_fields import Integer, shorten
from workloads.strict_json import Problems, as_object, join, parse
from workloads.untrusted_files import printable, read_file
from workloads.workload_errors import TokenizerError

FILE_NAME = "tokenizer.json"
MAX_FILE_BYTES = 64 * 2**20  # the file of Gemma 3 with 262,000 tokens has 33 MB
EXTRA = "tokenizers"

_ID = Integer(0, 2**31 - 1)
_EVERY_CHARACTER = ({"String": ""}, {"Regex": ""}, {"Regex": r"[\s\S]"})
"""Patterns of a Split pre-tokenizer that splits a text into single characters."""

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class TokenizedText:
    """A text as tokens, and the length of the text that each token represents.

    A token represents the text from the end of the previous token to its own end, and the last token the rest of the
    text. If several tokens share a character (the bytes of an emoji), the first one represents it. The lengths
    therefore add up to the length of the text.

    Attributes:
        ids: Token ids, [tokens] int64.
        characters: Unicode code points per token, [tokens] int64.
        utf8_bytes: Bytes in UTF-8 per token, [tokens] int64.
    """

    ids: Ids
    characters: Ids
    utf8_bytes: Ids


class Tokenizer(Protocol):
    """Interface of the tokenizers that `load_tokenizer` returns; all their errors are `TokenizerError`."""

    @property
    def vocab(self) -> int:
        """Largest token id plus 1."""

    def tokenize(self, text: str) -> TokenizedText:
        """Tokenize a text, without special tokens at its beginning or end.

        Args:
            text: The text.

        Returns:
            Token ids, and characters and UTF-8 bytes per token, [tokens] int64 each.
        """

    def encode(self, text: str) -> Ids:
        """Convert a text to token ids.

        Args:
            text: The text.

        Returns:
            Token ids, [tokens] int64.
        """

    def decode(self, ids: Iterable[int]) -> str:
        """Convert token ids to text.

        Args:
            ids: Token ids.

        Returns:
            The text, special tokens included.
        """


def load_tokenizer(folder: str | os.PathLike[str]) -> Tokenizer:
    """Load the tokenizer of a model.

    Args:
        folder: Folder with `tokenizer.json`.

    Returns:
        The tokenizer.

    Raises:
        TokenizerError: If `tokenizer.json` is missing, larger than 64 MiB or invalid, or needs the `tokenizers`
            library and this is not installed.
    """
    file = Path(folder) / FILE_NAME
    data = read_file(file, "the tokenizer", MAX_FILE_BYTES, TokenizerError)
    problems = Problems(printable(file), "is not a usable tokenizer", TokenizerError)
    values = as_object(parse(data, problems), "", problems)
    if values is None or problems.found:
        raise problems.error()
    if _is_of_characters(values):
        return _characters(values, problems)
    return _of_library(data, printable(file))


class CharacterTokenizer:
    """Tokenizer with one token per character of a vocabulary.

    Args:
        vocabulary: Token ids by character.
        unknown: The token for all other characters, and its id; None means that other characters are errors.
        special: Ids of tokens with more than one character, which are recognised anywhere in a text.
    """

    def __init__(
        self, vocabulary: Mapping[str, int], unknown: tuple[str, int] | None = None, special: Mapping[str, int] = {}
    ) -> None:
        self._ids = {**vocabulary, **special}
        self._unknown = None if unknown is None else unknown[1]
        self._tokens = {number: token for token, number in self._ids.items()}
        if unknown is not None:
            self._tokens.setdefault(unknown[1], unknown[0])
        longest_first = sorted(special, key=len, reverse=True)
        self._special = re.compile(f"({'|'.join(map(re.escape, longest_first))})") if special else None

    @property
    def vocab(self) -> int:
        """Largest token id plus 1."""
        return max(self._tokens, default=-1) + 1

    @property
    def unknown_id(self) -> int | None:
        """Id of the unknown token, or None."""
        return self._unknown

    def tokenize(self, text: str) -> TokenizedText:
        """Tokenize a text; see `Tokenizer.tokenize`.

        Args:
            text: The text.

        Returns:
            Token ids, and characters and UTF-8 bytes per token, [tokens] int64 each.

        Raises:
            TokenizerError: If a character is not in the vocabulary and there is no unknown token.
        """
        pieces = self._pieces(text)
        unknown = -1 if self._unknown is None else self._unknown
        ids = np.fromiter((self._ids.get(piece, unknown) for piece in pieces), np.int64, len(pieces))
        if self._unknown is None and (ids < 0).any():
            piece = pieces[int(np.argmin(ids))]
            raise TokenizerError(
                f"{piece!a} is not one of the {len(self._ids)} characters, and there is no unknown token"
            )
        lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
        utf8 = np.fromiter((len(_utf8(piece)) for piece in pieces), np.int64, len(pieces))
        return TokenizedText(ids, lengths, utf8)

    def encode(self, text: str) -> Ids:
        """Convert a text to token ids.

        Args:
            text: The text.

        Returns:
            Token ids, [tokens] int64.
        """
        return self.tokenize(text).ids

    def decode(self, ids: Iterable[int]) -> str:
        """Convert token ids to text.

        Args:
            ids: Token ids.

        Returns:
            The text, special tokens included.

        Raises:
            TokenizerError: If an id is not a token id.
        """
        return "".join(self._token(int(number)) for number in ids)

    def _pieces(self, text: str) -> Sequence[str]:
        if self._special is None:
            return text
        return [
            piece
            for place, part in enumerate(self._special.split(text))
            for piece in ([part] if place % 2 else part)  # odd places contain the special tokens
        ]

    def _token(self, number: int) -> str:
        if number not in self._tokens:
            raise TokenizerError(f"{number} is not a token id; the largest is {self.vocab - 1}")
        return self._tokens[number]


class LibraryTokenizer:
    """Tokenizer of the `tokenizers` library.

    Args:
        tokenizer: A `tokenizers.Tokenizer`.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    @property
    def vocab(self) -> int:
        """Largest token id plus 1."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    def tokenize(self, text: str) -> TokenizedText:
        """Tokenize a text; see `Tokenizer.tokenize`.

        Args:
            text: The text.

        Returns:
            Token ids, and characters and UTF-8 bytes per token, [tokens] int64 each.

        Raises:
            TokenizerError: If the library fails or has no tokens for the text.
        """
        _utf8(text)
        encoding = _guarded("cannot tokenize the text", self._tokenizer.encode, text, add_special_tokens=False)
        if text and not encoding.ids:
            raise TokenizerError(f"the tokenizer has no tokens for the text {shorten(text)}")
        ends = np.array([end for _, end in encoding.offsets], np.int64)
        ends = np.minimum(np.maximum.accumulate(ends), len(text)) if len(ends) else ends
        ends[-1:] = len(text)
        before = np.fromiter((len(_utf8(character)) for character in text), np.int64, len(text))
        before = np.concatenate([[0], np.cumsum(before)])
        starts = np.concatenate([[0], ends[:-1]])[: len(ends)]
        return TokenizedText(np.array(encoding.ids, np.int64), ends - starts, before[ends] - before[starts])

    def encode(self, text: str) -> Ids:
        """Convert a text to token ids.

        Args:
            text: The text.

        Returns:
            Token ids, [tokens] int64.
        """
        return self.tokenize(text).ids

    def decode(self, ids: Iterable[int]) -> str:
        """Convert token ids to text.

        Args:
            ids: Token ids.

        Returns:
            The text, special tokens included.

        Raises:
            TokenizerError: If an id is not a token id or the library fails.
        """
        numbers = [int(number) for number in ids]
        if any(_ID.problem(number) for number in numbers):
            raise TokenizerError(f"token ids are integers from 0 to {self.vocab - 1}")
        text: str = _guarded("cannot decode", self._tokenizer.decode, numbers, skip_special_tokens=False)
        return text


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as problem:
        raise TokenizerError(
            f"the text contains an unpaired surrogate, {text[problem.start]!a}, which has no UTF-8 encoding"
        ) from problem


def _is_of_characters(values: Mapping[str, Any]) -> bool:
    """Return whether a tokenizer file only splits texts into characters and looks them up."""
    model, splitter = values.get("model"), values.get("pre_tokenizer")
    if not isinstance(model, dict) or model.get("type") != "WordLevel" or not isinstance(splitter, dict):
        return False
    if splitter.get("type") != "Split" or splitter.get("pattern") not in _EVERY_CHARACTER or splitter.get("invert"):
        return False
    if splitter.get("behavior") != "Isolated" or values.get("normalizer") is not None:
        return False
    vocabulary, added = model.get("vocab"), values.get("added_tokens")
    unknown = model.get("unk_token", "<unk>")
    if not isinstance(vocabulary, dict) or not isinstance(added, list | None) or not isinstance(unknown, str):
        return False
    long = {token for token in vocabulary if len(token) != 1}
    named = {token.get("content") for token in added or () if isinstance(token, dict) and _is_plain(token)}
    return len(added or ()) == len(named) and long <= named | {unknown}


def _is_plain(token: Mapping[str, Any]) -> bool:
    """Return whether an added token is recognised anywhere in a text and does not absorb adjacent characters."""
    odd = any(token.get(key) for key in ("single_word", "lstrip", "rstrip"))
    return isinstance(token.get("content"), str) and bool(token["content"]) and not odd


def _characters(values: Mapping[str, Any], problems: Problems) -> CharacterTokenizer:
    vocabulary = as_object(values["model"]["vocab"], "model.vocab", problems) or {}
    special: dict[str, int] = {}
    for place, raw in enumerate(values.get("added_tokens") or ()):
        token = as_object(raw, f"added_tokens[{place}]", problems) or {}
        content, number = token["content"], token.get("id")
        if content in special or vocabulary.get(content, number) != number:
            problems.add(f"added_tokens[{place}]", f"redefines {shorten(content)}")
        special[content] = number  # type: ignore[assignment]
    ids = {**vocabulary, **special}
    for name, number in ids.items():
        if text := _ID.problem(number):
            problems.add(join("model.vocab", name), text)
    if not problems.found and len(set(ids.values())) != len(ids):
        problems.add("model.vocab", "must give each token a different id")
    if not ids:
        problems.add("model.vocab", "is empty")
    unknown_token = values["model"].get("unk_token", "<unk>")
    if problems.found:
        raise problems.error()
    unknown = (unknown_token, ids[unknown_token]) if unknown_token in vocabulary else None
    characters = {token: number for token, number in vocabulary.items() if len(token) == 1}
    return CharacterTokenizer(characters, unknown, special)


def _of_library(data: bytes, source: str) -> LibraryTokenizer:
    try:
        import tokenizers
    except ImportError as error:
        raise TokenizerError(
            f"{source}: a tokenizer with tokens of several characters needs the library tokenizers, which is not "
            f'installed or cannot be imported ({error}); install it with pip install "pimsim[{EXTRA}]"'
        ) from error
    tokenizer = _guarded(f"{source}: is not a usable tokenizer", tokenizers.Tokenizer.from_str, data.decode("utf-8"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return LibraryTokenizer(tokenizer)


def _guarded(what: str, call: Any, *arguments: Any, **options: Any) -> Any:
    """Call a function of the library and convert its errors.

    Args:
        what: Beginning of the error message.
        call: The function.
        *arguments: Its positional arguments.
        **options: Its keyword arguments.

    Returns:
        The result of the function.

    Raises:
        TokenizerError: If the function raises an exception or a panic of its Rust code, which is a BaseException.
    """
    try:
        return call(*arguments, **options)
    except BaseException as problem:
        if not isinstance(problem, Exception) and type(problem).__name__ != "PanicException":
            raise
        if isinstance(problem, MemoryError):
            raise
        raise TokenizerError(f"{what}: {shorten(str(problem), 200)}") from problem
