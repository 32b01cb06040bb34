"""Parts of kernels are compiled by other processes into the cache; a failure is reported, and nothing waits for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numba
import pytest

from crossbar.kernels import threads
from crossbar.kernels.warming import Compilation, Part, cache_folder, estimated_seconds, is_compiled

KERNELS = """\
from numba import njit
from crossbar.kernels.warming import Part

@njit(cache=True)
def doubled(value):
    return 2 * value

@njit(cache=True)
def refused(value):
    return value.no_such_attribute

PARTS = (
    Part(__name__, "good", "outside", 2.0, lambda: [(doubled, (1,)), (doubled, (1.0,))]),
    Part(__name__, "bad", "outside", 1.0, lambda: [(refused, (1,))]),
)
"""


def test_processes_fill_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)  # the cache is beside the module, as for most users
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    (tmp_path / "outside_kernels.py").write_text(KERNELS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    from outside_kernels import PARTS  # type: ignore[import-not-found]

    good, bad = PARTS
    assert not is_compiled(good)
    seen: list[tuple[int, int]] = []
    with Compilation(PARTS) as compilation:
        compilation.wait(lambda done, of: seen.append((done, of)))
    assert is_compiled(good)
    assert not is_compiled(bad)
    assert seen[-1] == (2, 3)
    assert compilation.failure.startswith("numba.core.errors.TypingError: ")
    assert Path(cache_folder(good)).is_relative_to(tmp_path)
    del sys.modules["outside_kernels"]


def test_without_a_cache_nothing_is_compiled_before() -> None:
    from numba import njit

    assert not is_compiled(Part("m", "uncached", "g", 1.0, lambda: [(njit(lambda value: value), (1,))]))


def test_a_stopped_compilation_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossbar.kernels.warming._CHILD", "import time; time.sleep(60)")
    with Compilation([Part("m", "sleeps", "g", 1.0, list)]) as compilation:
        (child,) = compilation._children
    assert child.returncode is not None
    compilation.wait()  # returns at once


def test_time_is_that_of_the_longest_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: 5 | 4, then 3 to the shorter, then 3 to the shorter of 5 and 7: 8 s on two cores, 15 s on one."""
    parts = [Part("m", str(seconds), "g", seconds, list) for seconds in (3.0, 5.0, 3.0, 4.0)]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert estimated_seconds(parts) == 8.0
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert estimated_seconds(parts) == 15.0
    assert estimated_seconds([]) == 0.0


def test_the_first_loop_waits_once() -> None:
    order: list[str] = []
    threads.before_next_loop(lambda: order.append("waited"))
    for _ in range(2):
        threads.run_in_ranges(lambda first, last: order.append(f"loop {first} to {last}"), 3, 3)
    assert order == ["waited", "loop 0 to 3", "loop 0 to 3"]
