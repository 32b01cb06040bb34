"""`pimsim configs`: the configs that ship with pimsim."""

from __future__ import annotations

import typer

from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import JsonOption

app = command_app()


@app.command(epilog="Example: pimsim configs --json")
def configs(json: JsonOption = False) -> None:
    """List the shipped configs, their changes to the defaults, and the sources of the numbers."""
    import dataclasses

    from pimsim.config.catalog import config_entries
    from pimsim.present.formats import to_json
    from pimsim.present.text.catalog_report import print_configs

    entries = config_entries()
    if json:
        typer.echo(to_json(list(map(dataclasses.asdict, entries))))
    else:
        print_configs(entries)
