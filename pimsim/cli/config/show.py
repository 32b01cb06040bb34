"""`pimsim config show`: every value of a config, and where it comes from."""

from __future__ import annotations

from typing import Annotated

import typer

from pimsim.cli.completion import complete_any_config, complete_key_or_ending
from pimsim.cli.config_loading import load
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import JsonOption, SetOption

app = command_app()


@app.command(epilog="Example: pimsim config show pim-llm machine.crossbar.pair.adc")
def show(
    config: Annotated[
        str,
        typer.Argument(
            help="A config file, or the name of a shipped config.",
            show_default=False,
            autocompletion=complete_any_config,
        ),
    ],
    key: Annotated[
        str | None,
        typer.Argument(
            help="Show only this section or key, e.g. machine.mesh.",
            show_default=False,
            autocompletion=complete_key_or_ending,
        ),
    ] = None,
    overrides: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Show every value of a config, the file and line that set it, and the source of the number."""
    import dataclasses

    from pimsim.base.files import is_result_file
    from pimsim.cli.exits import refuse
    from pimsim.config.effective_config import effective_values, resolved_key
    from pimsim.present.formats import to_json
    from pimsim.present.text.config_report import print_values

    if is_result_file(config):
        refuse("a result file holds values without their places; use pimsim config diff defaults FILE")
    load(config, overrides or [], machine=False)
    values = effective_values(config, overrides or [], resolved_key(key) if key else "")
    if json:
        typer.echo(to_json(list(map(dataclasses.asdict, values))))
    else:
        print_values(values)
