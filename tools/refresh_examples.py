"""Write what the examples of README.md and docs/ print now into their pages.

    python -m tools.refresh_examples                    # every page whose examples are quick
    python -m tools.refresh_examples docs/sweeps.md     # these pages

The commands of a page run as its test runs them, one after another in one folder. A line "..." of a page still stands
for any lines: each passage between two of them is replaced by the lines that look most like it. A passage that looks
like nothing that is printed stays, and its place is reported. The sentences around the examples are not touched.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.docs.doc_examples import ROOT, Example, differences, examples, run, write_configs

LONG = (
    "docs/analysis.md",
    "docs/array.md",
    "docs/mitigations.md",
    "docs/serving.md",
    "docs/serving-systems.md",
    "docs/sweeps.md",
)
"""Pages that are refreshed only if they are named, because their examples take minutes."""

LEAST_LIKENESS = 0.5
"""Share of the lines of a passage that must look like what is printed now."""


def refreshed(expected: str, printed: str) -> str | None:
    """Return what a page should show of an output.

    Args:
        expected: What the page shows; lines "..." stand for any lines.
        printed: What is printed now.

    Returns:
        The new text; None if a passage looks like nothing that is printed.
    """
    lines = [line.rstrip() for line in printed.strip("\n").splitlines()]
    shown = expected.strip("\n").splitlines()
    if "..." not in shown:
        return "\n".join(lines) + "\n"
    result: list[str] = []
    start = 0
    passage: list[str] = []
    for line in [*shown, None]:
        if line not in ("...", None):
            passage.append(str(line))
            continue
        if passage:
            found = _like(passage, lines, start, at_start=not result)
            if found is None:
                return None
            result += lines[found : found + len(passage)]
            start, passage = found + len(passage), []
        if line == "...":
            result.append("...")
    return "\n".join(result) + "\n"


def _like(passage: Sequence[str], lines: Sequence[str], start: int, *, at_start: bool) -> int | None:
    """Find the lines that look most like a passage.

    Args:
        passage: Lines of the page.
        lines: Lines that are printed now.
        start: First line that may be used.
        at_start: Whether the passage begins with the first line.

    Returns:
        Index of the first of these lines; None if less than `LEAST_LIKENESS` of them look alike.
    """
    places = [0] if at_start else range(start, len(lines) - len(passage) + 1)
    scores = {
        at: sum(_look(a) == _look(b) for a, b in zip(passage, lines[at:], strict=False)) / len(passage) for at in places
    }
    best = max(scores, key=lambda at: scores[at], default=None)
    return best if best is not None and scores[best] >= LEAST_LIKENESS else None


def _look(line: str) -> str:
    """Return the words of a line without its numbers, units and spaces."""
    return " ".join(re.findall(r"[^\W\d_]{3,}", line))


def refresh(page: Path) -> list[str]:
    """Rewrite the outputs of a page; return the places that need a person."""
    text = page.read_text(encoding="utf-8")
    left = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_configs(page, folder)
        for example in examples(page):
            printed = run(example, folder)
            if differences(example.expected, printed) is None:
                continue
            new = refreshed(example.expected, printed)
            if new is None or text.count(_anchored(example, example.expected)) != 1:
                left.append(example.where)
                continue
            text = text.replace(_anchored(example, example.expected), _anchored(example, new))
    page.write_text(text, encoding="utf-8")
    return left


def _anchored(example: Example, output: str) -> str:
    """Return an output with what stands before it in the page, so that equal outputs are told apart."""
    return example.before + output


def main() -> int:
    """Refresh pages; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pages", nargs="*", help="pages to refresh, such as docs/sweeps.md")
    names = parser.parse_args().pages
    every = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    pages = [ROOT / each for each in names] or [p for p in every if p.relative_to(ROOT).as_posix() not in LONG]
    left = [where for page in pages for where in refresh(page)]
    for where in left:
        sys.stdout.write(f"{where} needs a person\n")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
