"""Numba-compiled loops over arrays. Callers check the arguments.

Numba invalidates a cached compilation only when the function's own file changes. Most kernels are compiled into each
other, so importing this package deletes every cached compilation that is older than any source file of the package.

The loops use vectors in LLVM IR, which Python cannot execute. So they are compiled also if NUMBA_DISABLE_JIT is set:
importing this package before Numba removes the variable from the environment of the process.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path


def _forget_old_compilations(folder: Path) -> None:
    with suppress(OSError):
        newest = max((source.stat().st_mtime for source in folder.glob("*.py")), default=0.0)
        for index in (folder / "__pycache__").glob("*.nbi"):
            if index.stat().st_mtime < newest:
                index.unlink(missing_ok=True)


def _compile_in_any_case() -> None:
    """Remove NUMBA_DISABLE_JIT, which Numba reads when it is imported.

    Raises:
        ImportError: If Numba was imported before with NUMBA_DISABLE_JIT.
    """
    numba = sys.modules.get("numba")
    if numba is not None and numba.config.DISABLE_JIT:
        raise ImportError("array kernels must be compiled: unset NUMBA_DISABLE_JIT, or import crossbar before numba")
    os.environ.pop("NUMBA_DISABLE_JIT", None)


_compile_in_any_case()
_forget_old_compilations(Path(__file__).parent)
