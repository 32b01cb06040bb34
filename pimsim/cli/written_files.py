"""Lines that say which files a command has written, for output that people read; JSON has none of them."""

from __future__ import annotations

from pathlib import Path

import typer


def say_written(*files: tuple[Path | None, str], json: bool = False) -> None:
    """Print a line per file that was written.

    Args:
        files: Path of each file or folder, None for one that was not asked for; and what it contains, such as "14 rows,
            one per op".
        json: Whether the command prints JSON, which the lines would spoil.
    """
    from pimsim.base.errors import printable

    if not json:
        for path, contents in files:
            if path is not None:
                typer.echo(f"{printable(str(path), 200)} written: {contents}")
