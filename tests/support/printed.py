"""Printed tables as rows of texts."""

from __future__ import annotations

import itertools
import re


def rows_below(text: str, first: str) -> list[list[str]]:
    """The rows of a printed table: those below the heading that begins so, to the next empty line."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(first))
    rows = itertools.takewhile(str.strip, lines[start + 1 :])
    return [re.split(r" {2,}", row.strip()) for row in rows if not row.startswith("\N{BOX DRAWINGS LIGHT HORIZONTAL}")]
