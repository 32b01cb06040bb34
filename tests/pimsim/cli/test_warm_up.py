"""`pimsim warm-up` compiles what is missing and says where; other commands announce that they compile."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext

import pytest

from crossbar.kernels.warming import Part
from pimsim import load_config
from pimsim.base import kernel_groups
from pimsim.cli import kernel_compiling
from tests.support.command_line import assert_refused
from tests.support.command_line import pimsim as run_pimsim


class Kernel:
    def __init__(self) -> None:
        self._cache = type("Cache", (), {"cache_path": "/a folder"})


PARTS = tuple(
    Part("m", name, group, 3.0, lambda: [(Kernel(), ())]) for name, group in (("a", "arrays"), ("w", "wires"))
)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the parts that commands have compiled; the fake kernels of `wires` are compiled already."""
    names: list[str] = []

    class Recorded:
        def __init__(self, parts: Sequence[Part]) -> None:
            names.extend(part.name for part in parts)
            self.failure = "LLVM is not there" if len(names) > 1 else ""

        def __enter__(self) -> Recorded:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def wait(self, progress: object) -> None:
            pass

    monkeypatch.setattr(kernel_groups, "KERNEL_MODULES", ("fake_parts",))
    monkeypatch.setitem(sys.modules, "fake_parts", type("Module", (), {"PARTS": PARTS}))
    monkeypatch.setattr("crossbar.kernels.warming.is_compiled", lambda part: part.name in {*names, "w"})
    monkeypatch.setattr("crossbar.kernels.warming.Compilation", Recorded)
    return names


def test_what_is_missing_is_compiled(compiled: list[str]) -> None:
    shown = run_pimsim("warm-up").ok
    assert compiled == ["a"]
    assert "arrays: 1 kernels, 1 compiled now" in shown
    assert "wires: 1 kernels, already compiled" in shown
    assert "cache: /a folder" in shown
    data = json.loads(run_pimsim("warm-up", "wires", "--json").ok)
    assert data == {"groups": [{"group": "wires", "kernels": 1, "compiled": 0}], "cache": ["/a folder"]}


def test_groups_are_those_of_the_parts() -> None:
    assert {part.group for part in kernel_groups.kernel_parts()} == set(kernel_groups.GROUPS)
    outcome = run_pimsim("warm-up", "wire")
    assert_refused(outcome, 2)
    assert "did you mean wires?" in outcome.err


def test_a_failure_is_an_error(compiled: list[str]) -> None:
    compiled.append("earlier")
    outcome = run_pimsim("warm-up", "arrays")
    assert outcome.code != 0
    assert "LLVM is not there" in outcome.err


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_is_told_that_kernels_are_compiled(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossbar.ahead.missing_parts", lambda _: PARTS[:1])
    monkeypatch.setattr("crossbar.ahead.compiling", lambda _: nullcontext())
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    with kernel_compiling.kernels_of(load_config("pim-llm")):
        pass
    assert stream.getvalue() == ("compiling array kernels, once (about 3 s)\n" if terminal else "")
