"""BLAS limited to one thread: products of a decoder are small, and its threads keep cores busy after each product."""

from __future__ import annotations

from types import TracebackType

from threadpoolctl import LibController, ThreadpoolController


class SingleThread:
    """Context in which the BLAS libraries that are loaded when it is made use one thread.

    `ThreadpoolController.limit` does the same, but takes longer than a product of one token.
    """

    def __init__(self) -> None:
        self._libraries: list[LibController] = ThreadpoolController().select(user_api="blas").lib_controllers
        self._limited: list[tuple[LibController, int]] = []

    def __enter__(self) -> None:
        for library in self._libraries:
            threads = library.get_num_threads()
            if threads is not None and threads > 1:
                self._limited.append((library, threads))
                library.set_num_threads(1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._limited:
            library, threads = self._limited.pop()
            library.set_num_threads(threads)
