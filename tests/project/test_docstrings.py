"""Docstrings have what ruff does not check: Args and Returns sections for every public function and method.

`Args:` names the parameters in their order, `self` and `cls` excluded. `Returns:`, or `Yields:` for a generator, is
there unless the return annotation is None, Never or NoReturn.

Exempt are properties, a method without a docstring that overrides another (`@override`) and a command of the command
line: its docstring is its help text, and each parameter has a help text of its own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for package in ("crossbar", "pimsim", "workloads") for path in (ROOT / package).rglob("*.py"))

Function = ast.FunctionDef | ast.AsyncFunctionDef

PROPERTIES = ("property", "cached_property")
COMMANDS = ("command", "callback")
RETURNS_NOTHING = ("None", "Never", "NoReturn")


def decorators(function: Function) -> set[str]:
    """Last names of the decorators: `property`, `setter`, `command`, ..."""
    found = (each.func if isinstance(each, ast.Call) else each for each in function.decorator_list)
    return {ast.unparse(each).rpartition(".")[2] for each in found}


def is_exempt(function: Function) -> bool:
    """Private, a property, a command of Typer, or an override that inherits its docstring."""
    names = decorators(function)
    inherits = "override" in names and ast.get_docstring(function) is None
    return function.name.startswith("_") or inherits or not names.isdisjoint((*PROPERTIES, *COMMANDS, "overload"))


def public_functions(node: ast.AST, in_class: bool = False) -> Iterator[tuple[Function, list[str]]]:
    """Public functions and methods, each with the names of its parameters, `self` and `cls` excluded."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from public_functions(child, in_class=True)
        elif isinstance(child, Function) and not is_exempt(child):
            each = child.args
            names = [*each.posonlyargs, *each.args, each.vararg, *each.kwonlyargs, each.kwarg]
            parameters = [argument.arg for argument in names if argument is not None]
            yield child, parameters[1:] if in_class and parameters[:1] in (["self"], ["cls"]) else parameters


def sections(docstring: str) -> dict[str, str]:
    """Text of each section by its title: `Args`, `Returns`, ..."""
    parts = re.split(r"^(Args|Returns|Yields|Raises|Reference|Example|Note):\n", docstring, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def is_generator(function: Function) -> bool:
    """A function whose own body yields."""
    pending: list[ast.AST] = [*function.body]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            pending += ast.iter_child_nodes(node)
    return False


def lacking(tree: ast.AST) -> list[str]:
    """What is missing in public docstrings: Args that name exactly the parameters, Returns or Yields."""
    found = []
    for function, parameters in public_functions(tree):
        written = sections(ast.get_docstring(function) or "")
        described = re.findall(r"^    \*{0,2}(\w+)(?: \([^)]*\))?:", written.get("Args", ""), flags=re.MULTILINE)
        if described != parameters:
            found.append(f"{function.name} (line {function.lineno}): Args {described}, parameters {parameters}")
        result = "Yields" if is_generator(function) else "Returns"
        returns_nothing = function.returns is None or ast.unparse(function.returns) in RETURNS_NOTHING
        if not returns_nothing and not written.get(result, "").strip():
            found.append(f"{function.name} (line {function.lineno}): {result}")
    return found


DESCRIBED = '''
def f(a, *b, c=0, **d) -> int:
    """Return nothing.

    Args:
        a: One.
        *b: Two: with a colon,
            and a second line.
        c: Three.
        **d: Four.

    Returns:
        The number.
    """
'''


def without(text: str) -> list[str]:
    """What is missing in `DESCRIBED` without a text, by the last words of each message."""
    assert text in DESCRIBED
    return [message.rpartition(": ")[2] for message in lacking(ast.parse(DESCRIBED.replace(text, "")))]


def test_the_check_compares_the_args_section_with_the_parameters() -> None:
    assert lacking(ast.parse(DESCRIBED)) == []
    assert without("        c: Three.\n") == ["Args ['a', 'b', 'd'], parameters ['a', 'b', 'c', 'd']"]
    assert without(", c=0") == ["Args ['a', 'b', 'c', 'd'], parameters ['a', 'b', 'd']"]
    assert without("    Args:\n") == ["Args [], parameters ['a', 'b', 'c', 'd']"]
    assert lacking(ast.parse('def f(a):\n    """Return nothing."""\n')) == ["f (line 1): Args [], parameters ['a']"]
    methods = "class C:\n    def f(self): ...\n    @classmethod\n    def g(cls, a): ...\n    def h(self, *, b): ..."
    assert [message.partition(" ")[0] for message in lacking(ast.parse(methods))] == ["g", "h"]


@pytest.mark.parametrize(
    ("function", "missing"),
    [
        ("def f() -> int: ...", ["f (line 1): Returns"]),
        ("def f() -> Iterator[int]:\n    return iter(())", ["f (line 1): Returns"]),
        ("def f() -> Iterator[int]:\n    yield 1", ["f (line 1): Yields"]),
        ("def f() -> Iterator[int]:\n    def g():\n        yield 1\n    return g()", ["f (line 1): Returns"]),
        ("def f() -> None: ...", []),
        ("def f() -> NoReturn: ...", []),
        ("def f(): ...", []),
    ],
)
def test_the_check_requires_a_description_of_the_result(function: str, missing: list[str]) -> None:
    assert lacking(ast.parse(function)) == missing


def test_the_check_requires_the_result_also_where_the_rest_is_described() -> None:
    assert without("\n    Returns:\n        The number.") == ["Returns"]
    assert without("        The number.\n") == ["Returns"]


@pytest.mark.parametrize(
    "function",
    [
        "def _f(a) -> int: ...",
        "class _C:\n    def f(self, a) -> int: ...",
        "class C:\n    def __call__(self, a) -> int: ...",
        "class C:\n    @property\n    def f(self) -> int: ...",
        "class C:\n    @functools.cached_property\n    def f(self) -> int: ...",
        "class C:\n    @override\n    def f(self, a) -> int: ...",
        "@app.command(epilog='')\ndef f(a) -> int: ...",
        "@app.callback()\ndef f(a) -> int: ...",
    ],
)
def test_the_check_exempts_what_is_private_inherited_or_has_another_description(function: str) -> None:
    assert lacking(ast.parse(function)) == []


def test_an_override_with_its_own_docstring_is_checked() -> None:
    method = 'class C:\n    @override\n    def f(self) -> int:\n        """Return a number."""'
    assert lacking(ast.parse(method)) == ["f (line 3): Returns"]


def test_public_docstrings_have_args_and_returns() -> None:
    assert len(MODULES) > 500
    found = {str(path.relative_to(ROOT)): lacking(ast.parse(path.read_text(encoding="utf-8"))) for path in MODULES}
    assert {path: each for path, each in found.items() if each} == {}
