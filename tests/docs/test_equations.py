"""Every numbered equation of a page is cited by the code or the test that computes it, and every citation exists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = sorted(
    path
    for folder in ("benchmarks", "crossbar", "pimsim", "tests", "tools", "workloads")
    for path in (ROOT / folder).rglob("*.py")
    if path != Path(__file__)
)
PAGES = sorted((ROOT / "docs").glob("*.md"))

IN_A_TABLE = re.compile(r'^\| (?:<a id="eq-\d+"></a>)?\((\d+)\) \|', re.MULTILINE)
BESIDE_A_FORMULA = re.compile(r"^ {4,}\S.* \((\d+)\)$", re.MULTILINE)
NUMBERS = r"\(\d+\)(?:(?:, and|,| and| to) \(\d+\))*"
CITATION = re.compile(rf"docs/([\w-]+)\.md,? (?:\w+ of )?eqs?\. ({NUMBERS})")
RANGE = re.compile(r"\((\d+)\)(?: to \((\d+)\))?")


def equations(text: str) -> list[int]:
    """Return the numbers of the equations that a page defines, in the order of the two forms."""
    return [int(number) for form in (IN_A_TABLE, BESIDE_A_FORMULA) for number in form.findall(text)]


def citations(text: str) -> set[tuple[str, int]]:
    """Return the page and the number of each equation that a source cites; "(4) to (6)" cites three."""
    plain = " ".join(line.strip().removeprefix("# ") for line in text.splitlines())
    return {
        (page, number)
        for page, numbers in CITATION.findall(re.sub(r"\s+", " ", plain))
        for first, last in RANGE.findall(numbers)
        for number in range(int(first), int(last or first) + 1)
    }


DEFINED = {path.stem: equations(path.read_text(encoding="utf-8")) for path in PAGES}
CITED = {path: citations(path.read_text(encoding="utf-8")) for path in CODE}


def test_equations_and_citations_are_found() -> None:
    page = 'x (1)\n\n    a = b (c)      (2)\n\n| <a id="eq-3"></a>(3) | y |\n| (4) | z |\n| a | (5) |\n'
    assert sorted(equations(page)) == [2, 3, 4]
    source = """
    docs/a.md, eq. (4) to (6); docs/b.md, eqs. (1), (2) and (9) by docs/c.md,
        eqs. (3),
        # and (8); docs/d.md, E_x of eq. (7), docs/e.md
    """
    assert citations(source) == {
        ("a", 4),
        ("a", 5),
        ("a", 6),
        ("b", 1),
        ("b", 2),
        ("b", 9),
        ("c", 3),
        ("c", 8),
        ("d", 7),
    }
    assert sum(map(len, DEFINED.values())) > 100
    assert len(set().union(*CITED.values())) > 100


@pytest.mark.parametrize("page", [page for page, numbers in DEFINED.items() if numbers])
def test_equations_of_a_page_are_numbered_from_1_and_each_is_cited(page: str) -> None:
    numbers = DEFINED[page]
    assert sorted(numbers) == [*range(1, len(numbers) + 1)], Counter(numbers)
    cited = {number for found in CITED.values() for name, number in found if name == page}
    assert sorted(set(numbers) - cited) == [], "no code cites these"


@pytest.mark.parametrize("path", [path for path, found in CITED.items() if found], ids=lambda path: path.name)
def test_cited_equations_exist(path: Path) -> None:
    assert [(page, number) for page, number in sorted(CITED[path]) if number not in DEFINED.get(page, ())] == []


def test_every_citation_has_the_form_that_is_checked() -> None:
    """A citation that the pattern above misses would be checked by nothing."""
    loose = re.compile(r"docs/[\w-]+\.md,?\s+(?:\w+\s+of\s+)?(?:eqs?\b|equations?\b)", re.IGNORECASE)
    for path in CODE:
        text = path.read_text(encoding="utf-8")
        plain = re.sub(r"\s+", " ", " ".join(line.strip().removeprefix("# ") for line in text.splitlines()))
        assert len(loose.findall(plain)) == len(CITATION.findall(plain)), path
