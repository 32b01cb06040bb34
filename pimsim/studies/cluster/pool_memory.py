"""KV memories of the machines of two pools: a cache leaves one when it has reached the other one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pimsim.studies.serving.kv_memory import KvMemory
from pimsim.studies.serving.scheduler import Arrival
from pimsim.studies.serving.served_request import ServedRequest


class _Wrapped:
    """A memory that does what another one does.

    Args:
        memory: The other one.
    """

    def __init__(self, memory: KvMemory) -> None:
        self._memory = memory

    @property
    def used_bytes(self) -> int:
        """KV space that is in use or reserved, bytes; caches that leave or arrive included."""
        return self._memory.used_bytes

    def fits(self, request: ServedRequest) -> bool:
        """Return whether a waiting request can be admitted.

        Args:
            request: The request.

        Returns:
            True if it fits.
        """
        return self._memory.fits(request)

    def admit(self, request: ServedRequest) -> None:
        """Take space for a request.

        Args:
            request: The request.
        """
        self._memory.admit(request)

    def grow(self, request: ServedRequest, tokens: int) -> bool:
        """Take space for the next KV entries of a request.

        Args:
            request: The request.
            tokens: Number of new entries.

        Returns:
            False if there is no space.
        """
        return self._memory.grow(request, tokens)

    def release(self, request: ServedRequest) -> None:
        """Give back all space of a request.

        Args:
            request: The request.
        """
        self._memory.release(request)

    def steps_that_fit(self, running: Sequence[ServedRequest]) -> int:
        """Return a number of decode iterations for which there surely is space.

        Args:
            running: The requests of these iterations.

        Returns:
            Number of iterations.
        """
        return self._memory.steps_that_fit(running)

    def used_bytes_over(self, running: Sequence[ServedRequest], steps: int) -> int | Sequence[int]:
        """Return the space that is in use in each of the next decode iterations.

        Args:
            running: The requests of these iterations.
            steps: Number of iterations.

        Returns:
            Bytes.
        """
        return self._memory.used_bytes_over(running, steps)


class SendingMemory(_Wrapped):
    """Memory of a prefill machine: a cache stays after the last iteration of its request until it has been sent.

    Args:
        memory: Memory of a machine alone.
    """

    def __init__(self, memory: KvMemory) -> None:
        super().__init__(memory)
        self.is_sent: Callable[[int], bool] = lambda _: True
        """Function of the number of a request on this machine: whether its cache goes to another one."""
        self._kept: dict[int, ServedRequest] = {}

    def release(self, request: ServedRequest) -> None:
        """Give back the space of a request, unless its prompt is complete and its cache is still to be sent.

        Args:
            request: The request.
        """
        if request.produced == request.output_tokens and self.is_sent(request.number):
            self._kept[request.number] = request
        else:
            super().release(request)

    def free(self, number: int) -> None:
        """Give back the space of a cache that has been sent.

        Args:
            number: Number of the request on this machine.
        """
        super().release(self._kept.pop(number))


class ReceivingMemory(_Wrapped):
    """Memory of a decode machine, which has space for a cache before the cache is sent.

    The scheduler simulates an iteration at its start, and gives back the space of finished requests then. Others see
    this space only at the end of the iteration, which `settle` tells.

    Args:
        memory: Memory of a machine alone, which reserves whole caches: space is needed only when one is admitted.
    """

    def __init__(self, memory: KvMemory) -> None:
        super().__init__(memory)
        self._expected: dict[int, ServedRequest] = {}
        self._leaving: dict[int, ServedRequest] = {}

    def reserve(self, number: int, arrival: Arrival) -> bool:
        """Reserve the space of a cache that will arrive.

        Args:
            number: Number that the request will have on this machine.
            arrival: The request with its KV entries.

        Returns:
            False, and nothing is reserved, if there is no space.
        """
        stand_in = ServedRequest(
            number,
            arrival.arrival_ps,
            arrival.prompt_tokens,
            arrival.output_tokens,
            arrival.kv_bytes,
            fill_tokens=arrival.prompt_tokens,
        )
        if not self._memory.fits(stand_in):
            return False
        self._memory.admit(stand_in)
        if not self._memory.grow(stand_in, arrival.entries - stand_in.entries):
            self._memory.release(stand_in)
            return False
        self._expected[number] = stand_in
        return True

    def settle(self, number: int) -> None:
        """Give back the space of a request whose last iteration has ended.

        Args:
            number: Number of the request on this machine.
        """
        if (request := self._leaving.pop(number, None)) is not None:
            super().release(request)

    def release(self, request: ServedRequest) -> None:
        """Give back the space of a request, at the end of the iteration that is being simulated.

        Args:
            request: The request.
        """
        if request.produced == request.output_tokens:
            self._leaving[request.number] = request
        else:
            super().release(request)

    def steps_that_fit(self, running: Sequence[ServedRequest]) -> int:
        """Return a number of decode iterations for which there surely is space.

        Args:
            running: The requests of these iterations.

        Returns:
            Number of iterations.
        """
        self._settle_all()
        return super().steps_that_fit(running)

    def _settle_all(self) -> None:
        """Give back the space of all finished requests: the scheduler starts another iteration."""
        for number in tuple(self._leaving):
            self.settle(number)

    def fits(self, request: ServedRequest) -> bool:
        """Return whether a waiting request can be admitted: surely if its space is reserved.

        Args:
            request: The request.

        Returns:
            True if it fits.
        """
        self._settle_all()
        return request.number in self._expected or super().fits(request)

    def admit(self, request: ServedRequest) -> None:
        """Take the reserved space of a request, or space for one that was preempted.

        Args:
            request: The request.
        """
        stand_in = self._expected.pop(request.number, None)
        entries = request.entries
        if stand_in is not None:
            super().release(stand_in)
        super().admit(request)
        request.entries = max(request.entries, entries)
