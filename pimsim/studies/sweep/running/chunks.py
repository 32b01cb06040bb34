"""Division of the points of a sweep into chunks that take a fraction of a second each."""

from __future__ import annotations

from collections.abc import Sequence

SECONDS = 0.3
"""Target duration of a chunk: short enough for a progress bar and for little loss of work, long enough that the time to
send a chunk to a worker is negligible."""
FIRST, MOST = 4, 512
"""Points of the first chunk, before the duration of a point is known, and of the largest chunk."""


class Chunks:
    """Queue that returns the numbers of points in order, in chunks whose size follows the measured speed."""

    def __init__(self, numbers: Sequence[int]) -> None:
        """Create the queue.

        Args:
            numbers: Numbers of the points to run, in order.
        """
        self._numbers = numbers
        self._next = 0
        self._size = FIRST

    def take(self) -> list[int]:
        """Remove the next chunk from the queue.

        Returns:
            Numbers of its points; empty if the queue is empty.
        """
        chunk = list(self._numbers[self._next : self._next + self._size])
        self._next += len(chunk)
        return chunk

    def record_duration(self, points: int, seconds: float) -> None:
        """Record the duration of a chunk and adapt the size of the next chunks.

        Args:
            points: Number of points of the chunk.
            seconds: Time from the start of the chunk to its end.
        """
        if points and seconds > 0:
            wanted = round(SECONDS * points / seconds)
            self._size = max(1, min(MOST, wanted, 4 * self._size))
