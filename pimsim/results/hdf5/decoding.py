"""Conversion of stored columns to Python values, in memory that the size of the column bounds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pimsim.base.shipped_files import Fail
from pimsim.base.stored_columns import Kind
from pimsim.results.hdf5.kinds import FREE_BYTES, MAX_DATA_BYTES, MAX_RATIO, MAX_REAL, MIN_VALUE_BYTES, Array

BLOCK = 1 << 16
"""Texts that exist as bytes at a time, besides the different ones."""


def data_budget(file_bytes: int) -> int:
    """Return how many bytes of data a file may unpack to, before any of it is unpacked.

    Args:
        file_bytes: Size of the file.

    Returns:
        Bytes, each value counted with `MIN_VALUE_BYTES` at least.
    """
    return min(MAX_DATA_BYTES, FREE_BYTES + MAX_RATIO * file_bytes)


def charged_bytes(rows: int, value_bytes: int) -> int:
    """Return the bytes that a column takes from the budget of its file.

    Args:
        rows: Number of values.
        value_bytes: Bytes per value in the file.

    Returns:
        Bytes; a Python value takes memory even if it is a single character in the file.
    """
    return rows * max(value_bytes, MIN_VALUE_BYTES)


def decoded(values: Array, kind: Kind, what: str, fail: Fail) -> list[Any]:
    """Convert stored values.

    Args:
        values: The stored values, at least one.
        kind: Their kind.
        what: Name for error messages.
        fail: Function that makes the exception of a message.

    Returns:
        The values as Python objects; equal texts are one object.

    Raises:
        PimsimError: The exception from `fail`, if a value is not of its kind.
    """
    if values.dtype.kind != "S":
        sound = values.min() >= 0 and values.max() <= MAX_REAL  # NaN is neither
        if kind is not Kind.NUMBER and not sound:
            raise fail(f"{what} holds a number out of range")
        return list(values.tolist())
    known: dict[bytes, Any] = {}
    texts: list[Any] = []
    for block in _blocks(values):
        for text in set(block) - known.keys():
            known[text] = _value(text, kind, what, fail)
        texts.extend(map(known.__getitem__, block))
    return texts


def _blocks(values: Array) -> Iterator[list[bytes]]:
    for start in range(0, len(values), BLOCK):
        yield values[start : start + BLOCK].tolist()


def _value(raw: bytes, kind: Kind, what: str, fail: Fail) -> str | int | tuple[str, ...]:
    text = raw.decode()
    if kind is Kind.TEXT and not text.isprintable():  # names are printed on terminals
        raise fail(f"{what} holds a text with control characters")
    if kind is Kind.TEXTS:
        return _texts(text, what, fail)
    if kind not in (Kind.INTEGER, Kind.SIGNED):
        return text
    if not re.fullmatch("[0-9]+" if kind is Kind.INTEGER else "-?[0-9]+", text):
        raise fail(f"{what} holds a text that is not an integer")
    return int(text)


def _texts(text: str, what: str, fail: Fail) -> tuple[str, ...]:
    try:
        texts = json.loads(text)
    except (ValueError, RecursionError):  # RecursionError: nested too deeply
        texts = None
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise fail(f"{what} is not a JSON list of strings")
    return tuple(texts)
