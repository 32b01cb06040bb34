"""`pimsim diff`: why two results of runs differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.completion import complete_any_config
from pimsim.cli.config_loading import load
from pimsim.cli.exits import refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption, JsonOption, SetOption
from pimsim.cli.written_files import say_written

if TYPE_CHECKING:
    from pimsim.studies.difference.run_diff import Origins
    from pimsim.studies.difference.run_difference import Side

app = command_app()


@app.command(
    epilog="Example: pimsim diff result.h5 pim-llm --set workload.model=gpt2-medium\n\n"
    "Example: pimsim diff pim-llm tpu-llm --set workload.model=gpt2-small --csv difference.csv"
)
def diff(
    first: Annotated[
        str,
        typer.Argument(
            help="A file of pimsim run --out, or a config to run: a config file or the name of a shipped config.",
            show_default=False,
            autocompletion=complete_any_config,
        ),
    ],
    second: Annotated[
        str,
        typer.Argument(
            help="The result or config to compare with it.", show_default=False, autocompletion=complete_any_config
        ),
    ],
    overrides: SetOption = None,
    json: JsonOption = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one row per figure, part, action and op to a CSV file.")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Say why two results differ: keys, time, energy and area by part and by op, and work.

    The parts, actions and ops add up exactly to the whole difference, second minus first. Stored results are not run
    again; --set applies to configs. `pimsim waterfall` shows the effect of each key that differs.
    """
    from pimsim.base import output_guard as guard
    from pimsim.base.files import is_result_file, write_text

    if overrides and all(map(is_result_file, (first, second))):
        refuse("--set has no effect on stored results; to run their configs again: pimsim waterfall, or pimsim run")
    guard.check_outputs([guard.Output("--csv", csv, guard.table("table,name,kind,"))], (first, second), force=force)
    from pimsim.studies.difference.run_diff import between

    (one, ours), (other, theirs) = (_side(each, overrides or []) for each in (first, second))
    found = between(one, other, (ours, theirs))
    from pimsim.present.formats import to_csv, to_json

    if csv is not None:
        write_text(csv, to_csv(found.rows()))
    if json:
        typer.echo(to_json(found.to_dict()))
        return
    import shlex

    from pimsim.base.errors import MAX_LINE_CHARS, printable
    from pimsim.present.text.difference_report import print_difference

    print_difference(found)
    # With --set, a waterfall would run a stored result again with other values.
    if any(not each.no_effect for each in found.keys) and not (overrides and any(map(is_result_file, (first, second)))):
        command = ["pimsim", "waterfall", first, second, *(f"--set={each}" for each in overrides or ())]
        typer.echo(f"\nthe effect of each key: {printable(shlex.join(command), MAX_LINE_CHARS)}")
    say_written((csv, "the table of all shares"))


def _side(source: str, overrides: Sequence[str]) -> tuple[Side, Origins]:
    from pimsim.base.files import is_result_file
    from pimsim.studies.difference.run_diff import simulated, stored

    if is_result_file(source):
        return stored(source)
    return simulated(load(source, overrides, preset=True, command="run"), source, source, overrides)
