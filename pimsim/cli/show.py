"""`pimsim show`: show a stored result of `pimsim run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ByOption, ExplainOption, JsonOption, OpsCsvOption, PlotsOption, TimelineOption
from pimsim.cli.run_output import present_run

app = command_app()


@app.command(epilog="Example: pimsim show result.h5 --explain")
def show(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="A file written by pimsim run --out.", show_default=False)
    ],
    explain: ExplainOption = False,
    by: ByOption = None,
    timeline: TimelineOption = None,
    json: JsonOption = False,
    csv: OpsCsvOption = None,
    plots: PlotsOption = None,
) -> None:
    """Show a stored result without simulating it again."""
    from pimsim.results.store import read_result

    present_run(
        read_result(result), explain=explain, by=by, timeline=timeline, json=json, csv=csv, plots=plots, rerun=False
    )
