"""Compile kernels ahead of their use, in several processes that fill Numba's cache.

At a first use, kernels would be compiled one after another, by one process. A third of that time is LLVM's
optimisation above the first level, which makes none of these kernels faster, so the processes compile at that level.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from types import TracebackType
from typing import Any

MAX_PROCESSES = 4
"""More processes would only wait for the longest part."""
_CHILD = "import sys; sys.path[:] = eval(sys.argv[1]); from crossbar.kernels.warming import main; main(sys.argv[2:])"
_EXCEPTION = re.compile(r"[\w.]*(Error|Exception|Interrupt|Exit)\b")

Calls = list[tuple[Any, tuple[Any, ...]]]
"""Kernels, each with arguments of the types of its calls."""


@dataclass(frozen=True)
class Part:
    """Kernels that one process compiles.

    Attributes:
        module: Name of the module whose `PARTS` contain this part.
        name: Name of the part, unique in its module.
        group: Name of the group that users choose.
        seconds: Processor time that compiling them took on a 2-core Xeon with AVX-512.
        calls: Function that returns the kernels with arguments.
    """

    module: str
    name: str
    group: str
    seconds: float
    calls: Callable[[], Calls]


def is_compiled(part: Part) -> bool:
    """Return whether Numba's cache has all kernels of a part, compiled for this processor.

    Args:
        part: The part.

    Returns:
        False if a kernel would be compiled at its first call.
    """
    from numba import typeof
    from numba.core.caching import FunctionCache

    for kernel, arguments in part.calls():
        cache = kernel._cache
        if not isinstance(cache, FunctionCache):  # no folder for it can be written
            return False
        kernel.targetctx.refresh()  # Numba answers this only by loading the code, which takes far longer
        key = cache._index_key(tuple(map(typeof, arguments)), kernel.targetctx.codegen())
        if key not in cache._cache_file._load_index():
            return False
    return True


def cache_folder(part: Part) -> str:
    """Return the folder in which Numba keeps the kernels of a part.

    Args:
        part: The part.

    Returns:
        Path of the folder; it need not exist.
    """
    return str(part.calls()[0][0]._cache.cache_path)


def estimated_seconds(parts: Sequence[Part]) -> float:
    """Return about how long a `Compilation` takes.

    Args:
        parts: The parts.

    Returns:
        Wall time in seconds on an idle machine of the class that `Part.seconds` is for.
    """
    return max((sum(part.seconds for part in share) for share in _shares(parts)), default=0.0)


class Compilation:
    """Processes that compile parts, from now until `wait` returns or the context ends.

    What they cannot compile is compiled at its first call, where the reason can be seen.

    Args:
        parts: The parts.

    Attributes:
        kernels: Number of kernels of the parts.
        failure: After `wait`, the last exception that a failed process reported; empty without a failure.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.kernels, self.failure = sum(len(part.calls()) for part in parts), ""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        self._marks, writer = os.pipe()
        self._children: list[subprocess.Popen[bytes]] = []
        environment = {"NUMBA_OPT": "1", **os.environ}
        try:
            for share in _shares(parts):
                names = [f"{part.module}:{part.name}" for part in share]
                command = [sys.executable, "-c", _CHILD, repr(sys.path), *names]
                self._children.append(
                    subprocess.Popen(
                        command, stdin=subprocess.DEVNULL, stdout=writer, stderr=self._errors, env=environment
                    )
                )
        finally:
            os.close(writer)

    def wait(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Wait until all processes have ended.

        Args:
            progress: Function that takes the number of compiled kernels and that of all kernels.
        """
        if self._errors.closed:
            return
        done = 0
        while marks := os.read(self._marks, 64):  # nothing is read when all processes have closed their ends
            done += len(marks)
            if progress is not None:
                progress(done, self.kernels)
        codes = [child.wait() for child in self._children]  # of all of them, also behind one that failed
        if any(codes):
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").splitlines() or ["no message"]
            self.failure = next((line for line in reversed(lines) if _EXCEPTION.match(line)), lines[-1])
        self.stop()

    def stop(self) -> None:
        """End the processes that still run; kernels that they have finished stay in the cache."""
        if self._errors.closed:
            return
        for child in self._children:
            with suppress(OSError):
                child.kill()
            child.wait()
        os.close(self._marks)
        self._errors.close()

    def __enter__(self) -> Compilation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def main(names: Iterable[str]) -> None:
    """Compile parts in this process; it writes a byte to standard output for each kernel.

    Args:
        names: Module and name of each part, as "module:name".
    """
    from numba import typeof

    for name in names:
        module, _, wanted = name.partition(":")
        for part in import_module(module).PARTS:
            if part.name == wanted:
                for kernel, arguments in part.calls():
                    kernel.compile(tuple(map(typeof, arguments)))
                    os.write(1, b".")


def _shares(parts: Sequence[Part]) -> list[list[Part]]:
    """Divide parts among processes, the longest part first.

    Args:
        parts: The parts.

    Returns:
        The parts of each process; at most one process per core, and none without a part.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares: list[list[Part]] = [[] for _ in range(min(cores, len(parts), MAX_PROCESSES))]
    for part in sorted(parts, key=lambda each: -each.seconds):
        min(shares, key=lambda share: sum(each.seconds for each in share)).append(part)
    return shares
