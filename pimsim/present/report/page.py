"""The page of a report: HTML of its blocks, and their data as JSON for the script of the page.

Everything that a result contains is text of somebody else: it is escaped, in the HTML and in the JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from string import Template
from typing import Any

from pimsim.present.report.bundles import own_file, plotly_script, tables_script, tables_style
from pimsim.present.report.page_blocks import Block, Chart, Explorer, Facts, Lines, Page, Section, Table
from pimsim.version import __version__

MARK = '<meta name="generator" content="pimsim '
"""What recognises a page that pimsim wrote, within its first 4096 bytes."""
SHORT = 24
"""Characters up to which a cell is not wrapped."""
_MARKS = ("counted", "left out", "plugins", "note", "warning", "differs", "failed")


def page_html(page: Page) -> str:
    """Return a page as HTML that needs no other file and no network.

    Args:
        page: The page.

    Returns:
        The text of the file.

    Raises:
        MissingExtraError: If the packages with the scripts are not installed.
    """
    links = "".join(f'<li><a href="#{_name(each.name)}">{escape(each.title)}</a></li>\n' for each in page.sections)
    return Template(own_file("page.html")).substitute(
        generator=f"pimsim {escape(__version__)}",
        title=escape(page.title),
        made=escape(page.made),
        contents=f"<ul>\n{links}</ul>",
        sections="\n".join(map(_section, page.sections)),
        data=script_json(page_data(page)),
        style=own_file("report.css"),
        script=own_file("report.js"),
        tables_style=tables_style(),
        tables_script=tables_script(),
        plotly_script=plotly_script(),
    )


def page_data(page: Page) -> dict[str, Any]:
    """Return the data of all charts and tables of a page.

    Args:
        page: The page.

    Returns:
        "charts", "tables" and "explorers" by name. Numbers have their full precision; NaN is None, an infinity a text.
    """
    found: dict[str, dict[str, Any]] = {"charts": {}, "tables": {}, "explorers": {}}
    for block in (block for section in page.sections for block in section.blocks):
        match block:
            case Chart():
                found["charts"][block.name] = {"data": block.data, "layout": block.layout}
            case Table():
                found["tables"][block.name] = _table_data(block)
            case Explorer():
                found["explorers"][block.name] = {
                    "table": block.table,
                    "columns": block.columns,
                    "labels": block.labels,
                    "first": block.first,
                    "colourBy": block.colour_by,
                    "fronts": block.fronts,
                }
            case _:
                pass
    return found


def script_json(value: Any) -> str:
    r"""Return JSON for an element `<script type="application/json">`.

    Args:
        value: Dicts, sequences, texts, numbers and None.

    Returns:
        The text, with `<` as `\u003c`, so that no text in it can end the element.
    """
    text = json.dumps(_finite(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _table_data(table: Table) -> dict[str, Any]:
    """Return the columns of a table; a column of few distinct cells as these and the number of the one in each row."""
    columns = []
    for index, column in enumerate(table.columns):
        cells = [row[index] for row in table.rows]
        known: dict[Any, int] = {}
        at = [known.setdefault((type(cell), cell), len(known)) for cell in cells]
        entry: dict[str, Any] = {"title": column.title, "numeric": column.numeric, "unit": column.unit}
        if len(known) * 4 <= len(cells):
            entry |= {"values": [cell for _, cell in known], "at": at}
        else:
            entry["cells"] = cells
        columns.append(entry)
    return {"title": table.title, "rows": len(table.rows), "columns": columns}


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(each) for each in value]
    return value.item() if hasattr(value, "item") else value  # a number of NumPy


# --- HTML -----------------------------------------------------------------------------------------------------------


def _section(section: Section) -> str:
    name = _name(section.name)
    blocks = "\n".join(_block(block) for block in section.blocks)
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{escape(section.title)}</h2>\n{blocks}\n</section>'


def _block(block: Block) -> str:
    match block:
        case Chart():
            return _chart(block)
        case Table():
            return _table(block)
        case Facts():
            return _facts(block)
        case Lines():
            return f'<ul class="lines">\n{"".join(map(_line, block.texts))}</ul>'
        case Explorer():
            return _explorer(block)


def _chart(chart: Chart) -> str:
    name = _name(chart.name)
    return (
        f'<figure id="figure-{name}" aria-labelledby="title-{name}" aria-describedby="about-{name}">\n'
        f'<h3 id="title-{name}">{escape(chart.title)}</h3>\n'
        f'<div class="plot" id="{name}" data-chart="{name}" data-height="{chart.height_px:d}" '
        f'style="height:{chart.height_px:d}px"></div>\n'
        f'<figcaption id="about-{name}">{escape(chart.description)}</figcaption>\n'
        f'<details data-values="{name}"><summary>Values of this chart as a table</summary>\n'
        f'<div class="scroll" tabindex="0" role="region" aria-label="Values of {escape(chart.title)}">'
        f'<table class="data"></table></div></details>\n</figure>'
    )


def _table(table: Table) -> str:
    name = _name(table.name)
    heads = "".join(f'<th scope="col">{escape(column.title)}</th>' for column in table.columns)
    note = f'<p class="note">{escape(table.note)}</p>\n' if table.note else ""
    shown = (
        f'{note}<div class="scroll" tabindex="0" role="region" aria-labelledby="title-{name}">\n'
        f'<table class="data" id="{name}" data-table="{name}"><thead><tr>{heads}</tr></thead></table></div>\n'
        f'<p class="print-only note" data-rows="{name}"></p>'
    )
    if table.hidden:
        return f'<details><summary id="title-{name}">{escape(table.title)}</summary>\n{shown}</details>'
    return f'<h3 id="title-{name}">{escape(table.title)}</h3>\n{shown}'


def _facts(facts: Facts) -> str:
    headings = "".join(
        f'<th scope="col"{_kind(facts, index, each)}>{escape(each)}</th>' for index, each in enumerate(facts.headings)
    )
    head = f"<thead><tr>{headings}</tr></thead>" if headings else ""
    kind = "facts" if headings else "facts headline"
    title = f"<h3>{escape(facts.title)}</h3>\n" if facts.title else ""
    note = f'\n<p class="note">{escape(facts.note)}</p>' if facts.note else ""
    rows = "\n".join(f"<tr>{''.join(_cells(facts, row))}</tr>" for row in facts.rows)
    return f'{title}<div class="scroll"><table class="{kind}">{head}<tbody>\n{rows}\n</tbody></table></div>{note}'


def _cells(facts: Facts, row: Sequence[str]) -> Iterator[str]:
    for index, cell in enumerate(row):
        text = escape(cell.strip())
        if index == 0 and text:
            yield f'<th scope="row"{_kind(facts, index, cell)}>{text}</th>'
        else:
            yield f"<td{_kind(facts, index, cell)}>{text}</td>"


def _kind(facts: Facts, index: int, text: str) -> str:
    """Return the class of a cell: a number, or a text so short that it is not to be wrapped."""
    if index < len(facts.numeric) and facts.numeric[index]:
        return ' class="number"'
    return ' class="short"' if len(text.strip()) <= SHORT else ""


def _line(text: str) -> str:
    mark = next((each for each in _MARKS if text.startswith(each) and ":" in text), "")
    if not mark:
        return f"<li>{escape(text)}</li>\n"
    head, _, rest = text.partition(":")
    kind = ' class="warning"' if mark in {"warning", "failed"} else ""
    return f'<li{kind}><span class="mark">{escape(head)}:</span>{escape(rest)}</li>\n'


def _explorer(explorer: Explorer) -> str:
    name = _name(explorer.name)
    choices = "".join(
        f'<label>{axis} axis <select data-axis="{axis}">'
        + "".join(
            f'<option value="{index}"{" selected" if index == chosen else ""}>{escape(label)}</option>'
            for index, label in enumerate(explorer.labels)
        )
        + "</select></label>\n"
        for axis, chosen in zip(("horizontal", "vertical"), explorer.first, strict=True)
    )
    return (
        f'<figure id="figure-{name}" data-explorer="{name}" aria-labelledby="title-{name}" '
        f'aria-describedby="about-{name}">\n'
        f'<h3 id="title-{name}">{escape(explorer.title)}</h3>\n<div class="choices">{choices}</div>\n'
        f'<div class="plot" id="{name}" data-height="520" style="height:520px"></div>\n'
        '<p class="note" role="status"></p>\n'
        f'<figcaption id="about-{name}">{escape(explorer.description)} The points are in the table '
        f'<a href="#{_name(explorer.table)}">below</a>.</figcaption>\n</figure>'
    )


def _name(name: str) -> str:
    return escape(name, quote=True)
