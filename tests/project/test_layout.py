"""Rules of layout: few modules at the root, unique names, short modules and functions, tests that mirror modules."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import COMPILES

ROOT = Path(__file__).parents[2]
PACKAGES = ("crossbar", "pimsim", "workloads")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "_data" not in path.parts)
TESTS = sorted(path for package in PACKAGES for path in (ROOT / "tests" / package).rglob("test_*.py"))
ALL_TESTS = sorted((ROOT / "tests").rglob("*.py"))
COMMANDS = [
    path for path in (ROOT / "pimsim" / "cli").rglob("*.py") if "@app.command(" in path.read_text(encoding="utf-8")
]

MOST_LINES_OF_A_MODULE = 400
MOST_LINES_OF_A_FUNCTION = 80
LONG_FUNCTIONS = {"pimsim/hardware/shared/fabric.py:run": 150}
"""The packet loop: one function, because calls in it cost a third of a contended run."""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_at_most_six_modules_lie_at_the_root_of_pimsim() -> None:
    assert len(list((ROOT / "pimsim").glob("*.py"))) <= 6


def test_module_names_are_unique_but_for_commands() -> None:
    names = Counter(path.stem for path in MODULES if path.stem != "__init__" and "cli" not in path.parts)
    assert {name for name, times in names.items() if times > 1} == set()


def too_long(name: str, text: str) -> Iterator[str]:
    """Yield what is too long in a module: itself, and its functions."""
    if len(text.splitlines()) > MOST_LINES_OF_A_MODULE:
        yield name
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            most = LONG_FUNCTIONS.get(f"{name}:{node.name}", MOST_LINES_OF_A_FUNCTION)
            if node.end_lineno - node.lineno + 1 > most:
                yield f"{name}:{node.name}"


def test_modules_and_functions_are_short() -> None:
    paths = [*MODULES, *ALL_TESTS]
    assert len(paths) > 1000
    assert [each for path in paths for each in too_long(relative(path), path.read_text(encoding="utf-8"))] == []


def test_the_check_finds_long_modules_and_functions() -> None:
    for more, found in ((0, []), (1, ["m.py:f"])):
        function = "def f():\n" + "    x = 0\n" * (MOST_LINES_OF_A_FUNCTION - 1 + more)
        assert [*too_long("m.py", f"class C:\n    {function.replace(chr(10), chr(10) + '    ')}")] == found
        assert [*too_long("m.py", f"async {function}")] == found
    assert [*too_long("m.py", "x = 0\n" * MOST_LINES_OF_A_MODULE)] == []
    assert [*too_long("m.py", "x = 0\n" * (MOST_LINES_OF_A_MODULE + 1))] == ["m.py"]


def subjects(folder: Path) -> set[str]:
    """Return what tests of a folder may be named after: its modules and folders, itself, and the package."""
    if not folder.is_dir():
        return set()
    modules = {each.stem for each in folder.glob("*.py")} | {each.name for each in folder.iterdir() if each.is_dir()}
    return modules | {folder.name, "package"}


def test_a_test_lies_where_the_path_of_its_module_says() -> None:
    """Tests of a/b/c.py, or of the folder a/b/c, are tests/a/b/test_c.py and test_c_more.py.

    Tests of the folder a/b as a whole are tests/a/b/test_package.py, test_b.py and test_b_more.py.
    """
    known = {folder: subjects(ROOT / folder.relative_to(ROOT / "tests")) for folder in {path.parent for path in TESTS}}
    elsewhere = []
    for path in TESTS:
        words = path.stem.removeprefix("test_")
        if not any(words == each or words.startswith(f"{each}_") for each in known[path.parent]):
            elsewhere.append(relative(path))
    assert elsewhere == []


def test_a_command_has_tests_where_its_path_says() -> None:
    """Tests of the commands in pimsim/cli/c.py are in tests/pimsim/cli/test_c.py."""
    places = {path: ROOT / "tests" / path.relative_to(ROOT).with_name(f"test_{path.name}") for path in COMMANDS}
    assert [relative(path) for path, place in places.items() if not place.is_file()] == []


def test_there_are_commands() -> None:
    names = {path.stem for path in COMMANDS}
    assert {"run", "sweep", "optimize", "devices", "front", "plot"} <= names
    assert len(COMMANDS) >= 20


def test_the_root_of_the_tests_has_no_modules_but_conftest() -> None:
    files = {path.name for path in (ROOT / "tests").iterdir() if path.is_file()}
    assert files == {"__init__.py", "conftest.py", "README.md"}


@pytest.mark.parametrize("folder", ["oracles", "support"])
def test_oracles_and_helpers_have_no_tests_and_each_is_imported(folder: str) -> None:
    modules = {path.stem for path in (ROOT / "tests" / folder).glob("*.py")} - {"__init__"}
    assert not [name for name in modules if name.startswith("test_")]
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    imported = {
        name
        for name in modules
        if any(re.search(rf"from tests\.{folder}(\.{name} import| import [\w, ]*\b{name}\b)", text) for text in texts)
    }
    assert modules - imported <= {"warm_kernels"}, "a program, which conftest.py starts"


def test_no_test_module_imports_another() -> None:
    found = re.compile(r"^from tests\.(\w+\.)*test_\w+ import", re.MULTILINE)
    assert [relative(path) for path in (ROOT / "tests").rglob("*.py") if found.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("beginning", COMPILES)
def test_tests_that_compile_exist(beginning: str) -> None:
    assert list(ROOT.glob(f"{beginning}*.py")) or list(ROOT.glob(f"{beginning}**/test_*.py"))
