"""Blocks of what a command prints: the title of a result, its headline figures, what is counted, and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pimsim.present.report.page_blocks import Block, Facts, Lines
from pimsim.present.text.recording import Printed, PrintedLine, PrintedTable


@dataclass(frozen=True, slots=True)
class PrintedReport:
    """A printed report by its parts.

    Attributes:
        title: First line.
        headline: Headline figures and the sentences above them: what is counted and left out, notes, warnings.
        rest: Everything that follows, in order.
    """

    title: str
    headline: tuple[Block, ...]
    rest: tuple[Block, ...]


def printed_report(printed: Sequence[Printed]) -> PrintedReport:
    """Divide a printed report.

    Args:
        printed: What a command prints: a title, sentences, and tables of which the first has the headline figures.

    Returns:
        Its parts, with the headline figures before the sentences.
    """
    title, *after = printed
    at = next((index for index, each in enumerate(after) if isinstance(each, PrintedTable)), len(after))
    sentences = [each.text for each in after[:at] if isinstance(each, PrintedLine)]
    lines = [Lines(sentences)] if sentences else []
    figures = [facts(each) for each in after[at : at + 1] if isinstance(each, PrintedTable)]
    name = title.text if isinstance(title, PrintedLine) else ""
    return PrintedReport(name, (*figures, *lines), tuple(printed_blocks(after[at + 1 :])))


def printed_blocks(printed: Sequence[Printed]) -> list[Block]:
    """Return lines and tables as blocks.

    Args:
        printed: The lines and tables.

    Returns:
        Blocks in order; a bold line directly above a table is the title of the table.
    """
    found: list[Block] = []
    sentences: list[str] = []
    for index, each in enumerate(printed):
        below = printed[index + 1] if index + 1 < len(printed) else None
        if isinstance(each, PrintedTable):
            title = printed[index - 1] if index else None
            of_table = title.text if isinstance(title, PrintedLine) and title.bold else ""
            found.append(facts(each, of_table))
        elif not (each.bold and isinstance(below, PrintedTable)):
            sentences.append(each.text)
            if not isinstance(below, PrintedLine) or (below.bold and index + 2 < len(printed)):
                found.append(Lines(tuple(sentences)))
                sentences = []
    return found


def facts(shown: PrintedTable, title: str = "") -> Facts:
    """Return a printed table as a block.

    Args:
        shown: The table.
        title: Title above it; empty means none.

    Returns:
        The block.
    """
    return Facts(title, shown.headings, shown.rows, shown.numeric, shown.caption)
