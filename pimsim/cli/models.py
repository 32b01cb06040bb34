"""`pimsim models`: the models that ship with pimsim."""

from __future__ import annotations

import typer

from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import JsonOption

app = command_app()


@app.command(epilog="Example: pimsim models")
def models(json: JsonOption = False) -> None:
    """List the models with their shapes and the publication of each."""
    from pimsim.config.model_catalog import model_rows
    from pimsim.present.formats import to_json
    from pimsim.present.text.catalog_report import print_models

    rows = model_rows()
    if json:
        typer.echo(to_json(rows))
    else:
        print_models(rows)
