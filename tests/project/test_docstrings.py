"""Docstrings have what ruff does not check: an Args section for every public function with two or more parameters.

A command of the command line is exempt: its docstring is its help text, and each parameter has a help text of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for package in ("crossbar", "pimsim", "workloads") for path in (ROOT / package).rglob("*.py"))

Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_functions(node: ast.AST, in_class: bool = False) -> Iterator[tuple[Function, int]]:
    """Public functions and methods, each with the number of its parameters, `self` and `cls` excluded."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from public_functions(child, in_class=True)
        elif isinstance(child, Function) and not child.name.startswith("_"):
            each = child.args
            names = [argument.arg for argument in (*each.posonlyargs, *each.args, *each.kwonlyargs)]
            starred = sum(1 for argument in (each.vararg, each.kwarg) if argument is not None)
            yield child, len(names) + starred - (in_class and names[:1] in (["self"], ["cls"]))


def is_command(function: Function) -> bool:
    """Decorated with `app.command(...)` or `app.callback(...)` of Typer."""
    calls = [each.func for each in function.decorator_list if isinstance(each, ast.Call)]
    return any(isinstance(call, ast.Attribute) and call.attr in ("command", "callback") for call in calls)


def lacking(tree: ast.AST) -> list[str]:
    """Public functions of two or more parameters without an Args section."""
    return [
        f"{function.name} (line {function.lineno})"
        for function, parameters in public_functions(tree)
        if parameters >= 2 and not is_command(function) and "\nArgs:\n" not in (ast.get_docstring(function) or "")
    ]


def test_the_check_finds_what_it_is_for() -> None:
    bare = 'def f(a, b):\n    """Return nothing."""\n'
    described = bare.replace("nothing.", "nothing.\n\n    Args:\n        a: One.\n        b: Two.\n    ")
    methods = "class C:\n    def f(self, a):\n        pass\n    def g(self, *, a, b):\n        pass"
    assert lacking(ast.parse(bare)) == ["f (line 1)"]
    assert lacking(ast.parse(described)) == []
    assert lacking(ast.parse(methods)) == ["g (line 4)"]
    assert lacking(ast.parse("@app.command(epilog='')\n" + bare)) == []
    assert lacking(ast.parse("def _f(a, b): ...\nclass _C:\n    def f(self, a, b): ...")) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_functions_of_several_parameters_have_an_args_section(path: Path) -> None:
    assert lacking(ast.parse(path.read_text(encoding="utf-8"))) == []
