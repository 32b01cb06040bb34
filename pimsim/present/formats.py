"""Machine-readable output: JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any


def to_json(value: Any) -> str:
    """Return a value as indented JSON text.

    Args:
        value: Dictionaries, lists, tuples, strings, numbers, booleans and None.

    Returns:
        The text; infinities, which JSON does not have, are null.
    """
    return json.dumps(_finite(value), indent=2)


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
