"""Choice of how sums of cells are computed: by what the processor has, or by a key. All ways give the same bits."""

from __future__ import annotations

import ctypes
import platform
import sys
from contextvars import ContextVar
from functools import lru_cache
from types import TracebackType

from crossbar.array_errors import CrossbarError
from crossbar.kernels.amx import has_amx

MASKS, TABLES, AMX = "masks", "tables", "amx"
KEYS = (MASKS, TABLES, AMX)
"""Ways to sum cells of 16 bits: masked rows, tables of subset sums, or the matrix unit of Intel processors.

Cells of 32 bits are never summed by AMX: they are summed by masks or tables, as on other processors.
"""
MASKED_VECTORS = 2
"""Up to this number of vectors, sums of masked rows are faster than the other ways."""
_ARCH_PRCTL = 158
_REQUEST_PERMISSION = 0x1023
_TILE_DATA = 18

_forced: ContextVar[str | None] = ContextVar("sums", default=None)


class use_sums:  # noqa: N801 - named as `use_threads`
    """Compute the sums of cells in one way inside this context, whatever the number of vectors.

    Args:
        key: One of `KEYS`; None chooses the fastest way.

    Raises:
        CrossbarError: If the key is unknown, or AMX is not available.
    """

    __slots__ = ("_key", "_token")

    def __init__(self, key: str | None) -> None:
        if key is not None and key not in KEYS:
            raise CrossbarError(f"sums is {key!r}; it must be one of {', '.join(KEYS)}")
        if key == AMX and not amx_available():
            raise CrossbarError("sums is 'amx', but this processor has no AMX or the operating system refuses its use")
        self._key = key

    def __enter__(self) -> None:
        self._token = _forced.set(self._key)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _forced.reset(self._token)


def chosen_sums(vectors: int) -> str:
    """Return how the sums of a batch are computed.

    Args:
        vectors: Number of vectors in the batch.

    Returns:
        One of `KEYS`.
    """
    forced = _forced.get()
    if forced is not None:
        return forced
    if vectors <= MASKED_VECTORS:
        return MASKS
    return AMX if amx_available() else TABLES


@lru_cache(maxsize=1)
def amx_available() -> bool:
    """Return whether kernels are compiled for a processor with AMX and the operating system permits its use.

    Returns:
        True if `crossbar.kernels.amx` may be used in this process.
    """
    from numba.core.registry import cpu_target

    return has_amx(cpu_target.target_context) and _permitted()


def _permitted() -> bool:
    """Ask Linux for the permission to use AMX; a process that uses it without permission is ended by a signal.

    The permission holds for all threads of the process and for processes that it forks.

    Returns:
        Whether it is granted; not by a system that does not know the request, such as Linux before 5.16.

    Reference:
        Linux, Documentation/arch/x86/xstate.rst.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    return int(ctypes.CDLL(None).syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA)) == 0
