"""SIGTERM is an interrupt, and an interrupt that Python drops is raised again."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from pimsim.base.errors import OutputError
from pimsim.cli import signals
from pimsim.cli.app import CommandGroup
from pimsim.cli.signals import interruptible
from tests.support.command_line import SECONDS, pimsim

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX systems have them")


@pytest.fixture(autouse=True)
def _interrupts_are_not_ignored() -> Iterator[None]:
    """A shell starts its background jobs, in which these tests may run, with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def receive(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_interrupt_and_the_handlers_return(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt), interruptible():
        receive(number)
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_signal_that_the_shell_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_error_that_a_library_makes_of_an_interrupt_is_the_interrupt() -> None:
    def convert(error: Exception) -> None:
        try:
            receive(signal.SIGTERM)
        except KeyboardInterrupt:
            raise error from None

    with pytest.raises(KeyboardInterrupt), interruptible():
        convert(RuntimeError("cannot join thread before it is started"))
    with pytest.raises(OutputError, match="disk full"), interruptible():
        convert(OutputError("disk full"))
    with pytest.raises(RuntimeError), interruptible():
        raise RuntimeError("without an interrupt")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("module", "function"),
    [
        ("llvmlite.binding.ffi", "__enter__"),
        ("llvmlite.binding.ffi", "__call__"),
        ("numba.core.compiler_lock", "release"),
    ],
)
def test_an_interrupt_waits_while_a_lock_is_taken(number: signal.Signals, module: str, function: str) -> None:
    """A function with the name of a lock's, in a module named like its library, which calls another one."""
    ended = []

    def callback() -> None:
        os.kill(os.getpid(), number)
        time.sleep(0)  # a call, after which Python handles the signal
        ended.append("callback")

    there = {"__name__": module, "callback": callback}
    exec(f"def {function}():\n    callback()", there)

    def work() -> None:
        there[function]()
        ended.append(function)
        time.sleep(60)

    with pytest.raises(KeyboardInterrupt), interruptible():
        work()
    assert ended == ["callback", function]


def test_an_interrupt_does_not_wait_for_a_compiler() -> None:
    there = {"__name__": "numba.core.compiler_lock", "receive": receive, "number": signal.SIGINT, "ended": []}
    exec("def _acquire_compile_lock():\n    receive(number)\n    ended.append('compiled')", there)
    with pytest.raises(KeyboardInterrupt), interruptible():
        there["_acquire_compile_lock"]()
    assert not there["ended"]


def test_the_locks_are_functions_of_the_libraries() -> None:
    """Another name in a later version would leave the locks unprotected."""
    locks = {"llvmlite.binding.ffi": ("_LLVMLock", "_lib_fn_wrapper"), "numba.core.compiler_lock": ("_CompilerLock",)}
    assert locks.keys() == signals._LOCKS.keys()
    for module, classes in locks.items():
        there = importlib.import_module(module)
        functions = {name for each in classes for name in vars(getattr(there, each))}
        assert functions.issuperset(signals._LOCKS[module] or ("__enter__", "__exit__", "__call__"))


def test_an_interrupt_while_an_object_is_destroyed_is_not_lost() -> None:
    class Dying:
        def __del__(self) -> None:
            raise KeyboardInterrupt

    def destroy() -> None:
        dying = Dying()
        del dying
        time.sleep(60)

    with pytest.raises(KeyboardInterrupt), interruptible():
        destroy()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_during_the_first_imports_ends_in_one_line(number: signal.Signals) -> None:
    """The signal comes when `pimsim.cli.app` looks for the first module that it imports."""
    code = f"""
import os, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "pimsim.cli.app":
            os.kill(os.getpid(), {int(number)})
sys.meta_path.insert(0, Interrupting())
sys.argv = ["pimsim", "run", "pim-llm"]
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from pimsim.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "pimsim: interrupted\n")


@pytest.mark.timeout(120)
def test_an_interrupt_in_an_executed_text_has_our_exit_code() -> None:
    """CPython would end with the signal: dataclasses execute texts, and an interrupt may hit one."""
    code = """
import os, signal, sys
import pimsim.simulation
from pimsim.cli.app import main
def simulate(config, **_):
    exec("import os, time; os.kill(os.getpid(), 2); time.sleep(60)")
pimsim.simulation.simulate = simulate
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["pimsim", "run", "pim-llm"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "pimsim: interrupted\n")


def test_an_interrupt_outside_of_a_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Typer catches it while it parses the command line, and ends without a message."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(CommandGroup, "make_context", interrupted)
    outcome = pimsim("run", "pim-llm")
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "pimsim: interrupted\n")
