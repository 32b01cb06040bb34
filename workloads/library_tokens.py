"""Tokenizers of the libraries `tokenizers` and `sentencepiece`, which are imported only for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from workloads.checked_fields import shorten
from workloads.tokenized_text import TOKEN_ID, Ids, TokenizedText, covered, guarded, utf8_of
from workloads.workload_errors import TokenizerError

EXTRA = "tokenizers"
SENTENCEPIECE = "sentencepiece"
PROBES = ("a", "0", " ", "the")
"""Texts of which one is tokenized to find out what a template adds."""


class LibraryTokenizer:
    """Tokenizer of the `tokenizers` library.

    Args:
        tokenizer: A `tokenizers.Tokenizer`.
        template_ids: Token ids that its template adds before a text; None means that they are found by trying.
        adds_bos: Value of `add_bos_token` in the `tokenizer_config.json` beside the file; None if it has none.
        bos: The token that is added if `adds_bos` is true and the template of the file adds nothing.

    Attributes:
        prefix_ids: Token ids that belong before a text.
    """

    def __init__(
        self,
        tokenizer: Any,
        template_ids: tuple[int, ...] | None = None,
        adds_bos: bool | None = None,
        bos: str | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self.prefix_ids: tuple[int, ...] = ()
        if adds_bos is not False:
            self.prefix_ids = self._added() if template_ids is None else template_ids
        if adds_bos and not self.prefix_ids and bos is not None:
            number = tokenizer.token_to_id(bos)
            self.prefix_ids = () if number is None else (number,)

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
        utf8_of(text)
        encoding = guarded("cannot tokenize the text", self._tokenizer.encode, text, add_special_tokens=False)
        if text and not encoding.ids:
            raise TokenizerError(f"the tokenizer has no tokens for the text {shorten(text)}")
        return covered(encoding.ids, np.array([end for _, end in encoding.offsets], np.int64), text)

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
        if any(TOKEN_ID.problem(number) for number in numbers):
            raise TokenizerError(f"token ids are integers from 0 to {self.vocab - 1}")
        text: str = guarded("cannot decode", self._tokenizer.decode, numbers, skip_special_tokens=False)
        return text

    def _added(self) -> tuple[int, ...]:
        """Return the token ids that the template adds before a text, found by tokenizing one with and without it."""
        for text in PROBES:
            try:
                plain, whole = (
                    guarded("cannot tokenize", self._tokenizer.encode, text, add_special_tokens=special).ids
                    for special in (False, True)
                )
            except TokenizerError:  # a vocabulary without this text, which other texts need not have
                continue
            starts = (start for start in range(len(whole)) if whole[start : start + len(plain)] == plain)
            if plain and (start := next(starts, None)) is not None:
                return tuple(whole[:start])
        return ()


def library_tokenizer(
    data: bytes, source: str, template_ids: tuple[int, ...] | None, adds_bos: bool | None, bos: str | None
) -> LibraryTokenizer:
    """Create the tokenizer of a `tokenizer.json`.

    Args:
        data: Content of the file.
        source: Its path, for messages.
        template_ids: As for `LibraryTokenizer`.
        adds_bos: As for `LibraryTokenizer`.
        bos: As for `LibraryTokenizer`.

    Returns:
        The tokenizer.

    Raises:
        TokenizerError: If the library is not installed or cannot read the file.
    """
    try:
        import tokenizers
    except ImportError as error:
        raise TokenizerError(
            f"{source}: a tokenizer with tokens of several characters needs the library tokenizers, which is not "
            f'installed or cannot be imported ({error}); install it with pip install "pimsim[{EXTRA}]"'
        ) from error
    tokenizer = guarded(f"{source}: is not a usable tokenizer", tokenizers.Tokenizer.from_str, data.decode("utf-8"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return LibraryTokenizer(tokenizer, template_ids, adds_bos, bos)


class SentencePieceTokenizer:
    """Tokenizer of the `sentencepiece` library.

    Args:
        processor: A `sentencepiece.SentencePieceProcessor`.
        prefix_ids: Token ids that belong before a text.

    Attributes:
        prefix_ids: As given.
    """

    def __init__(self, processor: Any, prefix_ids: tuple[int, ...] = ()) -> None:
        self._processor, self.prefix_ids = processor, prefix_ids

    @property
    def vocab(self) -> int:
        """Largest token id plus 1."""
        return int(self._processor.get_piece_size())

    def tokenize(self, text: str) -> TokenizedText:
        """Tokenize a text; see `Tokenizer.tokenize`.

        Args:
            text: The text.

        Returns:
            Token ids, and characters and UTF-8 bytes per token, [tokens] int64 each.

        Raises:
            TokenizerError: If the library fails or has no tokens for the text.
        """
        utf8_of(text)
        ids, ends = guarded("cannot tokenize the text", self._pieces, text)
        if text and not ids:
            raise TokenizerError(f"the tokenizer has no tokens for the text {shorten(text)}")
        return covered(ids, np.array(ends, np.int64), text)

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
            The text; control tokens have none.

        Raises:
            TokenizerError: If an id is not a token id or the library fails.
        """
        numbers = [int(number) for number in ids]
        if any(not 0 <= number < self.vocab for number in numbers):
            raise TokenizerError(f"token ids are integers from 0 to {self.vocab - 1}")
        text: str = guarded("cannot decode", self._processor.decode, numbers)
        return text

    def _pieces(self, text: str) -> tuple[list[int], list[int]]:
        """Return the token ids of a text, and the position after the last character of each."""
        if hasattr(self._processor, "EncodeAsOffsetMapping"):  # since 0.2.2, without immutable_proto since 0.2.3
            found = self._processor.EncodeAsOffsetMapping(text)
            return found["ids"], [end for _, end in found["offsets"]]
        pieces = self._processor.encode(text, out_type="immutable_proto").pieces
        return [piece.id for piece in pieces], [piece.end for piece in pieces]


def sentencepiece_tokenizer(
    data: bytes, source: str, adds_bos: bool | None, prefix_ids: tuple[int, ...] | None = None
) -> SentencePieceTokenizer:
    """Create the tokenizer of a `tokenizer.model`.

    Args:
        data: Content of the file.
        source: Its path, for messages.
        adds_bos: Whether a text begins with the BOS token; None means that it does if the model has one, as in the
            tokenizers of LLaMA and Gemma in transformers.
        prefix_ids: Token ids that belong before a text, in place of the BOS token of the model; None means that one.

    Returns:
        The tokenizer.

    Raises:
        TokenizerError: If the library is not installed or cannot read the file.
    """
    try:
        import sentencepiece
    except ImportError as error:
        raise TokenizerError(
            f"{source}: a tokenizer.model needs the library sentencepiece, which is not installed or cannot be "
            f'imported ({error}); install it with pip install "pimsim[{SENTENCEPIECE}]"'
        ) from error
    processor = sentencepiece.SentencePieceProcessor()
    if not data or not guarded(f"{source}: is not a usable tokenizer", processor.LoadFromSerializedProto, data):
        raise TokenizerError(f"{source}: is not a usable tokenizer: it does not contain a model of sentencepiece")
    if prefix_ids is not None:
        return SentencePieceTokenizer(processor, prefix_ids)
    bos = processor.bos_id()
    return SentencePieceTokenizer(processor, (bos,) if bos >= 0 and adds_bos is not False else ())
