"""Commands that are refused, and a config file for them."""

from __future__ import annotations

from pathlib import Path

from tests.support.command_line import assert_refused, pimsim

SMALL = "workload.model=gpt2-small"


def refusal(code: int, *args: str | Path, lines: int = 20) -> str:
    """Standard error of a command that is refused."""
    outcome = pimsim(*args)
    assert_refused(outcome, code, lines)
    return outcome.err


def config_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "config.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
