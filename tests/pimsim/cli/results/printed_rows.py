"""Rows that a subcommand of `pimsim results` prints as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.command_line import pimsim


def rows(*arguments: str | Path) -> list[dict[str, Any]]:
    """Run `pimsim results arguments... --json`, and return the rows that it prints."""
    found = json.loads(pimsim("results", *arguments, "--json").ok)
    assert isinstance(found, list)
    return found
