"""Sections of several results: their figures side by side, and what differs between each of them and the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pimsim.base.units import dimension_of_key
from pimsim.config.schema import Config
from pimsim.present.report.page_blocks import Block, Column, Section, Table
from pimsim.present.report.printed_blocks import printed_blocks
from pimsim.present.report.result_files import Labelled
from pimsim.present.report.row_tables import Cell, cell, row_table
from pimsim.present.report.run_sections import run_bars
from pimsim.present.text.catalog_report import value_text
from pimsim.present.text.difference_report import print_difference
from pimsim.present.text.recording import recorded
from pimsim.results.run_result import RunResult
from pimsim.results.store import read_git_revision
from pimsim.studies.accuracy.accuracy_study import AccuracyStudy
from pimsim.studies.cluster.cluster_result import ClusterResult
from pimsim.studies.comparison.comparison_result import ComparisonResult
from pimsim.studies.difference.key_differences import key_differences, shipped_values
from pimsim.studies.difference.run_diff import between
from pimsim.studies.difference.run_difference import Side
from pimsim.studies.serving.serving_result import ServingResult
from pimsim.studies.sweep.table.sweep_results import SweepResults


def side_by_side(results: Sequence[Labelled]) -> list[Section]:
    """Return the sections that compare several results.

    Args:
        results: At least two results.

    Returns:
        Figures side by side of results of the same kind, and the differences of each result from the first one of its
        kind, as `pimsim diff` says them for runs.
    """
    found: list[Section] = []
    kinds = dict.fromkeys(type(each.result) for each in results)
    for number, kind in enumerate(kinds):
        own = [each for each in results if type(each.result) is kind]
        if len(own) > 1:
            found += _of_a_kind(own, number)
    return found


def _of_a_kind(results: Sequence[Labelled], number: int) -> list[Section]:
    blocks: list[Block] = []
    runs = [(each.label, each.result) for each in results if isinstance(each.result, RunResult)]
    if runs:
        blocks += run_bars(runs)
    if figures := _figures(results, number):
        blocks.append(figures)
    sections = [Section(f"side-by-side-{number}", "Side by side", blocks)] if blocks else []
    first = results[0]
    for index, other in enumerate(results[1:], 1):
        name = f"difference-{number}-{index}"
        title = f"Differences: {other.label} against {first.label}"
        if of_both := _difference(first, other, name):
            sections.append(Section(name, title, of_both))
    return sections


def _figures(results: Sequence[Labelled], number: int) -> Table | None:
    """Return the headline figures of results of one kind, a row per figure; None for kinds without them."""
    summaries = [_summary(each) for each in results]
    keys = list(dict.fromkeys(key for summary in summaries for key in summary))
    if not keys:
        return None
    rows: list[list[Cell]] = []
    for key in keys:
        values = [cell(summary.get(key)) for summary in summaries]
        first, *others = values
        ratios = [
            other / first if isinstance(other, int | float) and isinstance(first, int | float) and first else None
            for other in others
        ]
        dimension = dimension_of_key(key)
        unit = dimension.symbols[0][0] if dimension and any(isinstance(each, int | float) for each in values) else ""
        words = key.removesuffix(f"_{dimension.suffix}") if dimension and unit else key
        rows.append([words.replace("_", " "), unit, *values, *ratios])
    columns = [
        *(Column("figure"), Column("unit"), *(Column(each.label, numeric=True) for each in results)),
        *(Column(f"{each.label} / {results[0].label}", numeric=True) for each in results[1:]),
    ]
    note = "Numbers are in SI units without a prefix; ratios are to the first result."
    return Table(f"figures-{number}", "Headline figures", columns, rows, note)


def _summary(each: Labelled) -> Mapping[str, Any]:
    match each.result:
        case RunResult() | ServingResult() | ClusterResult():
            return _flat(each.result.summary())
        case AccuracyStudy():
            return {} if each.result.base is None else each.result.base.flat()
        case _:
            return {}


def _flat(summary: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in summary.items():
        if isinstance(value, Mapping):
            head, _, unit = key.rpartition("_")
            found |= {f"{head} {name}_{unit}": each for name, each in value.items() if name != "count"}
        else:
            found[key] = value
    return found


def _difference(first: Labelled, other: Labelled, name: str) -> list[Block]:
    one, two = first.result, other.result
    if isinstance(one, RunResult) and isinstance(two, RunResult):
        origins = (lambda: shipped_values(one.config.name), lambda: shipped_values(two.config.name))
        found = between(_side(first), _side(other), origins)
        rows = list(found.rows())
        whole = [row_table(f"{name}-shares", "All shares of the difference", rows, hidden=True)] if rows else []
        return [*printed_blocks(recorded(print_difference, found)), *whole]
    ours, theirs = config_of(first), config_of(other)
    if ours is None or theirs is None:
        return []
    rows_of_keys: list[list[Cell]] = [
        [
            *(each.key, value_text(each.key, each.first), value_text(each.key, each.second)),
            *(each.first_origin.source, each.second_origin.source),
        ]
        for each in key_differences(ours, theirs)
    ]
    columns = [Column(each) for each in ("key", first.label, other.label)]
    columns += [Column("source, first"), Column("source, second")]
    if not rows_of_keys:
        return []
    return [Table(f"{name}-keys", "Keys of the configs that differ", columns, rows_of_keys)]


def _side(each: Labelled) -> Side:
    assert isinstance(each.result, RunResult)
    return Side(each.label, each.result, read_git_revision(each.source) if each.source else "")


def config_of(each: Labelled) -> Config | None:
    """Return the config of a result.

    Args:
        each: The result.

    Returns:
        The config, of a comparison that of its baseline and of a sweep its base; None for a system of several machines.
    """
    match each.result:
        case ClusterResult():
            return None
        case AccuracyStudy():
            return each.result.points[0].result.config
        case RunResult() | ServingResult() | ComparisonResult() | SweepResults():
            return each.result.config
