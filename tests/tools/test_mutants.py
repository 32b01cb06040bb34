"""Mutants: which are worth a run, what they change, and how their runs are counted."""

from __future__ import annotations

import ast
import json
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.support.counts import DEEP
from tools.mutants.areas import AREAS, area_of
from tools.mutants.choosing import Equivalent, Mutant, equivalent_of, sample, worthwhile
from tools.mutants.equivalents import EQUIVALENT
from tools.mutants.outcomes import Outcome, survivors, tallies
from tools.mutants.runner import HUNG, changed_function, ended

ROOT = Path(__file__).parents[2]
SOURCE = """\
from __future__ import annotations
A = 1

@cache(size=3)
def f(x: int | None, y: str = "é" * 2) -> int | None:
    z: int | str = x + 1
    return z

class C:
    k = 2

    def g(self) -> int:
        return 1 < 2

    def h(self, *, y: int) -> object:
        return zip(*"é", 2 * y, strict=True)
"""


def mutant(line: int, character: int, operator: str = "NumberReplacer") -> Mutant:
    return Mutant("m.py", (line, character), f"core/{operator}", 0)


def test_annotations_decorators_and_far_replacements_are_left_out() -> None:
    """Positions are characters: after the é of line 5 they differ from the bytes that `ast` counts."""
    kept = [mutant(2, 4), mutant(5, 36), mutant(6, 23), mutant(6, 21, "ReplaceBinaryOperator_Add_Sub")]
    kept.append(mutant(16, 27, "ReplaceBinaryOperator_Mul_FloorDiv"))
    left_out = [
        mutant(4, 12),
        mutant(5, 13, "ReplaceBinaryOperator_BitOr_BitAnd"),
        mutant(5, 46, "ReplaceBinaryOperator_BitOr_BitAnd"),
        mutant(6, 11, "ReplaceBinaryOperator_BitOr_BitAnd"),
        mutant(6, 21, "ReplaceBinaryOperator_Add_Pow"),
        mutant(16, 39, "ReplaceTrueWithFalse"),
        mutant(15, 16, "ReplaceBinaryOperator_Mul_FloorDiv"),
        mutant(16, 19, "ReplaceBinaryOperator_Mul_FloorDiv"),
    ]
    assert SOURCE.splitlines()[15][39:43] == "True"
    assert [SOURCE.splitlines()[line][at] for line, at in ((14, 16), (15, 19), (15, 27))] == ["*"] * 3
    assert SOURCE.splitlines()[4][36] == "2"
    assert SOURCE.splitlines()[4][46] == "|"
    assert worthwhile([*kept, *left_out], SOURCE) == kept


def test_a_sample_depends_on_its_seed_alone() -> None:
    mutants = [mutant(line, 0) for line in range(50)]
    drawn = sample(mutants, 10, seed=3)
    assert len(set(drawn)) == 10
    assert drawn == sample(mutants[::-1], 10, seed=3)
    assert drawn != sample(mutants, 10, seed=4)
    assert sorted(sample(mutants, 99, seed=3)) == mutants


@pytest.mark.parametrize(
    ("before", "after", "function"),
    [("x + 1", "x - 1", "f"), ("1 < 2", "1 <= 2", "C.g"), ("k = 2", "k = 3", None), ("A = 1", "A = 2", None)],
)
def test_the_function_that_a_mutant_changes(before: str, after: str, function: str | None) -> None:
    pair = changed_function(SOURCE, SOURCE.replace(before, after), "m.py")
    assert (pair[0].co_qualname if pair else None) == function
    assert pair is None or pair[0] != pair[1]


def test_a_run_without_tests_is_an_error_and_not_a_killed_mutant() -> None:
    assert [ended(code) for code in (0, 1, 2, HUNG, -signal.SIGXCPU, -signal.SIGSEGV)] == [
        *("survived", "killed", "killed", "timeout", "timeout", "killed"),
    ]
    for code in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
        with pytest.raises(SystemExit, match="no test"):
            ended(code)


def test_counts_of_outcomes() -> None:
    known = [Equivalent("m.py", "a < b", "a <= b", "never equal")]
    diff = "--- \n+++ \n@@ -1 +1 @@\n-    a < b\n+    a <= b"
    outcomes = [
        Outcome(mutant(1, 0), "killed", ""),
        Outcome(mutant(2, 0), "timeout", ""),
        Outcome(mutant(3, 0), "survived", diff),
        Outcome(mutant(4, 0), "survived", diff.replace("<=", ">")),
    ]
    assert equivalent_of("other.py", diff, known) is None
    assert survivors(outcomes, known) == outcomes[3:]
    one, every = tallies("area", {"m.py": 9}, outcomes, known)
    assert one.row() == ("m.py", "9", "4", "1", "1", "1", "1", "66.7%")
    assert every.row()[1:] == one.row()[1:]
    assert tallies("area", {"m.py": 9}, [], known)[0].share is None


def test_areas_exist_and_each_has_its_nights() -> None:
    for area in AREAS.values():
        for module in area.modules:
            ast.parse((ROOT / module.path).read_text(encoding="utf-8"))
            assert all((ROOT / test).is_file() for test in module.tests), module.path
    monday = date(2026, 11, 30)
    assert {area_of(monday + timedelta(days=each)) for each in range(len(AREAS))} == set(AREAS)


def test_entries_of_equivalent_mutants_are_about_lines_that_exist() -> None:
    for entry in EQUIVALENT:
        lines = [line.strip() for line in (ROOT / entry.module).read_text(encoding="utf-8").splitlines()]
        assert entry.line in lines, entry
        assert entry.mutated != entry.line
        assert entry.reason.endswith(".")


@pytest.mark.skipif(not DEEP, reason="in make test-deep only: it imports everything again")
@pytest.mark.timeout(600)
def test_the_runner_kills_a_mutant_and_lets_an_equal_one_survive(tmp_path: Path) -> None:
    """A port with twice the room is noticed, a comparison that is written the other way round is not."""
    path = "pimsim/hardware/shared/port.py"
    source = (ROOT / path).read_text(encoding="utf-8")
    jobs = [
        {"path": path, "tests": ["tests/pimsim/hardware/shared/test_port.py"], "own_process": False, "mutated": text}
        for text in (
            source.replace("room = Fraction(1)", "room = Fraction(2)"),
            source.replace("end_ps > limit_ps", "limit_ps < end_ps"),
        )
    ]
    assert all(job["mutated"] != source for job in jobs)
    (tmp_path / "jobs.json").write_text(json.dumps({"jobs": jobs, "minutes": 5}), encoding="utf-8")
    command = [sys.executable, "-m", "tools.mutants.runner", str(tmp_path / "jobs.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.stdout.split() == ["killed", "survived"], done.stderr
    assert (ROOT / path).read_text(encoding="utf-8") == source
