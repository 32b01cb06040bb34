"""Pages of all kinds of results: figures that Plotly accepts, unique names, and what several results share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pimsim import ComparisonResult, ServingResult, SweepResults, report
from pimsim.base.errors import ResultFileError
from pimsim.base.output_guard import report as is_report
from pimsim.present.report.page import page_data, script_json
from pimsim.present.report.page_blocks import Block, Chart, Explorer, Facts, Lines, Page, Table
from pimsim.present.report.report_file import page_of
from pimsim.present.report.result_files import labelled
from pimsim.results.run_result import RunResult
from pimsim.results.store import write_result
from pimsim.studies.accuracy.accuracy_study import AccuracyStudy
from tests.support.activity_files import activity_file

plotly = pytest.importorskip("plotly.graph_objects")
pytest.importorskip("itables")


@pytest.fixture(scope="module")
def page(
    pim: RunResult,
    tpu: RunResult,
    compared: ComparisonResult,
    served: ServingResult,
    swept: SweepResults,
    study: AccuracyStudy,
) -> Page:
    return page_of(labelled([pim, tpu, compared, served, swept, study]))


def blocks(page: Page, kind: type[Any]) -> list[Any]:
    return [block for section in page.sections for block in section.blocks if isinstance(block, kind)]


def test_plotly_accepts_every_chart(page: Page) -> None:
    charts: list[Chart] = blocks(page, Chart)
    assert len(charts) > 20
    for chart in charts:
        figure = plotly.Figure(data=list(chart.data), layout=chart.layout)  # refuses unknown keys and wrong values
        assert len(figure.data) == len(chart.data) > 0
        assert chart.description.endswith(".")
        assert len(chart.description) > 30


def test_names_are_unique_and_data_are_json(page: Page) -> None:
    named: list[Block] = [*blocks(page, Chart), *blocks(page, Table), *blocks(page, Explorer)]
    names = [block.name for block in named if isinstance(block, Chart | Table | Explorer)]
    names += [section.name for section in page.sections]
    assert len(names) == len(set(names))
    assert len(script_json(page_data(page))) < 2_000_000
    [explorer] = blocks(page, Explorer)
    assert explorer.table in {table.name for table in blocks(page, Table)}


def test_rows_are_as_long_as_their_columns(page: Page) -> None:
    for table in blocks(page, Table):
        assert {len(row) for row in table.rows} <= {len(table.columns)}, table.name


def test_several_runs_have_what_the_terminal_says_of_their_difference(
    page: Page, pim: RunResult, tpu: RunResult
) -> None:
    assert page.sections[0].title == "Side by side"
    [difference] = [section for section in page.sections if section.title.startswith("Differences: tpu-llm against ")]
    texts = [text for block in difference.blocks if isinstance(block, Lines) for text in block.texts]
    assert any("mapping.projections: crossbar -> systolic" in text for text in texts)
    titles = [block.title for block in difference.blocks if isinstance(block, Facts)]
    assert {"Time by kind of work", "Energy by action", "Area by component", "Ops"} <= set(titles)
    [figures] = [table for table in blocks(page, Table) if table.name == "figures-0"]
    latency = next(row for row in figures.rows if row[0] == "latency")
    assert latency[1:] == ["s", pim.latency_s, tpu.latency_s, tpu.latency_s / pim.latency_s]


def test_a_report_is_written_from_python_and_known_again(pim: RunResult, tmp_path: Path) -> None:
    page, stored = tmp_path / "page.html", tmp_path / "run.h5"
    report(pim, page)
    assert is_report(page)
    of_memory = page.read_text(encoding="utf-8")
    assert "of 1 result in memory" in of_memory
    write_result(pim, stored)
    report(stored, page)
    of_file = page.read_text(encoding="utf-8")
    assert of_file.replace(f"of {stored}", "of 1 result in memory") == of_memory
    page.write_text("<!DOCTYPE html>", encoding="utf-8")
    assert not is_report(page)


def test_two_results_of_one_name_have_labels_of_their_own(pim: RunResult) -> None:
    assert [each.label for each in labelled([pim, pim])] == ["pim-llm (1)", "pim-llm (2)"]


def test_what_a_report_does_not_show_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ResultFileError, match=r"holds an activity that pimsim array measured.*pimsim report shows runs"
    ):
        report(activity_file(), tmp_path / "page.html")
