"""The points of a sweep in chunks: small ones first, then as many points as take a fraction of a second."""

from __future__ import annotations

from collections.abc import Sequence

SECONDS = 0.3
"""Short enough for a progress bar and for little to be lost, long enough that handing them over costs nothing."""
FIRST, MOST = 4, 512


class Chunks:
    """Hands out the numbers of points in order, chunk by chunk, of a size that follows their speed."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = numbers
        self._next = 0
        self._size = FIRST

    def take(self) -> list[int]:
        """The next chunk; empty when all are handed out."""
        chunk = list(self._numbers[self._next : self._next + self._size])
        self._next += len(chunk)
        return chunk

    def took(self, points: int, seconds: float) -> None:
        """Say how long a chunk took."""
        if points and seconds > 0:
            wanted = round(SECONDS * points / seconds)
            self._size = max(1, min(MOST, wanted, 4 * self._size))
