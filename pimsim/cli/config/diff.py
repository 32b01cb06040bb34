"""`pimsim config diff`: the keys that have different values in two configs."""

from __future__ import annotations

from typing import Annotated

import typer

from pimsim.cli.completion import complete_any_config
from pimsim.cli.config_loading import load
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ConfigArgument, JsonOption, SetOption

app = command_app()


@app.command(epilog="Example: pimsim config diff pim-llm-published pim-llm")
def diff(
    first: ConfigArgument,
    second: Annotated[
        str,
        typer.Argument(help="The config to compare it with.", show_default=False, autocompletion=complete_any_config),
    ],
    overrides: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Show the keys that have different values in two configs, with both values.

    --set overrides a key in both configs. `pimsim waterfall` shows the effect of each difference.
    """
    import dataclasses

    from pimsim.config.effective_config import config_differences
    from pimsim.present.formats import to_json
    from pimsim.present.text.config_report import print_differences

    configs = [load(each, overrides or [], machine=False, note=False) for each in (first, second)]
    found = config_differences(*configs)
    if json:
        typer.echo(to_json(list(map(dataclasses.asdict, found))))
    else:
        print_differences(found, first, second)
