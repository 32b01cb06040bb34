"""Rules of the tests themselves: floats are compared without a hidden tolerance, and nothing can hang."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "tests").rglob("*.py"))
MOST_PROCESSES = 1
"""Workers of a sweep that runs in the process of the test."""


def called(call: ast.Call) -> str:
    """Return the dotted name of a function as it is written in a call."""
    return ast.unparse(call.func)


def calls(text: str, wanted: Callable[[ast.Call], bool]) -> list[int]:
    """Return the lines of the calls that are wanted."""
    return [node.lineno for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and wanted(node)]


def hides_a_tolerance(call: ast.Call) -> bool:
    """`pytest.approx` accepts a difference of 1e-12 unless it is told otherwise: any pJ, any ns, any um^2."""
    return called(call) in ("pytest.approx", "approx") and "abs" not in {each.arg for each in call.keywords}


def runs_without_limit(call: ast.Call) -> bool:
    """A process that the test waits for, without a limit of time."""
    functions = ("subprocess.run", "subprocess.check_output", "subprocess.check_call", "subprocess.call")
    return called(call) in functions and "timeout" not in {each.arg for each in call.keywords}


def starts_processes(call: ast.Call) -> bool:
    """A process, a cluster or a pool of workers that goes on beside the test."""
    if called(call) in ("subprocess.Popen", "multiprocessing.Process", "ProcessPoolExecutor", "threading.Thread"):
        return True
    workers = [each.value for each in call.keywords if each.arg == "workers"]
    few = [each for each in workers if isinstance(each, ast.Constant) and each.value in (0, MOST_PROCESSES)]
    return called(call) == "run_sweep" and workers != few


def test_the_checks_find_what_they_are_for() -> None:
    for text, check, found in (
        ("pytest.approx(x, rel=1e-9)", hides_a_tolerance, True),
        ("assert [approx(x)] == y", hides_a_tolerance, True),
        ("pytest.approx(x, abs=0.5)", hides_a_tolerance, False),
        ("near(x)", hides_a_tolerance, False),
        ("subprocess.run([x], check=True)", runs_without_limit, True),
        ("subprocess.run([x], timeout=60)", runs_without_limit, False),
        ("subprocess.Popen([x])", starts_processes, True),
        ("run_sweep(plan, out, workers=2)", starts_processes, True),
        ("run_sweep(plan, out, workers=count)", starts_processes, True),
        ("run_sweep(plan, out, workers=1)", starts_processes, False),
        ("run_sweep(plan, out)", starts_processes, False),
    ):
        assert bool(calls(text, check)) == found, text


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_floats_are_compared_with_a_tolerance_that_is_named(path: Path) -> None:
    assert calls(path.read_text(encoding="utf-8"), hides_a_tolerance) == [], "use tests.support.closeness.near"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_test_waits_without_a_limit(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert calls(text, runs_without_limit) == [], "subprocess.run needs timeout="
    if path.name.startswith("test_") and calls(text, starts_processes):
        assert "pytest.mark.timeout(" in text, "a test that starts processes needs a mark"
