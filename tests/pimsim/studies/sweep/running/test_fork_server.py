"""A worker says nothing if its main process has ended, and every other error is printed as always."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pimsim.studies.sweep.running.fork_server import is_lost_parent

START_A_WORKER = """
import os
from multiprocessing.synchronize import SemLock
from pimsim.studies.sweep.running.worker_processes import process_context

if __name__ == "__main__":
    context = process_context()
    lock = context.Lock()
    {change}
    worker = context.Process(target={target}, args=(lock,))
    worker.start()
    worker.join()
    print("exit code", worker.exitcode, flush=True)
    os._exit(0)  # or multiprocessing would remove the semaphore once more
"""
REMOVE_THE_SEMAPHORE = "SemLock._cleanup(lock._semlock.name)"
"""What the end of the main process does to a worker that still starts."""


def errors_of_worker(folder: Path, change: str, target: str) -> str:
    script = folder / "script.py"
    script.write_text(START_A_WORKER.format(change=change, target=target), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        env={"PYTHONPATH": str(Path(__file__).parents[5])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "exit code 1" in done.stdout, done
    return done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork server")
def test_a_worker_that_finds_the_semaphores_of_its_main_process_removed_is_quiet(tmp_path: Path) -> None:
    assert "Traceback" not in errors_of_worker(tmp_path, REMOVE_THE_SEMAPHORE, "print")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork server")
def test_a_worker_that_fails_by_itself_prints_its_traceback(tmp_path: Path) -> None:
    assert "TypeError" in errors_of_worker(tmp_path, "pass", "len")


def raised(error: Exception, module: str) -> Exception:
    try:
        exec("raise error", {"__name__": module, "error": error})
    except Exception as caught:
        return caught
    raise AssertionError


@pytest.mark.parametrize("error", [FileNotFoundError("gone"), EOFError(), ConnectionResetError()])
def test_only_multiprocessing_itself_loses_a_parent(error: Exception) -> None:
    inside = raised(error, "multiprocessing.synchronize")
    assert is_lost_parent(inside, inside.__traceback__)
    outside = raised(type(error)("another"), "pimsim.base.files")
    assert not is_lost_parent(outside, outside.__traceback__)


def test_other_errors_of_multiprocessing_are_not_a_lost_parent() -> None:
    other = raised(ValueError("wrong"), "multiprocessing.synchronize")
    assert not is_lost_parent(other, other.__traceback__)
    assert not is_lost_parent(EOFError(), None)
