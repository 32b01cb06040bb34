"""Generated parts of the docs that a test compares with rows that it has, so that they are not computed again.

They are those in `TESTED_ELSEWHERE` of `tools.generate_docs`, which its quick check leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable

from tools.docs_generator.facts import ROOT
from tools.generate_docs import SECTIONS, TESTED_ELSEWHERE, with_sections


def assert_current(page: str, parts: Iterable[str]) -> None:
    """Assert that the parts of a page are what their functions return."""
    chosen = {part: SECTIONS[page][part] for part in parts}
    assert chosen
    assert set(chosen) <= set(TESTED_ELSEWHERE)
    text = (ROOT / page).read_text(encoding="utf-8")
    assert with_sections(text, chosen, page) == text
