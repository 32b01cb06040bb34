"""`pimsim validate`: what pimsim was compared with, computed again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.completion import complete_validation_row
from pimsim.cli.exits import refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption, JsonOption
from pimsim.cli.written_files import say_written

if TYPE_CHECKING:
    from pimsim.studies.validation import Live
    from pimsim.studies.validation.comparison import ValidationRow

app = command_app()


@app.command(epilog="Example: pimsim validate --only memory --accept-known")
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
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Install the other programs that PyPI has into environments of their own, and run them again.",
        ),
    ] = False,
    peers: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of these environments; by default one in the cache of the user."),
    ] = None,
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
    from pimsim.studies.validation import summary
    from pimsim.studies.validation import validate as validated

    _check(only or [])
    again = _live(live, peers)
    guard.check_outputs([guard.Output("--csv", csv, guard.table("name,group,"))], (), force=force)
    from pimsim.present.text.tables import progress_bar

    with progress_bar("rows", "installing and running other programs" if again else "") as progress:
        rows = validated(only or [], progress, live=again)
    from pimsim.present.formats import to_csv, to_json

    if csv is not None:
        write_text(csv, to_csv(line for row in rows for line in row.csv_rows()))
    notes = [] if again is None else again.notes
    if json:
        typer.echo(to_json({**summary(rows), "notes": notes, "rows": [row.to_dict() for row in rows]}))
    else:
        from pimsim.present.text.validation_report import print_validation

        print_validation(rows, details=bool(only))
        for note in notes:
            typer.echo(f"note: {note}")
        say_written((csv, "the compared values"))
    _end(rows, accept_known)


def _end(rows: Sequence[ValidationRow], accept_known: bool) -> None:
    if any(not row.within and not (accept_known and row.reference.outside) for row in rows):
        raise typer.Exit(1)


def _live(live: bool, folder: Path | None) -> Live | None:
    if not live:
        if folder is not None:
            refuse("--peers: has an effect only with --live")
        return None
    from pimsim.studies.validation import Live
    from pimsim.studies.validation.peers.peer_environment import cache_folder

    return Live(folder or cache_folder())


def _check(names: Sequence[str]) -> None:
    from pimsim.base.errors import did_you_mean
    from pimsim.studies.validation import row_names

    known = row_names()
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or "pimsim validate without --only shows all rows"
            refuse(f"--only: {name!r} is not a row, group or kind. {hint}")
