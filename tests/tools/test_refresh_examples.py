"""Refreshing examples: whole outputs are replaced, passages between "..." are found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import doc_examples
from tools.refresh_examples import refresh, refreshed

NOW = "title of 31 ms\n\nspeed  12 tokens/s\nenergy  3 mJ\narea  7 mm^2\nend\n"


def test_an_output_without_dots_is_replaced() -> None:
    assert refreshed("title of 30 ms\n", NOW) == NOW


@pytest.mark.parametrize(
    ("shown", "new"),
    [
        ("title of 30 ms\n...\n", "title of 31 ms\n...\n"),
        ("...\nenergy  2 mJ\n...\n", "...\nenergy  3 mJ\n...\n"),
        (
            "title of 1 ms\n...\nenergy  2 mJ\narea  9 mm^2\n...\n",
            "title of 31 ms\n...\nenergy  3 mJ\narea  7 mm^2\n...\n",
        ),
        ("...\nspeed  5 tokens/s\n...\nend\n", "...\nspeed  12 tokens/s\n...\nend\n"),
    ],
)
def test_passages_are_found_by_their_words(shown: str, new: str) -> None:
    assert refreshed(shown, NOW) == new


def test_a_passage_that_is_not_printed_any_more_needs_a_person() -> None:
    assert refreshed("...\nspecial words 1\n...\n", NOW) is None


def test_a_page_is_rewritten_where_its_output_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doc_examples, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    same = "```python\nprint(1)\n```\n\n```text\n1\n```\n"
    page.write_text(f"{same}\n```python\nprint(2)\n```\n\n```text\n1\n```\n", encoding="utf-8")
    assert refresh(page) == []
    assert page.read_text(encoding="utf-8") == f"{same}\n```python\nprint(2)\n```\n\n```text\n2\n```\n"
