"""Memory of the KV caches in a serving run: what the scheduler asks of it, and the reservation of whole requests."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Protocol

from pimsim.studies.serving.served_request import ServedRequest

UNLIMITED_STEPS = sys.maxsize
"""Answer of `KvMemory.steps_that_fit` if no number of decode iterations can fill the memory."""


class KvMemory(Protocol):
    """Memory of the KV caches of the admitted requests.

    The scheduler calls `fits` and then `admit` for a request that its policy chooses, `grow` before each iteration with
    the new tokens of each of its requests, and `release` when a request is complete or preempted.
    """

    @property
    def used_bytes(self) -> int:
        """KV space that is in use or reserved, bytes."""

    def fits(self, request: ServedRequest) -> bool:
        """Return whether a waiting request can be admitted.

        Args:
            request: The request.

        Returns:
            True if the memory has space for it beside the admitted requests.
        """

    def admit(self, request: ServedRequest) -> None:
        """Take space for a request that fits. It may set `request.entries` if the memory has a part of its prompt.

        Args:
            request: The request.
        """

    def grow(self, request: ServedRequest, tokens: int) -> bool:
        """Take space for the next KV entries of an admitted request.

        Args:
            request: The request; `request.entries` are in the memory already.
            tokens: Number of new entries.

        Returns:
            False, and nothing is taken, if the memory has no space for them.
        """

    def release(self, request: ServedRequest) -> None:
        """Give back all space of an admitted request.

        Args:
            request: The request.
        """

    def steps_that_fit(self, running: Sequence[ServedRequest]) -> int:
        """Return a number of decode iterations, one new token per request, for which `grow` surely returns True.

        Args:
            running: The requests of these iterations, which all decode.

        Returns:
            Number of iterations, 0 if the first one may already need a decision.
        """

    def used_bytes_over(self, running: Sequence[ServedRequest], steps: int) -> int | Sequence[int]:
        """Return the space that is in use or reserved in each of the next decode iterations.

        Args:
            running: The requests of these iterations, which all decode.
            steps: Number of iterations, at most `steps_that_fit(running)`.

        Returns:
            Bytes of each iteration; one number if all are equal.
        """


class WholeReservation:
    """Reservation of the whole KV cache of a request, for all entries that it will ever have, from its admission on.

    Args:
        capacity_bytes: Space for KV caches, bytes; None means no limit.
    """

    def __init__(self, capacity_bytes: int | None) -> None:
        self._capacity_bytes = capacity_bytes
        self.used_bytes = 0
        """KV space that is reserved, bytes."""

    def fits(self, request: ServedRequest) -> bool:
        """Return whether the whole prompt and output of a request fit beside the admitted requests.

        Args:
            request: A waiting request.

        Returns:
            True if they fit.
        """
        return self._capacity_bytes is None or self.used_bytes + request.kv_bytes <= self._capacity_bytes

    def admit(self, request: ServedRequest) -> None:
        """Reserve the largest size of the KV cache of a request.

        Args:
            request: The request.
        """
        self.used_bytes += request.kv_bytes

    def grow(self, request: ServedRequest, tokens: int) -> bool:
        """Return that there is space, because all entries of the request are reserved.

        Args:
            request: The request.
            tokens: Number of new entries.

        Returns:
            True.
        """
        return True

    def release(self, request: ServedRequest) -> None:
        """Give back the reservation of a request.

        Args:
            request: The request.
        """
        self.used_bytes -= request.kv_bytes

    def steps_that_fit(self, running: Sequence[ServedRequest]) -> int:
        """Return that any number of decode iterations fits.

        Args:
            running: The requests of these iterations.

        Returns:
            `UNLIMITED_STEPS`.
        """
        return UNLIMITED_STEPS

    def used_bytes_over(self, running: Sequence[ServedRequest], steps: int) -> int:
        """Return the reserved space, which does not change while requests decode.

        Args:
            running: The requests of these iterations.
            steps: Number of iterations.

        Returns:
            Bytes.
        """
        return self.used_bytes
