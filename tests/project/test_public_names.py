"""The public names of the three packages: one table each gives lazy imports, `__all__`, `dir()` and `help()`."""

from __future__ import annotations

import ast
import pydoc
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import crossbar
import pimsim
import workloads

PACKAGES = [pytest.param(each, id=each.__name__) for each in (crossbar, pimsim, workloads)]


def table(package: Any) -> dict[str, tuple[str, str]]:
    """Module and line of each public name."""
    return {
        name: (f"{package.__name__}.{module}", line)
        for module, lines in package._PUBLIC.items()
        for name, line in lines.items()
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_resolves_to_its_module_and_is_listed(package: ModuleType) -> None:
    names = table(package)
    for name, (module, _) in names.items():
        found = getattr(package, name)
        assert found is vars(__import__(module, fromlist=["x"]))[name]
    assert set(names) <= set(package.__all__) == {*dir(package), *package.__all__}
    assert set(package.__all__) - set(names) <= {"__version__"}
    assert set(names) <= set(dir(package))


@pytest.mark.parametrize("package", PACKAGES)
def test_help_has_a_line_for_each_public_name(package: ModuleType) -> None:
    shown = pydoc.render_doc(package, renderer=pydoc.plaintext).splitlines()
    for name, (_, line) in table(package).items():
        assert line[0].isupper()
        assert line.endswith(".")
        assert any(each.split() == [name, *line.split()] for each in shown), name


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_the_same_names_from_the_same_modules(package: ModuleType) -> None:
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))
    block = next(each for each in tree.body if isinstance(each, ast.If))
    imports = {
        alias.asname: each.module
        for each in block.body
        if isinstance(each, ast.ImportFrom)
        for alias in each.names
        if alias.name == alias.asname
    }
    assert imports == {name: module for name, (module, _) in table(package).items()}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_wrong_name_is_an_attribute_error(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match="attribute nothing"):
        _ = package.nothing
