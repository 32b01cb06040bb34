"""Output of `pimsim run` and `pimsim show`: the files that are asked for, and tables or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pimsim.cli.plot_options import chosen_style
from pimsim.cli.written_files import say_written

if TYPE_CHECKING:
    from pimsim.cli.options import Breakdown
    from pimsim.results.explanation import Explanation
    from pimsim.results.run_result import RunResult
    from pimsim.studies.memory_wall.roofline_result import Roofline
    from pimsim.studies.ranges.ranges_result import RangesResult
    from pimsim.studies.what_if.improvements import Improvements


def check_run_outputs(
    inputs: Sequence[str | Path | None],
    *,
    timeline: Path | None,
    csv: Path | None,
    plots: Path | None,
    out: Path | None = None,
    force: bool,
) -> None:
    """Check before a run that its files can be written and destroy nothing.

    Args:
        inputs: Files that the command reads.
        timeline: File for the timeline; None means no timeline.
        csv: File for a table; None means no table.
        plots: Folder for the plots; None means no plots.
        out: File for the whole result; None means no such file.
        force: Whether to replace any existing file.

    Raises:
        OutputError: If a file cannot be written, or would be lost.
    """
    from pimsim.base import output_guard as guard

    tables = guard.table(
        "block,repeat,op,", "op,kind,count,", "block,index,", "context_length,latency_s,", "figure,point,"
    )
    outputs = (
        guard.Output("--timeline", timeline, guard.timeline),
        guard.Output("--csv", csv, tables),
        guard.Output("--out", out, guard.result("pimsim-result")),
    )
    guard.check_outputs(outputs, inputs, force=force)
    guard.check_plots(plots, ("run-latency", "run-energy", "run-area", "generation"), force=force)


def present_run(
    result: RunResult,
    *,
    explain: bool,
    by: Breakdown | None,
    timeline: Path | None,
    json: bool,
    csv: Path | None,
    plots: Path | None,
    rerun: bool,
    ranges: RangesResult | None = None,
) -> None:
    """Write the files of a run that are asked for, then print the run.

    Args:
        result: Result of the run.
        explain: Whether to explain the latency.
        by: What to break time and energy down by; None means no such table.
        timeline: File for the timeline; None means no timeline.
        json: Whether to print JSON instead of tables.
        csv: File for the table of ops, or for the rows of `by`; None means no table.
        plots: Folder for the plots; None means no plots.
        rerun: Whether an explanation may run the chip again, with one key changed at a time.
        ranges: Intervals of the figures, which the table of `csv` then has; None means none.

    Raises:
        OutputError: If a file cannot be written.
    """
    from pimsim.present.formats import to_json

    _write_files(result, by, timeline, csv, plots, ranges)
    explanation = improvements = bounds = None
    if explain:
        from pimsim.results.explanation import explain as explain_run

        explanation = explain_run(result)
        bounds = _bounds(result, rerun=rerun)
        if rerun:
            from pimsim.studies.what_if.improvement_search import find_improvements

            improvements = find_improvements(result)
    if json:
        extra: dict[str, object] = {} if explanation is None else {"explanation": explanation.to_dict()}
        if bounds is not None:
            extra["roofline"] = bounds.to_dict()
        if improvements is not None:
            extra["improvements"] = improvements.to_dict()
        if by is not None:
            from pimsim.results.breakdown import BREAKDOWNS

            extra[f"by_{by}"] = BREAKDOWNS[by](result)
        if ranges is not None:
            extra["ranges"] = ranges.to_dict()
        typer.echo(to_json(result.to_dict() | extra))
        return
    _print_tables(result, by, explanation, bounds, improvements)
    if ranges is not None:
        _print_ranges(ranges, explain=explain)
    rows = "intervals" if ranges is not None else "ops" if by is None else f"rows, one per {by}"
    say_written((timeline, "a timeline for ui.perfetto.dev"), (csv, f"the table of {rows}"), (plots, "all plots"))


def _bounds(result: RunResult, *, rerun: bool) -> Roofline | None:
    """Return the roofline of a run; None for a loading of weights, and for a stored result whose plugins may be absent.

    Args:
        result: The run.
        rerun: Whether the run was made by this command.

    Returns:
        The roofline, or None.
    """
    if result.phase == "load" or not (rerun or not result.config.machine.outside):
        return None
    from pimsim.studies.memory_wall.roofline_study import roofline

    return roofline(result)


def _print_tables(
    result: RunResult,
    by: Breakdown | None,
    explanation: Explanation | None,
    bounds: Roofline | None,
    improvements: Improvements | None,
) -> None:
    from pimsim.present.text.run_report import print_run

    print_run(result)
    if by is not None:
        from pimsim.present.text.breakdown_report import print_breakdown

        typer.echo()
        print_breakdown(result, by)
    if explanation is not None:
        from pimsim.present.text.explanation_report import print_explanation

        typer.echo()
        print_explanation(explanation)
    if bounds is not None:
        from pimsim.present.text.roofline_report import print_bounds

        typer.echo()
        print_bounds(bounds)
    if improvements is not None:
        from pimsim.present.text.improvements_report import print_improvements

        typer.echo()
        print_improvements(improvements)


def _print_ranges(ranges: RangesResult, *, explain: bool) -> None:
    from pimsim.present.text.ranges_report import print_ranges, print_shares

    typer.echo()
    print_ranges(ranges)
    if explain:
        typer.echo()
        print_shares(ranges)


def _write_files(
    result: RunResult,
    by: Breakdown | None,
    timeline: Path | None,
    csv: Path | None,
    plots: Path | None,
    ranges: RangesResult | None,
) -> None:
    """Write the files that are asked for; the arguments are those of `present_run`."""
    if timeline is not None:
        from pimsim.results.timeline import write_timeline

        write_timeline(result, timeline)
    if csv is not None:
        from pimsim.base.files import write_text
        from pimsim.present.formats import to_csv
        from pimsim.results.breakdown import BREAKDOWNS

        rows = result.op_rows() if by is None else BREAKDOWNS[by](result)
        write_text(csv, to_csv(rows if ranges is None else ranges.interval_rows()))
    if plots is not None:
        from pimsim.present.plots import run_plots, write_plots

        write_plots(plots, run_plots(result, by), chosen_style())
