"""Run tests against mutants: started with the Python of the tests, in a copy of the checkout.

    python -m tools.mutants.runner JOBS.json

Most mutants change the body of a function. For these, one process imports pimsim and collects the tests once; a fork of
it gives the function its mutated code and runs the tests. A start of Python and pytest takes longer than the tests that
kill most mutants. All other mutants, which change a constant of a module or a compiled kernel, get a process of their
own, and the mutant is on disk meanwhile. In both, tests that called the function come first, the fastest first; the
others follow, so that a mutant survives only all tests of its module.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from cProfile import Profile
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

PYTEST = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:faulthandler")
HUNG = 40
"""Exit code of a process whose test exceeded its time."""
TIMES_AS_LONG = 10
SPARE_S = 3.0
MEMORY_BYTES = 12 << 30
"""Address space of a process with a mutant: one that appends in an endless loop ends with a MemoryError."""

Calls = Mapping[str, tuple[float, frozenset[tuple[str, str]]]]
"""By the identifier of a test: its processor time, and the functions of the mutated modules that it called."""


def code_objects(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and all that are nested in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from code_objects(constant)


def changed_function(original: str, mutated: str, path: str) -> tuple[CodeType, CodeType] | None:
    """Return the outermost function that a mutant changes, before and after.

    Args:
        original: Source of the module.
        mutated: Source of the mutant; it has the same functions.
        path: File name for the code objects.

    Returns:
        Both code objects; None if the mutant changes the body of the module or of a class.
    """
    before, after = (compile(text, path, "exec", dont_inherit=True) for text in (original, mutated))
    while True:
        nested = [[each for each in code.co_consts if isinstance(each, CodeType)] for code in (before, after)]
        different = [pair for pair in zip(*nested, strict=False) if pair[0] != pair[1]]
        if len(nested[0]) != len(nested[1]) or len(different) != 1:
            return None
        before, after = different[0]
        if before.co_flags & 0x2:  # CO_NEWLOCALS: a function, not a class
            return before, after


def functions_with(code: CodeType) -> list[FunctionType]:
    """Return the living functions that have a code object, in whatever class, cache or closure they are."""
    return [each for each in gc.get_objects() if isinstance(each, FunctionType) and each.__code__ == code]


class Recorder:
    """A plugin of pytest that records for each test its time and the functions of some files that it calls."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files = frozenset(files)
        self.calls: dict[str, tuple[float, frozenset[tuple[str, str]]]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Run one test under the compiled profiler: a profile function in Python takes several times as long."""
        profiler = Profile(subcalls=False, builtins=False)
        begin = time.process_time()
        profiler.enable()
        try:
            return (yield)
        finally:
            profiler.disable()
            called = {each.code for each in profiler.getstats() if isinstance(each.code, CodeType)}
            own = {(each.co_filename, each.co_qualname) for each in called if each.co_filename in self._files}
            self.calls[item.nodeid] = (time.process_time() - begin, frozenset(own))


class Ordered:
    """A plugin of pytest: tests that called a function come first, and a test that takes too long ends the process."""

    def __init__(self, calls: Calls, function: tuple[str, str] | None) -> None:
        self._calls, self._function = calls, function

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort the tests."""
        never: tuple[float, frozenset[tuple[str, str]]] = (0.0, frozenset())

        def rank(item: pytest.Item) -> tuple[bool, float]:
            seconds, called = self._calls.get(item.nodeid, never)
            return self._function not in called, seconds

        if self._function is not None:
            items.sort(key=rank)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Run one test, for at most ten times its processor time and a few seconds."""
        seconds, _ = self._calls.get(item.nodeid, (0.0, frozenset()))
        signal.signal(signal.SIGVTALRM, lambda *_: os._exit(HUNG))
        signal.setitimer(signal.ITIMER_VIRTUAL, TIMES_AS_LONG * seconds + SPARE_S)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def forked(work: Any) -> int:
    """Call a function in a fork of this process, without output; return the exit code, or that of a timeout."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            nowhere = os.open(os.devnull, os.O_RDWR)
            for descriptor in range(3):
                os.dup2(nowhere, descriptor)
            code = int(work())
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    return os.waitstatus_to_exitcode(status)


def record(tests: Sequence[str], files: Sequence[str]) -> Calls:
    """Run the unchanged tests once, in a fork, and return what they call.

    Args:
        tests: Files of tests.
        files: Absolute paths of the mutated modules.

    Returns:
        Times and calls.

    Raises:
        SystemExit: If a test fails.
    """
    report = Path("calls.json").resolve()

    def work() -> int:
        recorder = Recorder(files)
        code = pytest.main([*PYTEST, *tests], plugins=[recorder])
        calls = {test: (seconds, sorted(called)) for test, (seconds, called) in recorder.calls.items()}
        report.write_text(json.dumps(calls), encoding="utf-8")
        return int(code)

    if forked(work):
        raise SystemExit(f"error: without a mutant a test fails of {' '.join(tests)}")
    read = json.loads(report.read_text(encoding="utf-8"))
    return {
        test: (seconds, frozenset((file, name) for file, name in called)) for test, (seconds, called) in read.items()
    }


def in_a_fork(before: CodeType, after: CodeType, tests: Sequence[str], calls: Calls) -> str | None:
    """Run tests with the changed code of a function.

    Args:
        before: Code of the function.
        after: Its mutated code.
        tests: Files of tests.
        calls: What the tests call.

    Returns:
        How the run ended; None if no function of this process has the code, as for one that is compiled.
    """
    functions = functions_with(before)
    if not functions:
        return None

    def work() -> int:
        for each in functions:
            each.__code__ = after
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        ordered = Ordered(calls, (before.co_filename, before.co_qualname))
        return int(pytest.main([*PYTEST, *tests], plugins=[ordered]))

    return ended(forked(work))


def in_a_process(path: Path, mutated: str, tests: Sequence[str], limit_s: float) -> str:
    """Run tests in a process of their own while the mutant is on disk.

    Args:
        path: The module.
        mutated: Source of the mutant.
        tests: Files of tests.
        limit_s: Processor time after which the mutant counts as a timeout, in s.

    Returns:
        How the run ended.
    """
    original, times = path.read_bytes(), path.stat()
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_CPU, ({round(limit_s)}, {round(limit_s)}))"
    run = f"{limited}; import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"
    try:
        path.write_text(mutated, encoding="utf-8")
        # Nothing of a mutant may stay in a cache of bytecode.
        done = subprocess.run([sys.executable, "-B", "-c", run, *PYTEST, *tests], capture_output=True)
    finally:
        path.write_bytes(original)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return ended(done.returncode)


def ended(code: int) -> str:
    """Return how a run ended.

    Args:
        code: Exit code of its process; negative for a signal.

    Returns:
        killed, timeout or survived.

    Raises:
        SystemExit: If pytest ran no test, so that nothing was found out.
    """
    if code in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise SystemExit(f"error: pytest ran no test: exit code {code}")
    if code in (HUNG, -signal.SIGXCPU, -signal.SIGKILL):
        return "timeout"
    return "survived" if code == 0 else "killed"


def run(jobs: Sequence[Mapping[str, Any]], minutes: float) -> Iterator[str]:
    """Run mutants one after another.

    Args:
        jobs: path and mutated source of each mutant, files of its tests, and whether it needs a process of its own.
        minutes: Time after which no other mutant is started.

    Yields:
        How each run ended.
    """
    stop = time.monotonic() + minutes * 60
    recorded: dict[tuple[str, ...], Calls] = {}
    files = sorted({str(Path(job["path"]).resolve()) for job in jobs})
    for job in jobs:
        if time.monotonic() > stop:
            return
        path, tests = Path(job["path"]), tuple(job["tests"])
        if tests not in recorded:
            # Imports everything, so that forks need not; executes no test, so that no cache holds a result.
            if pytest.main([*PYTEST, "--collect-only", *tests]):
                raise SystemExit(f"error: pytest cannot collect {' '.join(tests)}")
            recorded[tests] = record(tests, files)
        calls = recorded[tests]
        pair = changed_function(path.read_text(encoding="utf-8"), job["mutated"], str(path.resolve()))
        end = in_a_fork(*pair, tests, calls) if pair and not job["own_process"] else None
        if end is None:
            every = sum(seconds for seconds, _ in calls.values())
            end = in_a_process(path, job["mutated"], tests, TIMES_AS_LONG * (every + SPARE_S))
        yield end


def main() -> int:
    """Read jobs from a file and print one word per line for each; return the exit code."""
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    import crossbar
    import pimsim

    for package in (crossbar, pimsim):
        if not Path(str(package.__file__)).is_relative_to(Path.cwd()):
            raise SystemExit(f"error: the tests would import other code than the mutants: {package.__file__}")
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # pytest prints to standard error, the outcomes go to standard output
    for end in run(asked["jobs"], asked["minutes"]):
        out.write(f"{end}\n")
        out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
