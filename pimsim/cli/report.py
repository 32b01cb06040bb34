"""`pimsim report`: stored results as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption
from pimsim.cli.written_files import say_written

app = command_app()


@app.command(epilog="Example: pimsim report result.h5 -o report.html")
def report(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT...",
            help="Files that --out of pimsim run, compare, serve, accuracy, sweep or optimize wrote.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The page to write.")] = Path("report.html"),
    force: ForceOption = False,
) -> None:
    """Write stored results as one HTML page with charts and tables, which needs no network.

    Several results are shown side by side, with what differs between them.
    """
    from pimsim.base import output_guard as guard
    from pimsim.present.report.bundles import require_bundles

    require_bundles()
    guard.check_outputs([guard.Output("--out", out, guard.report)], results, force=force)
    from pimsim.base.summaries import counted
    from pimsim.present.report.report_file import report as write_report

    write_report(list(results), out)
    say_written((out, f"a page of {counted(len(results), 'result')}, {out.stat().st_size / 1e6:.1f} MB"))
