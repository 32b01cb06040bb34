"""A text as token ids, and the UTF-8 bytes of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.checked_fields import Integer, shorten
from workloads.workload_errors import TokenizerError

Ids = NDArray[np.int64]
TOKEN_ID = Integer(0, 2**31 - 1)


@dataclass(frozen=True, slots=True, eq=False)
class TokenizedText:
    """A text as tokens, and the length of the text that each token represents.

    A token represents the text from the end of the previous token to its own end, and the last token the rest of the
    text. If several tokens share a character (the bytes of an emoji), one of them represents it: the first with the
    library `tokenizers`, the last with `sentencepiece`. The lengths therefore add up to the length of the text.

    Attributes:
        ids: Token ids, [tokens] int64.
        characters: Unicode code points per token, [tokens] int64.
        utf8_bytes: Bytes in UTF-8 per token, [tokens] int64.
    """

    ids: Ids
    characters: Ids
    utf8_bytes: Ids


def covered(ids: list[int], ends: Ids, text: str) -> TokenizedText:
    """Return tokens with the lengths of the text up to their ends.

    Args:
        ids: Token ids.
        ends: Position in the text after the last character of each token; positions outside the text are limited to it,
            and none is before that of an earlier token.
        text: The text.

    Returns:
        The tokens, whose lengths add up to the text.
    """
    ends = np.minimum(np.maximum.accumulate(ends), len(text)) if len(ends) else ends
    ends[-1:] = len(text)
    before = np.fromiter((len(utf8_of(character)) for character in text), np.int64, len(text))
    before = np.concatenate([[0], np.cumsum(before)])
    starts = np.concatenate([[0], ends[:-1]])[: len(ends)]
    return TokenizedText(np.array(ids, np.int64), ends - starts, before[ends] - before[starts])


def utf8_of(text: str) -> bytes:
    """Encode a text.

    Args:
        text: The text.

    Returns:
        Its bytes in UTF-8.

    Raises:
        TokenizerError: If the text contains an unpaired surrogate.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as problem:
        raise TokenizerError(
            f"the text contains an unpaired surrogate, {text[problem.start]!a}, which has no UTF-8 encoding"
        ) from problem


def guarded(what: str, call: Any, *arguments: Any, **options: Any) -> Any:
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
