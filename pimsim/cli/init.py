"""`pimsim init`: write a config to start from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from pimsim.base.errors import OutputError, printable
from pimsim.cli.lazy_group import command_app

app = command_app()


@app.command(epilog="Example: pimsim init mine.yaml")
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write.")] = Path("pimsim.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented config to start from."""
    from pimsim.base.files import write_text
    from pimsim.config.template import template_text

    path = printable(str(file), 200)
    if not force:
        _check_is_new(file)
    write_text(file, template_text(printable(file.stem, 80) or "mine"))
    typer.echo(f"{path} written. Run it: pimsim run {path}")


def _check_is_new(file: Path) -> None:
    if os.path.lexists(file):
        raise OutputError(f"{printable(str(file), 200)}: already exists; --force replaces it")
