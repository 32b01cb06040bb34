"""Recording of a printed report as lines and tables, so that a page says what the terminal says."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH = 160


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """One line of a report.

    Attributes:
        text: The line.
        bold: Whether it is a heading.
    """

    text: str
    bold: bool = False


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """One table of a report.

    Attributes:
        headings: Heading of each column; empty for a list of facts, which has no heading.
        numeric: Whether each column is aligned to the right.
        rows: Cells by row.
        caption: Line below the table; empty means none.
    """

    headings: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


Printed = PrintedLine | PrintedTable


class Recording(io.StringIO):
    """A file for the functions that print reports; it keeps the lines and tables and not their text.

    Attributes:
        printed: What was printed so far, without blank lines.
    """

    def __init__(self) -> None:
        super().__init__()
        self.printed: list[Printed] = []


class RecordingConsole(Console):
    """Console of a recording.

    Args:
        file: The recording.
    """

    def __init__(self, file: Recording) -> None:
        super().__init__(file=file, width=WIDTH, highlight=False)
        self._recording = file

    def print(self, *objects: Any, **options: Any) -> None:
        """Record lines and tables.

        Args:
            objects: Texts and tables.
            options: Options of Rich about the layout, which a recording has not.
        """
        del options
        for each in objects:
            self._recording.printed += _of_table(each) if isinstance(each, Table) else _lines(each)


def recorded(print_report: Callable[..., None], *of: Any, **options: Any) -> Sequence[Printed]:
    """Record what a function prints.

    Args:
        print_report: A function of this package whose last argument is the file to write to.
        of: Its arguments.
        options: Its keyword arguments.

    Returns:
        Lines and tables in order.
    """
    file = Recording()
    print_report(*of, file=file, **options)
    return file.printed


def _lines(shown: object) -> Iterator[PrintedLine]:
    text = shown if isinstance(shown, Text) else Text.from_markup(str(shown))
    bold = "bold" in str(text.style) or any("bold" in str(span.style) for span in text.spans)
    for line in text.plain.splitlines():
        if line.strip():
            yield PrintedLine(line, bold)


def _of_table(table: Table) -> Iterator[Printed]:
    """Return a table without the ones in its cells, which follow it one by one; a grid of them is only their frame."""
    headings = tuple(_plain(column.header) for column in table.columns) if table.show_header else ()
    cells = [list(column.cells) for column in table.columns]
    inside = [cell for row in zip(*cells, strict=True) for cell in row if isinstance(cell, Table)]
    numeric = tuple(column.justify == "right" for column in table.columns)
    rows = [tuple(map(_plain, row)) for row in zip(*cells, strict=True)]
    kept = tuple(row for row in rows if any(row))
    if kept or not inside:
        yield PrintedTable(headings, numeric, kept, _plain(table.caption) if table.caption else "")
    for each in inside:
        yield from _of_table(each)


def _plain(cell: object) -> str:
    if isinstance(cell, Text):
        return cell.plain
    return "" if cell is None or isinstance(cell, Table) else Text.from_markup(str(cell)).plain
