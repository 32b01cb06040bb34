"""Compiled loops over arrays: the only place that knows Numba. They check nothing; their callers do.

Numba looks for changes in a function's own file only, but most of these are compiled into each other: a kept
compilation that is older than any of the sources goes, here, before it can be used.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def _forget_old_compilations(folder: Path) -> None:
    with suppress(OSError):
        newest = max((source.stat().st_mtime for source in folder.glob("*.py")), default=0.0)
        for index in (folder / "__pycache__").glob("*.nbi"):
            if index.stat().st_mtime < newest:
                index.unlink(missing_ok=True)


_forget_old_compilations(Path(__file__).parent)
