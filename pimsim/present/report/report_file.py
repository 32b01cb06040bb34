"""Report of results as one file: the sections of each kind of result, and the page that they make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pimsim.base.files import write_text
from pimsim.base.summaries import counted
from pimsim.present.report.blocks import Page, Section
from pimsim.present.report.bundles import require_bundles
from pimsim.present.report.config_section import config_section
from pimsim.present.report.page import page_html
from pimsim.present.report.result_files import Labelled, Result, labelled
from pimsim.present.report.run_sections import run_sections
from pimsim.results.run_result import RunResult
from pimsim.version import __version__


def report(results: Result | str | Path | Sequence[Result | str | Path], path: str | Path = "report.html") -> None:
    """Write a report of results as one HTML page that needs no network.

    Args:
        results: A result or several: of `simulate`, `compare`, `serve`, an accuracy study, a sweep or a search, or
            files of them. Several results are shown side by side.
        path: File to write; an existing one is replaced.

    Raises:
        MissingExtraError: If the extra `report` is not installed.
        ResultFileError: If a file cannot be read.
        OutputError: If the page cannot be written.

    Example:
        >>> from pimsim import load_config, report, simulate  # doctest: +SKIP
        >>> report(simulate(load_config("pim-llm")), "report.html")  # doctest: +SKIP
    """
    require_bundles()
    several = results if isinstance(results, Sequence) and not isinstance(results, str) else [results]
    write_text(Path(path), page_html(page_of(labelled(several))))


def page_of(results: Sequence[Labelled]) -> Page:
    """Return the page of results.

    Args:
        results: At least one result with its label.

    Returns:
        The page.
    """
    if len(results) == 1:
        sections = sections_of(results[0].result)
        return Page(
            sections[0].title, _made(results), [Section("headline", "Headline", sections[0].blocks), *sections[1:]]
        )
    found: list[Section] = []
    for number, each in enumerate(results, 1):
        found += [_renamed(section, number, each.label) for section in sections_of(each.result)]
    return Page(f"{len(results)} results side by side", _made(results), found)


def sections_of(result: Result) -> list[Section]:
    """Return the sections of one result, of which the first has the title of the result.

    Args:
        result: The result.

    Returns:
        Sections in order.
    """
    assert isinstance(result, RunResult)
    return [*run_sections(result), config_section(result.config)]


def _renamed(section: Section, number: int, label: str) -> Section:
    return Section(f"r{number}-{section.name}", f"{label}: {section.title}", section.blocks)


def _made(results: Sequence[Labelled]) -> str:
    files = [each.source for each in results if each.source]
    of = f", of {', '.join(files)}" if files else f", of {counted(len(results), 'result')} in memory"
    return f"Made by pimsim {__version__}{of}."
