"""Conversion between text and token ids with the tokenizer in the folder of a model.

Vocabularies of single characters in a `tokenizer.json` are read without a library. All others need the `tokenizers`
library, and a `tokenizer.model` the `sentencepiece` library (the extras of these names). Nothing in the files is
executed except regular expressions.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from workloads.character_tokens import character_tokenizer, is_of_characters, template_prefix
from workloads.gguf_files import is_gguf
from workloads.library_tokens import library_tokenizer, sentencepiece_tokenizer
from workloads.missing_files import no_tokenizer
from workloads.strict_json import Problems, as_object, parse
from workloads.tokenized_text import Ids, TokenizedText
from workloads.untrusted_files import printable, read_file
from workloads.workload_errors import TokenizerError

FILE_NAME = "tokenizer.json"
MODEL_NAME = "tokenizer.model"
CONFIG_NAME = "tokenizer_config.json"
MAX_FILE_BYTES = 64 * 2**20  # the file of Gemma 3 with 262,000 tokens has 33 MB
MAX_CONFIG_BYTES = 4 * 2**20


class Tokenizer(Protocol):
    """Interface of the tokenizers that `load_tokenizer` returns; all their errors are `TokenizerError`."""

    @property
    def prefix_ids(self) -> tuple[int, ...]:
        """Token ids that belong before a text, such as the BOS token of LLaMA; () if there are none."""

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

    If the folder has a `tokenizer_config.json`, its `add_bos_token` decides whether a text begins with a BOS token;
    otherwise the template of `tokenizer.json` does.

    Args:
        folder: Folder with `tokenizer.json`, or with the `tokenizer.model` of sentencepiece; or a GGUF file.

    Returns:
        The tokenizer.

    Raises:
        TokenizerError: If there is neither file, or if the file is larger than 64 MiB or invalid, or needs a library
            that is not installed.
    """
    if is_gguf(folder):
        from workloads.gguf_tokens import gguf_tokenizer

        return gguf_tokenizer(folder)
    home = Path(folder)
    file, model = home / FILE_NAME, home / MODEL_NAME
    if not os.path.lexists(file) and os.path.lexists(model):
        data = read_file(model, "the tokenizer", MAX_FILE_BYTES, TokenizerError)
        return sentencepiece_tokenizer(data, printable(model), _bos(home)[0])
    try:
        data = read_file(file, "the tokenizer", MAX_FILE_BYTES, TokenizerError)
    except TokenizerError as error:
        if os.path.lexists(file) or not home.is_dir():
            raise
        raise TokenizerError(f"{printable(home)}: {no_tokenizer(home)}") from error
    problems = Problems(printable(file), "is not a usable tokenizer", TokenizerError)
    values = as_object(parse(data, problems), "", problems)
    if values is None or problems.found:
        raise problems.error()
    if is_of_characters(values):
        return character_tokenizer(values, problems)
    return library_tokenizer(data, printable(file), template_prefix(values.get("post_processor")), *_bos(home))


def _bos(home: Path) -> tuple[bool | None, str | None]:
    """Read `add_bos_token` and `bos_token` from the `tokenizer_config.json` in a folder.

    Args:
        home: The folder.

    Returns:
        Both values; None for what the folder does not have.

    Raises:
        TokenizerError: If the file cannot be read or is not a JSON object.
    """
    file = home / CONFIG_NAME
    if not os.path.lexists(file):
        return None, None
    data = read_file(file, "the config of the tokenizer", MAX_CONFIG_BYTES, TokenizerError)
    problems = Problems(printable(file), "is not a usable config of a tokenizer", TokenizerError)
    values = as_object(parse(data, problems), "", problems)
    if values is None or problems.found:
        raise problems.error()
    adds, token = values.get("add_bos_token"), values.get("bos_token")
    content = token.get("content") if isinstance(token, dict) else token
    return (adds if isinstance(adds, bool) else None), (content if isinstance(content, str) else None)
