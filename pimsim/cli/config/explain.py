"""`pimsim config explain`: the meaning of a key."""

from __future__ import annotations

from typing import Annotated

import typer

from pimsim.cli.completion import complete_key_or_ending
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import JsonOption

app = command_app()


@app.command(epilog="Example: pimsim config explain rows_at_once")
def explain(
    key: Annotated[
        str,
        typer.Argument(
            metavar="KEY",
            help="A key or a section, or an ending that no other key has.",
            show_default=False,
            autocompletion=complete_key_or_ending,
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Explain a key: meaning, unit, allowed values, default with its source, and what its effect depends on."""
    from pimsim.config.effective_config import explain_key
    from pimsim.present.formats import to_json
    from pimsim.present.text.config_report import print_key

    explained = explain_key(key)
    if json:
        typer.echo(to_json(explained.to_dict()))
    else:
        print_key(explained)
