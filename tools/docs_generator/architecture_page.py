"""docs/architecture.md: tables of folders and modules from their docstrings, and of imports between folders."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

from tools.docs_generator.facts import ROOT, table

PACKAGES = ("crossbar", "workloads", "pimsim")


def summary(path: Path) -> str:
    """Return the first paragraph of a module's docstring, on one line.

    Args:
        path: A Python file.

    Returns:
        The paragraph, with ``|`` escaped for a Markdown table.

    Raises:
        ValueError: If the module has no docstring.
    """
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not docstring:
        raise ValueError(f"{path}: has no docstring")
    return " ".join(docstring.split("\n\n")[0].split()).replace("|", "\\|")


def folders(package: str) -> Iterator[Path]:
    """Yield the folders of a package that hold modules, parents before children."""
    yield from sorted({path.parent for path in (ROOT / package).rglob("*.py") if "_data" not in path.parts})


def modules() -> str:
    """Return a Markdown table per folder: each module with the summary of its docstring."""
    parts = []
    for package in PACKAGES:
        for folder in folders(package):
            name = folder.relative_to(ROOT).as_posix()
            rows = [(f"`{path.name}`", summary(path)) for path in sorted(folder.glob("*.py"))]
            parts.append(table((f"`{name}/`", ""), rows))
    return "\n\n".join(parts)


@cache
def folder_imports() -> Mapping[str, set[str]]:
    """Return, for each unit of pimsim (a folder or a module at its root), the units and packages that it imports."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "pimsim").rglob("*.py")):
        relative = path.relative_to(ROOT / "pimsim")
        unit = relative.parts[0] if len(relative.parts) > 1 else relative.stem
        if unit == "__init__":  # its imports are lazy, for users' convenience
            continue
        found[unit] |= {name for name in _imported(ast.parse(path.read_text(encoding="utf-8"))) if name != unit}
    return found


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            top, *rest = node.module.split(".")
            if top == "pimsim":
                yield rest[0] if rest else "pimsim"
            elif top in ("crossbar", "workloads"):
                yield top


def dependencies() -> str:
    """Return a Markdown table of the folders of pimsim and what each imports."""
    imports = folder_imports()

    def height(unit: str) -> int:
        return 1 + max((height(each) for each in imports.get(unit, ()) if each in imports), default=0)

    order = sorted(imports, key=lambda unit: (-height(unit), unit))
    rows = [(_shown(unit), ", ".join(_shown(each) for each in sorted(imports[unit])) or "nothing") for unit in order]
    return table(("of `pimsim/`", "imports"), rows)


def _shown(unit: str) -> str:
    is_folder = (ROOT / "pimsim" / unit).is_dir() or unit in ("crossbar", "workloads")
    return f"`{unit}/`" if is_folder else f"`{unit}.py`"


SECTIONS: Mapping[str, Callable[[], str]] = {"folder-imports": dependencies, "modules": modules}
