"""Output of `pimsim run` and `pimsim show`: the files that are asked for, and tables or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pimsim.results.run_result import RunResult


def present_run(
    result: RunResult, explain: bool, timeline: Path | None, json: bool, csv: Path | None, plots: Path | None
) -> None:
    """Write the files of a run that are asked for, then print the run.

    Args:
        result: Result of the run.
        explain: Whether to explain the latency.
        timeline: File for the timeline; None means no timeline.
        json: Whether to print JSON instead of tables.
        csv: File for the table of ops; None means no table.
        plots: Folder for the plots; None means no plots.

    Raises:
        OutputError: If a file cannot be written.
    """
    from pimsim.base.files import write_text
    from pimsim.present.formats import to_csv, to_json
    from pimsim.present.text.run_report import print_run

    if timeline is not None:
        from pimsim.results.timeline import write_timeline

        write_timeline(result, timeline)
    if csv is not None:
        write_text(csv, to_csv(result.op_rows()))
    if plots is not None:
        from pimsim.present.plots import run_plots, write_plots

        write_plots(plots, run_plots(result))
    explanation = None
    if explain:
        from pimsim.results.explanation import explain as explain_run

        explanation = explain_run(result)
    if json:
        extra = {} if explanation is None else {"explanation": explanation.to_dict()}
        typer.echo(to_json(result.to_dict() | extra))
        return
    print_run(result)
    if explanation is not None:
        from pimsim.present.text.explanation_report import print_explanation

        typer.echo()
        print_explanation(explanation)
