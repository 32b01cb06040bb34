"""Numba-compiled loops over arrays, the only package that imports Numba. Callers check the arguments.

Numba invalidates a cached compilation only when the function's own file changes. Most kernels are compiled into each
other, so importing this package deletes every cached compilation that is older than any source file of the package.
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
