"""`pimsim init`, `models`, `configs` and `devices`: what to start from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from pimsim.base.errors import OutputError, printable
from pimsim.cli.options import JsonOption

catalog_app = typer.Typer()


@catalog_app.command(epilog="Example: pimsim init mine.yaml")
def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="Where to write it.")] = Path("pimsim.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented config to start from."""
    from pimsim.base.files import write_text
    from pimsim.config.template import template_text

    if not force and os.path.lexists(file):
        raise OutputError(f"{printable(str(file), 200)}: is there already; --force replaces it")
    write_text(file, template_text(printable(file.stem, 80) or "mine"))
    typer.echo(f"{printable(str(file), 200)} written. Run it: pimsim run {printable(str(file), 200)}")


@catalog_app.command(epilog="Example: pimsim models")
def models(json: JsonOption = False) -> None:
    """List the models: shapes, and where each is published."""
    from pimsim.config.catalog import model_rows
    from pimsim.present.formats import to_json
    from pimsim.present.text.catalog_report import print_models

    rows = model_rows()
    if json:
        typer.echo(to_json(rows))
    else:
        print_models(rows)


@catalog_app.command(epilog="Example: pimsim configs --json")
def configs(json: JsonOption = False) -> None:
    """List the shipped configs: what each changes against the defaults, and where its numbers are from."""
    import dataclasses

    from pimsim.config.catalog import config_entries
    from pimsim.present.formats import to_json
    from pimsim.present.text.catalog_report import print_configs

    entries = config_entries()
    if json:
        typer.echo(to_json(list(map(dataclasses.asdict, entries))))
    else:
        print_configs(entries)


@catalog_app.command(epilog="Example: pimsim devices")
def devices(json: JsonOption = False) -> None:
    """List ReRAM cells, ADCs and memories to layer over a config: `extends: [pim-llm, device-neurosim]`."""
    import dataclasses

    from pimsim.config.catalog import presets
    from pimsim.present.formats import to_json
    from pimsim.present.text.catalog_report import print_presets

    shipped = presets()
    if json:
        typer.echo(to_json(list(map(dataclasses.asdict, shipped))))
    else:
        print_presets(shipped)
