"""Rules of the tests themselves: floats are compared without a hidden tolerance, and nothing can hang."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "tests").rglob("*.py"))
MOST_PROCESSES = 1
"""Workers of a sweep that runs in the process of the test."""
NAMES = ("approx", "subprocess", "Process", "Thread", "run_sweep")
"""One of them is in each call that a check looks for."""


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
        assert any(name in text for name in NAMES) or not found


def faults(text: str, processes: bool) -> list[str]:
    """Return what is against the rules in a module, which `processes` says whether it may have to mark.

    Only what contains one of the names is parsed.
    """
    if not any(name in text for name in NAMES):
        return []
    found = [f"{line}: use tests.support.closeness.near" for line in calls(text, hides_a_tolerance)]
    found += [f"{line}: needs timeout=" for line in calls(text, runs_without_limit)]
    if processes and "pytest.mark.timeout(" not in text:
        found += [f"{line}: a test that starts processes needs a mark" for line in calls(text, starts_processes)]
    return found


def test_each_fault_is_found() -> None:
    assert faults("x = 1\nassert y == pytest.approx(x)", True) == ["2: use tests.support.closeness.near"]
    assert faults("from subprocess import run\nsubprocess.run(x)", True) == ["2: needs timeout="]
    assert faults("run_sweep(plan, workers=2)", True) == ["1: a test that starts processes needs a mark"]
    assert faults("run_sweep(plan, workers=2)", False) == []
    assert faults("@pytest.mark.timeout(60)\ndef test(): run_sweep(plan, workers=2)", True) == []


def test_floats_have_a_tolerance_that_is_named_and_nothing_waits_without_a_limit() -> None:
    assert len(MODULES) > 500
    found = {
        str(path.relative_to(ROOT)): faults(path.read_text(encoding="utf-8"), path.name.startswith("test_"))
        for path in MODULES
    }
    assert {path: each for path, each in found.items() if each} == {}
