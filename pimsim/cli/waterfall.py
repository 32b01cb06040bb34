"""`pimsim waterfall`: from one config to another, one key at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pimsim.cli.completion import complete_any_config
from pimsim.cli.config_loading import load
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption, JsonOption, PlotsOption, SetOption
from pimsim.cli.plot_options import chosen_style
from pimsim.cli.written_files import say_written

app = command_app()


@app.command(epilog="Example: pimsim waterfall pim-llm-published pim-llm --set workload.context_length=1024")
def waterfall(
    first: Annotated[
        str,
        typer.Argument(
            help="The config to start from: a config file, the name of a shipped config, or a result file.",
            show_default=False,
            autocompletion=complete_any_config,
        ),
    ],
    second: Annotated[
        str, typer.Argument(help="The config to end with.", show_default=False, autocompletion=complete_any_config)
    ],
    overrides: SetOption = None,
    json: JsonOption = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write one row per step to a CSV file.")] = None,
    plots: PlotsOption = None,
    force: ForceOption = False,
) -> None:
    """Show what each key that differs between two configs changes in time, energy and area.

    The keys are changed one at a time, or in groups that only make sense together, so that the steps add up to the
    difference. --set overrides a key in both configs.
    """
    from pimsim.base import output_guard as guard
    from pimsim.base.files import write_text
    from pimsim.studies.config_waterfall.key_waterfall import key_waterfall

    before, after = (load(each, overrides or [], preset=True, note=False) for each in (first, second))
    guard.check_outputs([guard.Output("--csv", csv, guard.table("step,keys,"))], (first, second), force=force)
    guard.check_plots(plots, ["waterfall"], force=force)
    from pimsim.present.text.tables import progress_bar

    with progress_bar("keys", at_first="simulating both configs") as progress:
        result = key_waterfall(before, after, progress)
    from pimsim.present.formats import to_csv, to_json

    if csv is not None:
        write_text(csv, to_csv(result.rows()))
    if plots is not None:
        from pimsim.present.plots import config_waterfall_plots, write_plots

        write_plots(plots, config_waterfall_plots(result), chosen_style())
    if json:
        typer.echo(to_json(result.to_dict()))
        return
    from pimsim.present.text.waterfall_report import print_waterfall

    print_waterfall(result)
    say_written((csv, "the table of steps"), (plots, "all plots"))
