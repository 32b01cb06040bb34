"""Every term in the README's tables, Markdown or printed by an example, is in docs/glossary.md."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
TERMS = re.findall(r"^\*\*(.+?)\*\*: ", GLOSSARY, re.M)

ORDINARY = frozenset(
    re.findall(
        r"[a-z]+",
        """
        a above against all among an analog and are as at available be below between both build busy but by can
        cannot change character charge chosen compared computed constants contains contents count counts design
        digit digits each east equal equations every exact few fig first fit fits follows for from full group
        how if in inferred input is it its key least low lowest made many model more name next no not of off on
        one or origin other ours out over own page paper per plots precision printed public quantity reach reading
        reference rows rule same says six source sources south stated stay text than that the their them they
        third three through to together total two under use used value values was what when where which while
        with within without worst year yours
        accelergy describe does neurosim number pimsim project result simulator version withheld
        """,
    )
)
"""English words that need no explanation. A word that is neither here nor in the glossary fails the test."""


def known_words() -> set[str]:
    """Words of the glossary's terms, in singular and plural."""
    words = {word.lower() for term in TERMS for word in re.findall(r"[A-Za-z]+", term)}
    return words | {f"{word}s" for word in words} | {word[:-1] + "ies" for word in words if word.endswith("y")}


def table_labels() -> set[str]:
    """Headings and first cells of README's Markdown tables, and of the ruled tables in its examples."""
    labels: list[str] = []
    lines = README.splitlines()
    for index, line in enumerate(lines):
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            is_heading = index + 1 < len(lines) and lines[index + 1].startswith("| ---")
            labels += cells if is_heading else cells[:1]
        elif index + 1 < len(lines) and re.match("─{8,}", lines[index + 1]):
            labels += re.split(r" {2,}", line)
        elif index and re.match("─{8,}", lines[index - 1]):
            for row in lines[index:]:
                if not row.strip() or row.startswith(("...", "`")):
                    break
                labels.append(re.split(r" {2,}", row)[0])
    return set(labels)


def test_terms_are_sorted_and_unique() -> None:
    assert len(TERMS) > 80
    assert sorted(TERMS, key=str.lower) == TERMS
    assert len(set(TERMS)) == len(TERMS)


def test_every_term_of_the_tables_is_in_the_glossary() -> None:
    labels = table_labels()
    assert {"latency", "systolic"} <= labels
    unlinked = (re.sub(r"`[^`]*`|\[.*?\]\(.*?\)", "", label) for label in labels)
    words = {word.lower() for label in unlinked for word in re.findall(r"\b[A-Za-z]{2,}\b", label)}
    assert sorted(words - known_words() - ORDINARY) == []
