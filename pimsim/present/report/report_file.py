"""Report of results as one file: the sections of each kind of result, and the page that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pimsim.base.files import write_text
from pimsim.base.summaries import counted
from pimsim.present.report.accuracy_sections import accuracy_sections
from pimsim.present.report.bundles import require_bundles
from pimsim.present.report.comparison_sections import comparison_sections
from pimsim.present.report.config_section import config_section
from pimsim.present.report.page import page_html
from pimsim.present.report.page_blocks import Block, Chart, Explorer, Page, Section, Table
from pimsim.present.report.result_files import Labelled, Result, labelled
from pimsim.present.report.run_sections import run_sections
from pimsim.present.report.serving_sections import cluster_sections, serving_sections
from pimsim.present.report.side_by_side import side_by_side
from pimsim.results.run_result import RunResult
from pimsim.studies.accuracy.accuracy_study import AccuracyStudy
from pimsim.studies.cluster.cluster_result import ClusterResult
from pimsim.studies.comparison.comparison_result import ComparisonResult
from pimsim.studies.serving.serving_result import ServingResult
from pimsim.studies.sweep.table.sweep_results import SweepResults
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
        The page. That of several results compares them first; names of their own parts begin with r1-, r2- and so on.
    """
    if len(results) == 1:
        first, *rest = sections_of(results[0].result)
        return Page(first.title, _made(results), [Section("headline", "Headline", first.blocks), *rest])
    found = side_by_side(results)
    for number, each in enumerate(results, 1):
        found += [_renamed(section, number, each.label) for section in sections_of(each.result)]
    return Page(f"{len(results)} results: {', '.join(each.label for each in results)}", _made(results), found)


def sections_of(result: Result) -> list[Section]:
    """Return the sections of one result, of which the first has the title of the result.

    Args:
        result: The result.

    Returns:
        Sections in order.
    """
    match result:
        case RunResult():
            found = run_sections(result)
        case ComparisonResult():
            found = comparison_sections(result)
        case ServingResult():
            found = serving_sections(result)
        case ClusterResult():
            found = cluster_sections(result)
        case AccuracyStudy():
            found = accuracy_sections(result)
        case SweepResults():
            from pimsim.present.report.sweep_sections import sweep_sections  # needs pandas

            found = sweep_sections(result)
    return [*found, *_configs(result)]


def _configs(result: Result) -> list[Section]:
    match result:
        case ClusterResult():
            roles = enumerate(result.system.machines.items())
            return [config_section(config, f"config-{index}", f"Config of {role}") for index, (role, config) in roles]
        case ComparisonResult():
            return [config_section(result.config, title=f"Config of {result.baseline}")]
        case AccuracyStudy():
            return [config_section(result.points[0].result.config)]
        case SweepResults():
            return [config_section(result.config, title="Base config")]
        case _:
            return [config_section(result.config)]


def _renamed(section: Section, number: int, label: str) -> Section:
    """Return a section of one of several results: the names of its parts are unique in the page."""

    def named(block: Block) -> Block:
        match block:
            case Chart() | Table():
                return replace(block, name=f"r{number}-{block.name}")
            case Explorer():
                return replace(block, name=f"r{number}-{block.name}", table=f"r{number}-{block.table}")
            case _:
                return block

    title = section.title if section.name == "headline" else f"{label}: {section.title}"
    return Section(f"r{number}-{section.name}", title, [named(block) for block in section.blocks])


def _made(results: Sequence[Labelled]) -> str:
    files = [each.source for each in results if each.source]
    of = f", of {', '.join(files)}" if files else f", of {counted(len(results), 'result')} in memory"
    return f"Made by pimsim {__version__}{of}."
