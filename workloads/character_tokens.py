"""Tokenizers with one token per character, which need no library."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from workloads.checked_fields import shorten
from workloads.strict_json import Problems, as_object, join
from workloads.tokenized_text import TOKEN_ID, Ids, TokenizedText, utf8_of
from workloads.workload_errors import TokenizerError

_EVERY_CHARACTER = ({"String": ""}, {"Regex": ""}, {"Regex": r"[\s\S]"})
"""Patterns of a Split pre-tokenizer that splits a text into single characters."""


class CharacterTokenizer:
    """Tokenizer with one token per character of a vocabulary.

    Args:
        vocabulary: Token ids by character.
        unknown: The token for all other characters, and its id; None means that other characters are errors.
        special: Ids of tokens with more than one character, which are recognised anywhere in a text.
        prefix_ids: Token ids that the template of the file adds before a text.

    Attributes:
        prefix_ids: As given.
    """

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        unknown: tuple[str, int] | None = None,
        special: Mapping[str, int] = {},
        prefix_ids: tuple[int, ...] = (),
    ) -> None:
        self.prefix_ids = prefix_ids
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
        utf8 = np.fromiter((len(utf8_of(piece)) for piece in pieces), np.int64, len(pieces))
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


def is_of_characters(values: Mapping[str, Any]) -> bool:
    """Return whether a tokenizer file only splits texts into characters and looks them up.

    Args:
        values: Content of the file.

    Returns:
        True if `character_tokenizer` can read it.
    """
    model, splitter = values.get("model"), values.get("pre_tokenizer")
    if not isinstance(model, dict) or model.get("type") != "WordLevel" or not isinstance(splitter, dict):
        return False
    if splitter.get("type") != "Split" or splitter.get("pattern") not in _EVERY_CHARACTER or splitter.get("invert"):
        return False
    if splitter.get("behavior") != "Isolated" or values.get("normalizer") is not None:
        return False
    if template_prefix(values.get("post_processor")) is None:
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


def template_prefix(processor: object) -> tuple[int, ...] | None:
    """Return the token ids that a template adds before a text.

    Args:
        processor: Value of `post_processor` in a tokenizer file.

    Returns:
        The ids; None for another kind of processor, or a template that is not valid.
    """
    if processor is None:
        return ()
    if isinstance(processor, dict) and processor.get("type") == "Sequence":
        inner = processor.get("processors")
        each = [_prefix_of(one) for one in inner] if isinstance(inner, list) else [None]
    else:
        each = [_prefix_of(processor)]
    ids: list[int] = []
    for found in reversed(each):  # a later template surrounds what an earlier one has made
        if found is None:
            return None
        ids.extend(found)
    return tuple(ids)


def _prefix_of(processor: object) -> tuple[int, ...] | None:
    """Return the token ids that one processor adds before a text; None if it is not known."""
    if not isinstance(processor, dict):
        return None
    if processor.get("type") == "ByteLevel":  # changes only where tokens begin and end in the text
        return ()
    if processor.get("type") != "TemplateProcessing":
        return None
    pieces, tokens = processor.get("single"), processor.get("special_tokens")
    if not isinstance(pieces, list) or not isinstance(tokens, dict):
        return None
    found: list[int] = []
    for piece in pieces:
        if not isinstance(piece, dict) or "Sequence" in piece:
            break
        special = piece.get("SpecialToken")
        token = (
            tokens.get(special.get("id")) if isinstance(special, dict) and isinstance(special.get("id"), str) else None
        )
        ids = token.get("ids") if isinstance(token, dict) else None
        if not isinstance(ids, list) or any(TOKEN_ID.problem(number) for number in ids):
            return None
        found.extend(ids)
    return tuple(found)


def character_tokenizer(values: Mapping[str, Any], problems: Problems) -> CharacterTokenizer:
    """Create the tokenizer of a file for which `is_of_characters` is true.

    Args:
        values: Content of the file.
        problems: Problems of the file, to which invalid tokens are added.

    Returns:
        The tokenizer.

    Raises:
        TokenizerError: If the vocabulary is not valid.
    """
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
        if text := TOKEN_ID.problem(number):
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
    prefix_ids = template_prefix(values.get("post_processor")) or ()
    return CharacterTokenizer(characters, unknown, special, prefix_ids)
