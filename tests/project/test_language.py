"""The words of docs/language.md that were replaced stay out of the repository; its new sentences and names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
FOLDERS = ("benchmarks", "configs", "crossbar", "docs", "pimsim", "tests", "tools", "workloads")
TEXTS = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".md", ".yaml") and "_data" not in path.parts
)
EXCEPT = {ROOT / "docs" / "language.md", Path(__file__)}
THE_BIBLE = ROOT / "workloads" / "data" / "kjv-bitnet" / "README.md"
"""A page about a text that consists of books."""

WORDS = {
    "anew": r"\banew\b",
    "on end": r"\bon end\b",
    "so many": r"\bso many\b(?! that\b)",
    "of that name": r"\bof that name\b",
    "what came of it": r"\bwhat came of\b",
    "is no X": r"(?<!there )(?<!there\n)\b(?:is|are)\s+no\s+(?!longer\b|more\b|less\b|fewer\b)[a-z]",
    "dear": r"\bdear\b",
    "strangers, files from strangers": r"\bstrangers?\b",
    "out of the machine's patience": r"'s patience\b",
    "part": None,  # also a term: a category of a latency breakdown, and a memory device
    "books, to book": r"\bbook(?:s|ed|ing)?\b",
    "frugal": r"\bfrugal",
    "how it bears": r"\bbears?\b",
    "what waits for what": r"\bwaits for what\b",
}
"""The pattern of each row of the table of words; None for a word that has other meanings."""


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the rows of a table of the page."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[2:]]


def plain(text: str) -> str:
    """Return a text with single spaces in the place of line ends and indentation."""
    return re.sub(r"\s+", " ", text)


def source(where: str) -> Path:
    """Return the file that the page names: a page of the docs, or a module of pimsim or crossbar."""
    path = where.strip("`")
    return ROOT / path if path.startswith(("crossbar/", "docs/")) else ROOT / "pimsim" / path


def found(text: str, pattern: re.Pattern[str]) -> list[str]:
    """Return the lines on which matches of a pattern begin."""
    starts = [text.count("\n", 0, match.start()) for match in pattern.finditer(text)]
    return [f"{number + 1}: {text.splitlines()[number]}" for number in starts]


def test_no_word_of_the_old_dialect_is_left() -> None:
    paths = [*TEXTS, *(ROOT / name for name in ("README.md", "CHANGELOG.md", "Makefile"))]
    assert len(paths) > 1000
    patterns = {word: re.compile(pattern, re.IGNORECASE) for word, pattern in WORDS.items() if pattern is not None}
    left = []
    for path in paths:
        text = "" if path in EXCEPT else path.read_text(encoding="utf-8")
        for word, pattern in patterns.items():
            if not (path == THE_BIBLE and word == "books, to book"):
                left += [f"{path.relative_to(ROOT)}:{each} ({word})" for each in found(text, pattern)]
    assert left == []


def test_a_word_is_found_with_its_line() -> None:
    assert found("one\nA Dear one\nis\nno matrix", re.compile(r"\bdear\b", re.IGNORECASE)) == ["2: A Dear one"]
    assert found("one", re.compile("dear")) == []


def test_the_patterns_find_their_words() -> None:
    """Each pattern matches the words of its row, or a sentence with them."""
    examples = {
        "is no X": "what is\nno matrix",
        "part": "part",
        "out of the machine's patience": "the machine's patience",
    }
    for word, pattern in WORDS.items():
        text = examples.get(word, word)
        assert pattern is None or re.search(pattern, text, re.IGNORECASE), word
    for text in ("there is no file", "there\nis no file", "is no longer", "so many that", "on end_ps", "bearing"):
        for word, pattern in WORDS.items():
            assert pattern is None or not re.search(pattern, text, re.IGNORECASE), (word, text)


def test_every_row_of_the_table_of_words_has_its_pattern() -> None:
    assert [before for before, _ in rows("Words")] == [*WORDS]


@pytest.mark.parametrize(("before", "now", "where"), rows("Sentences"))
def test_the_new_sentences_are_where_the_page_says(before: str, now: str, where: str) -> None:
    assert before != now
    text = plain(source(where).read_text(encoding="utf-8"))
    assert plain(now)[:25] in text
    assert plain(before.removesuffix(" ..."))[:25] not in text


@pytest.mark.parametrize(("before", "now", "where"), rows("Names"))
def test_the_new_names_are_where_the_page_says(before: str, now: str, where: str) -> None:
    assert before != now
    paths = [source(path) for path in re.findall(r"`([^`]+)`", where)]
    text = "".join(path.read_text(encoding="utf-8") for path in paths)
    stems = {path.stem for path in paths}
    for name in re.findall(r"`(\w+)", now):
        assert re.search(rf"\b{name}\b", text) or name in stems, name


def test_the_tables_have_all_names_and_sentences() -> None:
    assert len(rows("Names")) >= 20
    assert len(rows("Sentences")) >= 13
    assert len(rows("Words")) >= 14
