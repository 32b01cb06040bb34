"""Markdown as the site needs it: pages of the repository are included, and relative links lead to the site's pages.

The pages of docs/ are written for a repository host, where `../README.md#install` is a link. On the site that page is
`docs/project/readme.md`, which contains a single line that includes it. The same links lead there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
STUBS = DOCS / "project"
"""Folder of the pages that include a page of the repository."""

_INCLUDE = re.compile(r"^```\{include\} (\S+)\n```$", re.M)
_TOCTREE = re.compile(r"^```\{toctree\}\n.*?^```$", re.M | re.S)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ANCHOR = re.compile(r'<a id="([\w-]+)"></a>')
_FENCE = re.compile(r"^(`{3,})[^\n]*\n.*?^\1$", re.M | re.S)


@cache
def included_pages() -> dict[Path, Path]:
    """Return the page of the site for each page of the repository that one includes."""
    stubs = {stub: _INCLUDE.search(stub.read_text(encoding="utf-8")) for stub in STUBS.glob("*.md")}
    return {(STUBS / match[1]).resolve(): stub for stub, match in stubs.items() if match}


def site_markdown(text: str, page: Path) -> str:
    """Return the text of a page for the site.

    Args:
        text: Markdown, or the JSON of a notebook.
        page: Path of the page.

    Returns:
        The text with included pages in place, links that lead to pages of the site, and anchors as Sphinx knows them.
    """
    source = page
    if included := _INCLUDE.search(text):
        source = (page.parent / included[1]).resolve()
        text = source.read_text(encoding="utf-8")
    return outside_fences(text, lambda prose: _LINK.sub(lambda link: f"]({_target(link[1], source, page)})", prose))


def without_missing(text: str, page: Path) -> str:
    """Leave out the entries of toctrees whose pages do not exist, so that a page may be listed before it is written.

    A page that is in no toctree, because its entry is misspelt, is still an error.

    Args:
        text: Markdown.
        page: Path of the page.

    Returns:
        The text without these lines.
    """

    def kept(line: str) -> bool:
        name = re.sub(r".*<(.*)>", r"\1", line.strip())
        if not name or line.startswith((":", "```")):
            return True
        return any((page.parent / f"{name}.{kind}").is_file() for kind in ("md", "ipynb"))

    return _TOCTREE.sub(lambda tree: "\n".join(line for line in tree[0].split("\n") if kept(line)), text)


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """Change a text except for its fenced blocks, and write its anchors as MyST does."""
    changed, start = [], 0
    for fence in _FENCE.finditer(text):
        changed += [_prose(text[start : fence.start()], change), fence[0]]
        start = fence.end()
    return "".join([*changed, _prose(text[start:], change)])


def _prose(text: str, change: Callable[[str], str]) -> str:
    return _ANCHOR.sub(r"[]{#\1}", change(text))


def _target(target: str, source: Path, page: Path) -> str:
    """Return a link of `source` as it must be on the page of the site that has its text."""
    path, mark, anchor = target.partition("#")
    if not path or ":" in path:
        return target
    linked = (source.parent / path).resolve()
    linked = included_pages().get(linked, linked)
    if not linked.is_relative_to(DOCS):
        mark = anchor = ""  # a file to download has none
    return os.path.relpath(linked, page.parent) + mark + anchor
