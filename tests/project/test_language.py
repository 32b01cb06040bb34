"""The words of docs/language.md that were replaced stay out of code, docs and configs; its new names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
FOLDERS = ("benchmarks", "configs", "crossbar", "docs", "pimsim", "tools", "workloads")
TEXTS = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".md", ".yaml") and path.name != "language.md" and "_data" not in path.parts
)
DIALECT = re.compile(
    r"\banew\b|\bon end\b|\bof that name\b|\bwhat came of\b|\bstrangers?\b|\bfrugal|\bso many\b|\bwaits for what\b|"
    r"\b(?:is|are) dear\b|'s patience\b",
    re.I,
)


@pytest.mark.parametrize("path", [*TEXTS, ROOT / "README.md", ROOT / "CHANGELOG.md"], ids=lambda path: path.name)
def test_no_word_of_the_old_dialect_is_left(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [f"{number}: {line}" for number, line in enumerate(lines, 1) if DIALECT.search(line)] == []


def rows(heading: str) -> list[list[str]]:
    """Cells of the rows of a table of the page."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in section.splitlines() if "| `" in line]


@pytest.mark.parametrize(("before", "now", "where"), rows("Names"))
def test_the_new_names_are_where_the_page_says(before: str, now: str, where: str) -> None:
    assert before != now
    package = ROOT / "pimsim"
    paths = [path if path.startswith("crossbar/") else f"pimsim/{path}" for path in re.findall(r"`([^`]+)`", where)]
    text = "".join((package.parent / path).read_text(encoding="utf-8") for path in paths)
    stems = {Path(path).stem for path in paths}
    for name in re.findall(r"`(\w+)", now):
        assert re.search(rf"\b{name}\b", text) or name in stems, name


def test_the_tables_have_all_names_and_sentences() -> None:
    assert len(rows("Names")) >= 20
    assert PAGE.count("README |") == 3
