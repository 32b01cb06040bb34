"""`pimsim devices`: the ReRAM cells, ADCs, memories, units of attention and technologies that ship with pimsim."""

from __future__ import annotations

import typer

from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import JsonOption

app = command_app()


@app.command(epilog="Example: pimsim devices")
def devices(json: JsonOption = False) -> None:
    """List cells, ADCs, memories, units of attention and technologies, for `extends: [pim-llm, device-neurosim]`."""
    import dataclasses

    from pimsim.config.catalog import presets
    from pimsim.present.formats import to_json
    from pimsim.present.text.catalog_report import print_presets

    shipped = presets()
    if json:
        typer.echo(to_json(list(map(dataclasses.asdict, shipped))))
    else:
        print_presets(shipped)
