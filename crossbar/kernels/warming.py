"""Compile kernels ahead of their use, in several processes that fill Numba's cache.

A first use would compile its kernels one after another. Half of that time is LLVM's second level of optimisation and
above, which makes none of these kernels faster: the processes compile at the first level.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

MAX_PROCESSES = 4
"""More processes would only wait for the longest part."""
_DONE = b"."
_CHILD = "import sys; sys.path[:] = eval(sys.argv[1]); from crossbar.kernels.warming import main; main(sys.argv[2:])"


@dataclass(frozen=True)
class Part:
    """Kernels that one process compiles.

    Attributes:
        module: Name of the module whose `PARTS` contain this part.
        name: Name of the part, unique in its module.
        group: Name of the group that users choose.
        seconds: Processor time in which a 2-core Xeon of 2.1 GHz compiled them.
        calls: Function that returns each kernel with arguments of the types of its calls.
    """

    module: str
    name: str
    group: str
    seconds: float
    calls: Callable[[], list[tuple[Any, tuple[Any, ...]]]]


def is_compiled(part: Part) -> bool:
    """Return whether Numba's cache has all kernels of a part, compiled for this processor.

    Args:
        part: The part.

    Returns:
        False if a kernel would be compiled at its first call.
    """
    from numba import typeof

    for kernel, arguments in part.calls():
        cache = kernel._cache  # Numba has no public question for this; loading the code would take far longer
        kernel.targetctx.refresh()
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
    """Return about how long `compile_parts` takes.

    Args:
        parts: The parts.

    Returns:
        Wall time in seconds on an idle machine of the class that `Part.seconds` is for.
    """
    return max((sum(part.seconds for part in share) for share in _shares(parts)), default=0.0)


def compile_parts(parts: Sequence[Part], progress: Callable[[int, int], None] | None = None) -> bool:
    """Compile parts in processes of their own, and wait for them.

    What fails here is compiled at its first call, where the reason can be seen.

    Args:
        parts: The parts.
        progress: Function that takes the number of compiled kernels and that of all kernels.

    Returns:
        Whether all processes succeeded.
    """
    of = sum(len(part.calls()) for part in parts)
    reader, writer = os.pipe()
    environment = {"NUMBA_OPT": "1", **os.environ}
    children: list[subprocess.Popen[bytes]] = []
    try:
        for share in _shares(parts):
            command = [sys.executable, "-c", _CHILD, repr(sys.path), *(f"{part.module}:{part.name}" for part in share)]
            children.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.DEVNULL, env=environment)
            )
        os.close(writer)
        done, writer = 0, -1
        while marks := os.read(reader, 64):  # ends when all processes have ended
            done += len(marks)
            if progress is not None:
                progress(done, of)
    except BaseException:
        for child in children:
            child.kill()
        raise
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
        codes = [child.wait() for child in children]
    return not any(codes)


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
                    os.write(1, _DONE)


def _shares(parts: Sequence[Part]) -> list[list[Part]]:
    """Divide parts among processes, the longest part first.

    Args:
        parts: The parts.

    Returns:
        The parts of each process, as many as cores may be used, and none without a part.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares: list[list[Part]] = [[] for _ in range(min(cores, len(parts), MAX_PROCESSES))]
    for part in sorted(parts, key=lambda each: -each.seconds):
        min(shares, key=lambda share: sum(each.seconds for each in share)).append(part)
    return shares
