"""`pimsim reproduce`: the tables and figures of PIM-LLM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.completion import complete_item
from pimsim.cli.exits import is_given, refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption, JsonOption, PlotsOption
from pimsim.cli.plot_options import chosen_style
from pimsim.cli.ranges_options import SamplesOption, SeedOption, check_ranges_options
from pimsim.cli.written_files import say_written

if TYPE_CHECKING:
    from pimsim.studies.paper import Accounting
    from pimsim.studies.paper.comparison_table import Table

app = command_app()


@app.command(
    epilog="Example: pimsim reproduce fig5 --csv tables/\n\nExample: pimsim reproduce claims --ranges --samples 40\n\n"
    "Example: pimsim reproduce --accounting machines"
)
def reproduce(
    context: typer.Context,
    items: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ITEM...",
            help="Any of summary, fig1b, fig4, fig5, fig6, fig7, fig8, table3; all of them if none is given. With "
            "--accounting corrected, any of switches, tokens_per_s, tokens_per_j, gops, gops_per_w, words_per_charge, "
            "all_together, claims_by_switch, claims. With --accounting machines, table3 or claims.",
            show_default=False,
            autocompletion=complete_item,
        ),
    ] = None,
    accounting: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="published counts the same costs as the paper; corrected adds what the paper leaves out, one switch "
            "at a time, and shows which claims of the paper still hold; machines puts machines in place of the printed "
            "numbers of TransPIM and HARDSEA, and counts all machines alike.",
        ),
    ] = "published",
    ranges: Annotated[
        bool,
        typer.Option(
            "--ranges",
            help="With the item claims: the probability that each claim holds under both accountings, from the ranges "
            "of all uncertain constants (docs/ranges.md). With --accounting machines: intervals of figures and ratios.",
        ),
    ] = False,
    samples: SamplesOption = None,
    seed: SeedOption = None,
    json: JsonOption = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write each table as a CSV file into this folder.")
    ] = None,
    plots: PlotsOption = None,
    force: ForceOption = False,
) -> None:
    """Print PIM-LLM's tables and figures, simulated values beside published ones."""
    from pimsim.base import output_guard as guard
    from pimsim.base.files import make_folder, write_text
    from pimsim.base.summaries import counted

    check_ranges_options(ranges=ranges, samples=samples, seed=seed)
    if accounting == "machines" and plots is not None:
        refuse("--plots has no effect with --accounting machines; --csv writes the tables")
    if ranges and accounting != "machines":
        _check_ranges(items or (), accounting=is_given(context, "accounting"), plots=plots)
        accounting = "corrected"
    rules, wanted = _checked(items or ["all"], accounting)
    if csv is not None:
        make_folder(csv)
    from pimsim.present.formats import to_csv, to_json
    from pimsim.present.text.paper_report import print_table

    tables = _with_ranges(rules, wanted, samples, seed) if ranges else _tables(rules, wanted)
    guard.check_plots(plots, tables, force=force)
    if csv is not None:
        texts = {f"{name}.csv": to_csv(table.rows) for name, table in tables.items()}
        guard.check_new_tables(csv, texts.items(), force=force)
        for name, text in texts.items():
            write_text(csv / name, text)
    if plots is not None:
        from pimsim.present.plots import paper_plots, write_plots

        write_plots(plots, paper_plots(tables), chosen_style())
    if json:
        shown = {name: {"title": t.title, "rows": list(t.rows), "notes": list(t.notes)} for name, t in tables.items()}
        typer.echo(to_json(shown))
        return
    for table in tables.values():
        print_table(table)
        typer.echo()
    say_written((csv, counted(len(tables), "table")), (plots, "all plots"))


def _check_ranges(items: Sequence[str], *, accounting: bool, plots: Path | None) -> None:
    """Refuse what has no effect on the probabilities of the claims.

    Args:
        items: Items that are asked for.
        accounting: Whether `--accounting` is given.
        plots: Folder for plots.
    """
    if set(items) != {"claims"}:
        refuse("--ranges is for the claims of the paper: pimsim reproduce claims --ranges")
    if accounting:
        refuse("--accounting has no effect with --ranges, which shows the claims under both accountings")
    if plots is not None:
        refuse("--plots has no effect with --ranges: there is no plot of probabilities; --csv writes the table")


def _tables(rules: Accounting, items: Sequence[str]) -> Mapping[str, Table]:
    from pimsim.present.text.tables import progress_bar
    from pimsim.studies.paper import reproduce as reproduce_tables

    with progress_bar("tables") as progress:
        return reproduce_tables(items, rules, progress)


def _with_ranges(rules: Accounting, items: Sequence[str], samples: int | None, seed: int | None) -> Mapping[str, Table]:
    from pimsim.present.text.long_work import samples_progress
    from pimsim.studies.ranges.claim_ranges import CLAIM_SAMPLES, claim_ranges, claims_table
    from pimsim.studies.ranges.machine_ranges import MACHINE_SAMPLES, machine_tables

    with samples_progress() as progress:
        if rules == "machines":
            number = MACHINE_SAMPLES if samples is None else samples
            return machine_tables(items, samples=number, seed=seed or 0, progress=progress)
        number = CLAIM_SAMPLES if samples is None else samples
        table = claims_table(claim_ranges(samples=number, seed=seed or 0, progress=progress))
    return {table.name: table}


def _checked(items: Sequence[str], accounting: str) -> tuple[Accounting, Sequence[str]]:
    from pimsim.base.errors import did_you_mean
    from pimsim.studies.paper import ACCOUNTINGS, known_items

    rules = next((each for each in ACCOUNTINGS if each == accounting), None)
    if rules is None:
        hint = did_you_mean(accounting, ACCOUNTINGS)
        refuse(f"--accounting: {accounting!r} is not one of {', '.join(ACCOUNTINGS)}. {hint}".strip())
    known = known_items(rules)
    for item in items:
        if item not in (*known, "all"):
            hint = did_you_mean(item, (*known, "all"))
            refuse(f"{item!r} is not one of {', '.join(known)}, all. {hint}".strip())
    return rules, items
