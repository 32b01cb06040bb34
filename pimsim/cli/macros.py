"""`pimsim macros`: published macros, their printed values beside ours, or beside intervals of ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pimsim.cli.completion import complete_macro
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption, JsonOption
from pimsim.cli.ranges_options import SamplesOption, SeedOption, check_ranges_options
from pimsim.cli.written_files import say_written

app = command_app()


@app.command(
    epilog="Example: pimsim macros isaac --csv isaac.csv\n\nExample: pimsim macros liu-isscc20 --ranges --samples 100"
)
def macros(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Macros, with or without the prefix macro-, or data files of your own; all shipped ones if none is "
            "given.",
            show_default=False,
            autocompletion=complete_macro,
        ),
    ] = None,
    json: JsonOption = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one row per printed value to a CSV file.")
    ] = None,
    force: ForceOption = False,
    ranges: Annotated[
        bool,
        typer.Option(
            "--ranges",
            help="Show 95 % intervals of TOPS/W, times and areas instead, which are computed without the macro's own "
            "converter figures (docs/macros.md).",
        ),
    ] = False,
    samples: SamplesOption = None,
    seed: SeedOption = None,
) -> None:
    """Compare published in-memory-compute macros with what their configs give here.

    Each printed value says whether the config was built with it: an input, a fitted constant, or a prediction.
    """
    from pimsim.base import output_guard as guard
    from pimsim.base.files import write_text
    from pimsim.present.formats import to_csv, to_json
    from pimsim.present.text.tables import progress_bar
    from pimsim.studies.macros import macro_tables

    check_ranges_options(ranges=ranges, samples=samples, seed=seed)
    guard.check_outputs([guard.Output("--csv", csv, guard.table("macro,quantity,"))], names or (), force=force)
    if ranges:
        _show_ranges(names or (), samples, seed or 0, json=json, csv=csv)
        return
    with progress_bar("macros") as progress:
        tables = macro_tables(names or (), progress)
    if csv is not None:
        write_text(csv, to_csv(row.to_dict() for each in tables for row in each.rows))
    if json:
        typer.echo(to_json([each.to_dict() for each in tables]))
        return
    from pimsim.present.text.macro_report import print_macros

    print_macros(tables)
    say_written((csv, "the table of printed values"))


def _show_ranges(names: Sequence[str], samples: int | None, seed: int, *, json: bool, csv: Path | None) -> None:
    """Print the intervals of macros, or write them.

    Args:
        names: Names of macros; none means all of them.
        samples: Number of samples; None means the default.
        seed: Seed of the random numbers.
        json: Whether JSON is printed.
        csv: File for the rows; None for none.
    """
    from pimsim.base.files import write_text
    from pimsim.present.formats import to_csv, to_json
    from pimsim.present.text.long_work import samples_progress
    from pimsim.present.text.macro_ranges_report import print_macro_ranges
    from pimsim.studies.ranges.macro_ranges import MACRO_SAMPLES, macro_ranges

    number = MACRO_SAMPLES if samples is None else samples
    with samples_progress() as progress:
        rows = macro_ranges(names, samples=number, seed=seed, progress=progress)
    if csv is not None:
        write_text(csv, to_csv(row.to_dict() for row in rows))
    if json:
        typer.echo(to_json({"samples": number, "seed": seed, "rows": [row.to_dict() for row in rows]}))
        return
    print_macro_ranges(rows, number)
    say_written((csv, "the intervals"))
