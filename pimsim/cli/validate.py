"""`pimsim validate`: what pimsim was compared with, computed again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pimsim.cli.completion import complete_validation_row
from pimsim.cli.exits import refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption, JsonOption
from pimsim.cli.written_files import say_written

app = command_app()


@app.command(epilog="Example: pimsim validate --only energy --only area")
def validate(
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only the rows with this name, in this group or of this kind, such as sram or energy, with every "
            "value, its source and the reason of the tolerance. May be repeated.",
            autocompletion=complete_validation_row,
        ),
    ] = None,
    accept_known: Annotated[
        bool,
        typer.Option("--accept-known", help="End with exit code 0 if only rows that are known to be are outside."),
    ] = False,
    json: JsonOption = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one row per compared value to a CSV file.")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Compare pimsim with values that others measured, computed or published.

    Each row has our value and theirs, the deviation, the tolerance, and whether the values were used to build pimsim.
    The exit code is 1 if a row is outside its tolerance.
    """
    from pimsim.base import output_guard as guard
    from pimsim.base.files import write_text
    from pimsim.studies.validation import validate as validated

    _check(only or [])
    guard.check_outputs([guard.Output("--csv", csv, guard.table("name,group,"))], (), force=force)
    from pimsim.present.text.tables import progress_bar

    with progress_bar("rows") as progress:
        rows = validated(only or [], progress)
    from pimsim.present.formats import to_csv, to_json

    if csv is not None:
        write_text(csv, to_csv(line for row in rows for line in row.csv_rows()))
    if json:
        from pimsim.studies.validation import summary

        typer.echo(to_json({**summary(rows), "rows": [row.to_dict() for row in rows]}))
    else:
        from pimsim.present.text.validation_report import print_validation

        print_validation(rows, details=bool(only))
        say_written((csv, "the compared values"))
    if any(not row.within and not (accept_known and row.reference.outside) for row in rows):
        raise typer.Exit(1)


def _check(names: Sequence[str]) -> None:
    from pimsim.base.errors import did_you_mean
    from pimsim.studies.validation import row_names

    known = row_names()
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            refuse(f"--only: {name!r} is no row, group or kind. {hint}".strip())
