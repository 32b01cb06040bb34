"""What a report prints, and printed tables as rows of texts."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable


def printed(show: Callable[..., None], value: object) -> str:
    file = io.StringIO()
    show(value, file)
    return file.getvalue()


def rows_below(text: str, first: str) -> list[list[str]]:
    """The rows of a printed table: those below the heading that begins so, to the next empty line."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(first))
    rows = itertools.takewhile(str.strip, lines[start + 1 :])
    return [re.split(r" {2,}", row.strip()) for row in rows if not row.startswith("\N{BOX DRAWINGS LIGHT HORIZONTAL}")]
