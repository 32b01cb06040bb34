"""Machine-readable output: JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_PIECE = 2**16


def to_json(value: Any) -> str:
    """Return a value as indented JSON text.

    Args:
        value: Dictionaries, lists, tuples, strings, numbers, booleans and None.

    Returns:
        The text; infinities, which JSON does not have, are null.
    """
    return json.dumps(_finite(value), indent=2)


def json_pieces(tree: Mapping[str, Any]) -> Iterator[str]:
    """Yield the text of `to_json` piece by piece, for a tree with more rows than fit into memory as text.

    Args:
        tree: Values as for `to_json`; an iterator becomes a list, of which only one item is in memory.

    Yields:
        Pieces of about 64 kB.
    """
    piece: list[str] = []
    size = 0
    for text in _json_texts(tree):
        piece.append(text)
        size += len(text)
        if size >= _PIECE:
            yield "".join(piece)
            piece, size = [], 0
    yield "".join(piece)


def _json_texts(tree: Mapping[str, Any]) -> Iterator[str]:
    before = "{"
    for key, value in tree.items():
        yield f"{before}\n  {json.dumps(key)}: "
        before = ","
        if not isinstance(value, Iterator):
            yield to_json(value).replace("\n", "\n  ")
            continue
        start = "["
        for item in value:
            yield f"{start}\n    " + to_json(item).replace("\n", "\n    ")
            start = ","
        yield "[]" if start == "[" else "\n  ]"
    yield "{}" if before == "{" else "\n}"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return None
    return value


def to_csv(rows: Iterable[dict[str, Any]]) -> str:
    """Return rows as CSV text with a header.

    Args:
        rows: At least one row; all rows have the keys of the first one. None becomes an empty cell.

    Returns:
        The text, with Unix line ends.
    """
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
