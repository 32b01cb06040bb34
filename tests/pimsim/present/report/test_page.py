"""The page: what a result contains is text and never HTML or script, and numbers keep their full precision."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser

import pytest

from pimsim.present.report.page import page_data, page_html, script_json
from pimsim.present.report.page_blocks import Block, Chart, Column, Explorer, Facts, Lines, Page, Section, Table

pytest.importorskip("plotly")
pytest.importorskip("itables")

HOSTILE = '</script><script>alert(1)</script><!--<b onclick="x">&amp;\u2028\'"'


def page_of(*blocks: Block) -> Page:
    return Page(HOSTILE, HOSTILE, [Section("one", HOSTILE, blocks)])


def every_block(name: str = HOSTILE) -> list[Block]:
    table = Table("rows", name, [Column(name), Column("time", True, "s")], [[name, 0.1], [None, 2]], name)
    chart = Chart("bars", name, name, [{"type": "bar", "x": [name], "y": [1], "name": name}], {"title": {"text": name}})
    explorer = Explorer("explorer", name, name, "rows", [1, 0], [name, name], (0, 1), 0, {"0-1": [0]})
    return [
        table,
        chart,
        Facts(name, [name, name], [[name, name]], [False, True], name),
        Lines([name, f"note: {name}"]),
        explorer,
    ]


class Elements(HTMLParser):
    """Elements of a page with their attributes, and its texts outside of scripts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def parsed(text: str) -> Elements:
    elements = Elements()
    elements.feed(text)
    return elements


def test_hostile_names_make_no_element_and_stay_as_they_are() -> None:
    hostile, plain = (parsed(page_html(page_of(*every_block(name)))) for name in (HOSTILE, "plain"))
    assert [tag for tag, _ in hostile.found] == [tag for tag, _ in plain.found]
    assert [tag for tag, _ in hostile.found].count("script") == 4
    assert not any(name.startswith("on") for _, attributes in hostile.found for name in attributes)
    assert hostile.texts.count(HOSTILE) >= 10


def test_the_page_forbids_network_and_has_a_language_a_skip_link_and_headings() -> None:
    text = page_html(page_of(*every_block()))
    elements = parsed(text).found
    policy = next(each["content"] for tag, each in elements if tag == "meta" and "http-equiv" in each)
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy
    assert ("html", {"lang": "en"}) in elements
    assert next(each["href"] for tag, each in elements if tag == "a") == "#content"
    loads = ("src", "href", "data", "srcset", "action")
    addresses = [each[name] for _, each in elements for name in loads if name in each]
    assert all(address is not None and address.startswith("#") for address in addresses)
    assert [tag for tag, _ in elements if re.fullmatch(r"h\d", tag)] == ["h1", "h2", "h3", "h3", "h3", "h3"]
    ids = [each["id"] for _, each in elements if "id" in each]
    assert len(ids) == len(set(ids))
    referred = [each[name] for _, each in elements for name in ("aria-labelledby", "aria-describedby") if name in each]
    assert set(referred) <= set(ids)


def test_the_data_of_the_page_are_those_of_the_blocks() -> None:
    page = page_of(*every_block())
    found = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', page_html(page), re.DOTALL)
    assert found is not None
    data = json.loads(found.group(1))
    assert data == json.loads(json.dumps(page_data(page)))
    assert data["tables"]["rows"]["columns"][1] == {"title": "time", "numeric": True, "unit": "s", "cells": [0.1, 2]}
    assert data["charts"]["bars"]["data"][0]["x"] == [HOSTILE]


def test_numbers_keep_their_precision_and_json_has_no_nan() -> None:
    values = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, 2**53, -1 / 3]
    assert json.loads(script_json(values)) == values
    assert json.loads(script_json([math.nan, math.inf, -math.inf])) == [None, "Infinity", "-Infinity"]
    assert "<" not in script_json(["<", {"<": "<"}])


def test_a_column_of_few_distinct_cells_has_each_of_them_once() -> None:
    cells = [3, 3.5, None, "3", 3] * 4
    rows: list[list[float | int | str | None]] = [[each, index] for index, each in enumerate(cells)]
    table = Table("rows", "rows", [Column("few"), Column("all", True)], rows)
    few, every = page_data(page_of(table))["tables"]["rows"]["columns"]
    assert [few["values"][at] for at in few["at"]] == cells
    assert few["values"] == [3, 3.5, None, "3"]
    assert every["cells"] == [*range(20)]
