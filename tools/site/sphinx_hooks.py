"""Registers the extension with Sphinx: the text of each page is changed before it is parsed."""

from __future__ import annotations

import builtins
import re
from typing import Any

from tools.site.command_pages import commands_markdown
from tools.site.public_names import names_markdown, restructured
from tools.site.repository_links import site_markdown, without_missing

_TITLED = re.compile(r"^:returns: \*([^*]*)\* -- ")
"""A return value whose description has a colon; Sphinx takes what is before it for a type."""

_MADE = re.compile(r"^<!-- on the site: (commands|names of [\w.]+) -->$", re.M)


def setup(app: Any) -> dict[str, bool]:
    """Register the extension.

    Args:
        app: Application of Sphinx.

    Returns:
        That pages may be read and written in parallel.
    """
    app.connect("source-read", _read)
    app.connect("autodoc-process-docstring", _docstring, priority=100)  # before Google's sections are read
    app.connect("autodoc-process-docstring", _returns, priority=900)  # and after that
    app.connect("doctree-read", _without_links_of_builtins)
    app.connect("doctree-read", _with_dashes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _read(app: Any, docname: str, source: list[str]) -> None:
    """Replace the text of a page, in place, by its text on the site."""
    page = app.env.doc2path(docname)
    text = without_missing(site_markdown(source[0], app.srcdir / page), app.srcdir / page)
    source[0] = _MADE.sub(lambda match: _made(match[1]), text)


def _docstring(_app: Any, _what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Replace a docstring, in place, by one that reStructuredText understands."""
    lines[:] = restructured("\n".join(lines)).split("\n")


def _returns(_app: Any, _what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Restore, in place, a description of a return value; types are in the annotations."""
    lines[:] = [_TITLED.sub(r":returns: \1: ", line) for line in lines]


def _without_links_of_builtins(_app: Any, doctree: Any) -> None:
    """Replace links of built-in types by their text, since `bytes` is also an attribute of ops."""
    from sphinx.addnodes import pending_xref

    for link in [*doctree.findall(pending_xref)]:
        if link.get("refdomain") == "py" and hasattr(builtins, link["reftarget"]):
            link.replace_self(link.children)


def _with_dashes(_app: Any, doctree: Any) -> None:
    """Write a dash between a parameter and its description, where Sphinx writes two hyphens."""
    from docutils.nodes import Text

    for text in [*doctree.findall(Text)]:
        if text == " -- ":
            text.parent.replace(text, Text(" \N{EN DASH} "))


def _made(what: str) -> str:
    """Return a part that is made from the code."""
    return commands_markdown() if what == "commands" else names_markdown(what.removeprefix("names of "))
