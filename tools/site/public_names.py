"""The reference of the public names of a package, made from their docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from importlib import import_module

from pydantic import BaseModel

STUDIES = "studies."
"""Modules of pimsim whose names have a page of their own."""

_CODE = re.compile(r"(``.*?``|`[^`]+`)", re.S)


def names_markdown(page: str) -> str:
    """Return the reference of public names, with a section for each folder or module that defines some.

    Args:
        page: A package; `pimsim` without its studies, and `pimsim.studies` for these.

    Returns:
        Markdown with directives of Sphinx's autodoc.
    """
    package, _, part = page.partition(".")
    sections: dict[str, list[str]] = {}
    for module, names in _public(package).items():
        if package == "pimsim" and module.startswith(STUDIES) != bool(part):
            continue
        depth = (2 if part else 1) if package == "pimsim" else None
        title = ".".join([package, *module.split(".")[:depth]])
        sections.setdefault(title, []).extend(_directives(package, names))
    return "\n\n".join(f"## {title}\n\n```{{eval-rst}}\n{''.join(texts)}```" for title, texts in sections.items())


def pages_of_names() -> tuple[str, ...]:
    """Return the pages that together have every public name."""
    return ("pimsim", "pimsim.studies", "crossbar", "workloads")


def restructured(text: str) -> str:
    """Return a docstring whose prose means the same in reStructuredText: `|x|` is not a substitution there.

    Args:
        text: Docstring with code between single backticks.

    Returns:
        Text for Sphinx, with `code` as its default role.
    """
    parts = _CODE.split(text)
    for index, part in enumerate(parts):
        if not index % 2:
            parts[index] = part.replace("|", r"\|")
        elif re.match(r"\w", parts[index + 1]):
            parts[index] += r"\ "  # ends the markup before a letter, as in `Design`s
    return "".join(parts)


def _public(package: str) -> Mapping[str, Mapping[str, str]]:
    table: Mapping[str, Mapping[str, str]] = vars(import_module(package))["_PUBLIC"]
    return table


def _directives(package: str, names: Mapping[str, str]) -> Iterator[str]:
    """Iterate over the directives of names.

    Args:
        package: Package that exports the names.
        names: Names with their summary lines.

    Yields:
        reStructuredText.
    """
    for name, summary in names.items():
        value = getattr(import_module(package), name)
        where = f"{package}.{name}"
        if inspect.isclass(value):
            kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
            shown = not issubclass(value, BaseModel | BaseException)  # the first are configs, which docs/config.md has
            yield f".. {kind}:: {where}\n" + ("   :members:\n" if shown else "") + "\n"
        elif callable(value):
            yield f".. autofunction:: {where}\n\n"
        else:
            yield f".. py:data:: {where}\n\n   {summary}\n\n"
