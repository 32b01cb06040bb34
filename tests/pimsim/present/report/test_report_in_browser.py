"""The page in headless Chromium: charts are drawn, tables sort and filter, and every number is that of the results."""

from __future__ import annotations

import json
import math
from typing import Any, TypeVar

import pytest

from pimsim import ComparisonResult, ServingResult, SweepResults
from pimsim.base.units import ps_to_s
from pimsim.present.report.page import page_html, script_json
from pimsim.present.report.page_blocks import Block, Chart, Facts, Lines, Page, Table
from pimsim.present.report.report_file import page_of
from pimsim.present.report.result_files import labelled
from pimsim.present.report.sweep_sections import points_table
from pimsim.results.run_result import RunResult
from pimsim.results.store import read_result, write_result
from pimsim.studies.accuracy.accuracy_study import AccuracyStudy
from tests.support.browser import chromium, in_browser

pytest.importorskip("plotly")
pytest.importorskip("itables")

pytestmark = pytest.mark.timeout(600)

Kind = TypeVar("Kind", bound=Block)
PREFIXES = {
    "": 1.0,
    **{prefix: 1e3**power for power, prefix in enumerate("kMGTPE", 1)},
    **{prefix: 1e-3**power for power, prefix in enumerate("mµnpfa", 1)},
    **{f"{prefix}i": 1024.0**power for power, prefix in enumerate("KMGTP", 1)},
}
FOUR_DIGITS = 5.001e-4
"""Largest relative error of a number that is rounded to four digits."""

LOOK = """
const {tables} = window.pimsimReport;
const api = (name) => tables.find((each) => each.name === name).api;
const APPLIED = {search: "applied", order: "applied"};
const column = (name, index) => api(name).rows(APPLIED).data().toArray().map((row) => row[index]);
const shown = (name) => [...document.querySelectorAll(`#${CSS.escape(name)} tbody tr`)].map(
  (row) => [...row.cells].map((cell) => cell.textContent));
const plots = [...document.querySelectorAll(".plot")].map((plot) => ({
  name: plot.id, drawn: plot.querySelectorAll("svg path").length, outside: plot.scrollWidth - plot.clientWidth,
  data: plot.data.map(({name, x, y, z}) => ({name, x, y, z})), all: JSON.parse(JSON.stringify(plot.data)),
}));
const heading = (name, index) => document.querySelectorAll(`#${CSS.escape(name)} thead th`)[index];
const click = (name, index) => (heading(name, index).querySelector("[role=button]") ?? heading(name, index))
  .dispatchEvent(new MouseEvent("click", {bubbles: true}));
const filter = (name, index, text) => {
  const input = document.querySelectorAll(`#${CSS.escape(name)} .filters input`)[index];
  input.value = text;
  input.dispatchEvent(new Event("input", {bubbles: true}));
};
for (const each of document.querySelectorAll("details:not([data-values])")) each.open = true;
await new Promise((done) => setTimeout(done, 200));
const found = {plots, rows: {}, sorted: {}, filtered: {}, shown: {}};
for (const {name, api: each} of tables) if (name) found.rows[name] = each.rows({order: "index"}).data().toArray();
const texts = (parent, selector) => [...parent.querySelectorAll(selector)].map((each) => each.textContent);
found.facts = [...document.querySelectorAll("table.facts")].map(
  (table) => [...table.tBodies[0].rows].map((row) => texts(row, "th, td")));
found.lines = [...document.querySelectorAll("ul.lines")].map((list) => texts(list, "li"));
found.cells = {};
for (const {name, api: each} of tables) if (name) found.cells[name] = shown(name);
found.shown.time = shown("r1-time-by-kind");
click("r1-time-by-kind", 1);
await new Promise((done) => setTimeout(done, 50));
found.sorted.down = column("r1-time-by-kind", 1);
found.sorted.aria = heading("r1-time-by-kind", 1).getAttribute("aria-sort");
click("r1-time-by-kind", 1);
await new Promise((done) => setTimeout(done, 50));
found.sorted.up = column("r1-time-by-kind", 1);
filter("r1-time-by-kind", 1, "> 1 ms");
found.filtered.above = column("r1-time-by-kind", 1);
filter("r1-time-by-kind", 1, "");
filter("r1-time-by-kind", 0, "SRA");
found.filtered.text = column("r1-time-by-kind", 0);
const values = document.querySelector("[data-values=latency]");
values.open = true;
await new Promise((done) => setTimeout(done, 200));
found.values = [...values.querySelectorAll("tbody tr")].length;
const [across, up] = document.querySelectorAll("[data-explorer] select");
[across.value, up.value] = ["1", "3"];
up.dispatchEvent(new Event("change"));
await new Promise((done) => setTimeout(done, 200));
const {data} = document.querySelector("[data-explorer] .plot");
found.chosen = data.map(({name, x, y, customdata}) => ({name, x, y, customdata}));
found.status = document.querySelector("[data-explorer] [role=status]").textContent;
return found;
"""


@pytest.fixture(scope="module")
def run(pim: RunResult, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    path = tmp_path_factory.mktemp("stored") / "run.h5"
    write_result(pim, path)
    return read_result(path)


@pytest.fixture(scope="module")
def page(
    run: RunResult,
    tpu: RunResult,
    compared: ComparisonResult,
    served: ServingResult,
    swept: SweepResults,
    study: AccuracyStudy,
) -> Page:
    """One page with results of all kinds."""
    chromium()
    return page_of(labelled([run, tpu, compared, served, swept, study]))


@pytest.fixture(scope="module")
def seen(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the browser shows of the page; its numbers are those of JavaScript."""
    return in_browser(page_html(page), LOOK, tmp_path_factory.mktemp("browser"))


def plots(seen: Any) -> dict[str, Any]:
    return {each["name"]: each for each in seen["plots"]}


def test_every_chart_is_drawn_within_the_page(seen: Any) -> None:
    names = set(plots(seen))
    assert {"latency", "energy", "area", "r1-latency", "r2-area", "r1-layer-timeline", "r1-roofline"} <= names
    assert {"r3-bars-latency-s", "r4-request-times", "r5-explorer", "r5-parallel", "r6-snr", "r6-varied-0"} <= names
    assert [each["name"] for each in seen["plots"] if each["drawn"] < 10] == []
    assert [each["name"] for each in seen["plots"] if each["outside"] > 1] == []


def blocks(page: Page, kind: type[Kind]) -> list[Kind]:
    return [block for section in page.sections for block in section.blocks if isinstance(block, kind)]


def test_every_cell_of_every_table_is_that_of_the_page(page: Page, seen: Any) -> None:
    tables = {table.name: table for table in blocks(page, Table)}
    assert set(tables) == set(seen["rows"])
    for name, table in tables.items():
        assert seen["rows"][name] == [[of_json(cell) for cell in row] for row in table.rows], name


def test_every_number_of_every_chart_is_that_of_the_page(page: Page, seen: Any) -> None:
    found = plots(seen)
    for chart in blocks(page, Chart):
        given, drawn = of_json(chart.data), found[chart.name]["all"]
        assert len(given) == len(drawn), chart.name
        for index, (mine, theirs) in enumerate(zip(given, drawn, strict=True)):
            differing = [key for key, value in mine.items() if numbers(value) and theirs.get(key) != value]
            assert differing == [], (chart.name, index)


def test_every_fact_and_sentence_is_shown_in_full(page: Page, seen: Any) -> None:
    expected = [[[cell.strip() for cell in row] for row in facts.rows] for facts in blocks(page, Facts)]
    assert seen["facts"] == expected
    assert seen["lines"] == [list(lines.texts) for lines in blocks(page, Lines)]


def test_every_shown_number_is_that_of_its_cell(page: Page, seen: Any) -> None:
    compared = 0
    for table in blocks(page, Table):
        shown = seen["cells"][table.name]
        for row, cells in zip(table.rows, shown, strict=False):  # the first rows only: a table has pages
            for column, value, text in zip(table.columns, row, cells, strict=True):
                if isinstance(value, float) and math.isfinite(value):
                    assert near_text(value, text, column.unit), (table.name, column.title, value, text)
                    compared += 1
    assert compared > 500


def of_json(value: Any) -> Any:
    return json.loads(script_json(value))


def numbers(value: Any) -> bool:
    """Whether a value has a number in it."""
    if isinstance(value, dict):
        return any(map(numbers, value.values()))
    return any(map(numbers, value)) if isinstance(value, list) else isinstance(value, (int, float))


def near_text(value: float, text: str, unit: str) -> bool:
    """Whether a shown number is a value with four digits, with a prefix before its unit."""
    number, _, shown_unit = text.partition(" ")
    scale = PREFIXES[shown_unit.removesuffix(unit.replace("^2", "²"))] ** (2 if unit == "m^2" else 1)
    return math.isclose(float(number.replace(",", "")) * scale, value, rel_tol=FOUR_DIGITS)


def test_a_click_sorts_and_a_filter_selects(run: RunResult, seen: Any) -> None:
    times = [ps_to_s(each) for each in run.parts_ps.values()]
    assert seen["sorted"]["down"] == sorted(times, reverse=True)
    assert seen["sorted"]["aria"] == "descending"
    assert seen["sorted"]["up"] == sorted(times)
    assert sorted(seen["filtered"]["above"]) == sorted(each for each in times if each > 1e-3)
    assert seen["filtered"]["text"] == ["SRAM"]
    assert seen["values"] > 0


def test_cells_are_shown_with_few_digits_and_a_prefix(run: RunResult, seen: Any) -> None:
    [cells] = [each for each in seen["shown"]["time"] if each[0] == "SRAM"]
    assert cells[1] == f"{ps_to_s(run.parts_ps['sram']) * 1e3:.4g} ms"
    assert cells[2] == f"{100 * run.parts_ps['sram'] / run.latency_ps:.4g}"


def test_the_numbers_of_tables_are_those_of_the_results(
    run: RunResult, served: ServingResult, swept: SweepResults, compared: ComparisonResult, seen: Any
) -> None:
    rows = seen["rows"]
    energies = {f"{row[0]}.{row[1]}": row[4] for row in rows["r1-energy-by-action"]}
    assert energies == {action.replace("_", " "): each for action, each in run.energies_j.items()}
    busy = {row[0]: (row[2], row[4]) for row in rows["r1-components"]}
    assert busy == {each.name: (ps_to_s(each.busy_ps), run.component_energy_j(each.name)) for each in run.components}
    assert rows["r1-by-op"] == [list(row.values()) for row in run.by_op()]
    assert rows["r4-requests"] == [list(row.values()) for row in served.request_rows()]
    assert rows["r5-points"] == [list(row) for row in points_table(swept).rows]
    speeds = [row["tokens_per_s"] for row in compared.table_rows()]
    shown = json.loads(json.dumps(rows["r3-comparison-rows"]))
    assert any([row[index] for row in shown] == speeds for index in range(len(shown[0])))
    side = {row[0]: row[2:4] for row in rows["figures-0"]}
    assert side["latency"][0] == run.latency_s
    assert side["energy"][0] == run.energy_j


def test_the_numbers_of_charts_are_those_of_the_results(
    run: RunResult, tpu: RunResult, served: ServingResult, study: AccuracyStudy, seen: Any
) -> None:
    found = plots(seen)
    bars = {trace["name"]: trace["x"] for trace in found["latency"]["data"]}
    assert bars["SRAM"] == [ps_to_s(each.parts_ps.get("sram", 0)) for each in (run, tpu)]
    first = next(trace for trace in found["r4-request-times"]["data"] if trace["name"] == "time to first token")
    assert first["x"] == sorted(ps_to_s(each.ttft_ps) for each in served.requests)
    assert study.base is not None
    snr = {
        (x, y): z
        for trace in found["r6-snr"]["data"]
        for y, line in zip(trace["y"], trace["z"], strict=True)
        for x, z in zip(trace["x"], line, strict=True)
    }
    assert {(site.layer, site.role): site.snr_db for site in study.base.sites}.items() <= snr.items()
    assert found["r6-varied-0"]["data"][0]["y"] == [point.result.perplexity.mean for point in study.of("adc-bits")]


def test_chosen_columns_are_drawn_with_their_front(swept: SweepResults, seen: Any) -> None:
    names = [metric.name for metric in swept.metrics if not metric.name.startswith("spilled")]
    across, up = swept.columns[names[1]], swept.columns[names[3]]
    good = [index for index, each in enumerate(across) if not math.isnan(each)]
    *groups, front = seen["chosen"]
    assert front["name"] == "front"
    drawn = {
        index: point
        for trace in groups
        for index, *point in zip(trace["customdata"], trace["x"], trace["y"], strict=True)
    }
    assert drawn == {index: [across[index], up[index]] for index in good}
    best = [i for i in good if not any(_dominates((across[j], up[j]), (across[i], up[i])) for j in good)]
    assert front["customdata"] == best
    assert (
        seen["status"]
        == f"{len(good)} points, {len(across) - len(good)} without these values, {len(best)} on the front of the two"
    )


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Less energy and more tokens/s are better."""
    return one[0] <= other[0] and one[1] >= other[1] and one != other
