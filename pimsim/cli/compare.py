"""`pimsim compare`: designs side by side on the same workloads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.completion import complete_config, complete_model
from pimsim.cli.exits import end_interrupted, refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import (
    BatchOption,
    ForceOption,
    JsonOption,
    OutputOption,
    PhaseOption,
    PlotsOption,
    ScheduleOption,
    comma_separated,
)
from pimsim.cli.plot_options import chosen_style
from pimsim.cli.ranges_options import SamplesOption, SeedOption, UnknownOption, check_ranges_options
from pimsim.cli.written_files import say_written

if TYPE_CHECKING:
    from pimsim.studies.comparison.compared_designs import Design
    from pimsim.studies.comparison.comparison_result import ComparisonResult

app = command_app()

MAX_ITEMS = 200
"""Models, contexts or designs of one command; `pimsim sweep` is made for more."""
PLOT_NAMES = ("comparison-bars", "comparison-trade", "comparison-contexts")

DesignsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="DESIGN...",
        help="Two or more designs: config files, names of shipped configs, or result files; NAME=CONFIG gives a design "
        "another name.",
        show_default=False,
        autocompletion=complete_config,
    ),
]
ModelsOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,...",
        help="Models: names, or folders or config.json files. Default: that of the configs.",
        autocompletion=complete_model,
    ),
]
ContextsOption = Annotated[
    str | None,
    typer.Option(
        metavar="N,...",
        help="Context lengths of a decode step, or lengths of the prompt of a prefill or a generation. Default: that "
        "of the configs.",
    ),
]
SetForAllOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="[DESIGN:]KEY=VALUE",
        help="Override a config key in all designs, or in the one that is named. May be repeated.",
    ),
]
BaselineOption = Annotated[
    str | None, typer.Option(metavar="DESIGN", help="Design to which ratios refer. Default: the first one.")
]
PointsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.csv",
        help="Published points to show beside the designs, each with its source; they have no ratios.",
    ),
]
CompareRangesOption = Annotated[
    bool,
    typer.Option("--ranges", help="Also show 95 % intervals of the figures and of the ratios (docs/ranges.md)."),
]
CsvOption = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write one row per design, model and context.")
]
OutOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the whole comparison to an HDF5 file, which pimsim show reads."),
]
WorkersOption = Annotated[
    int, typer.Option(min=1, max=4096, metavar="N", help="Number of processes; the result does not depend on it.")
]


@app.command(
    epilog="Example: pimsim compare pim-llm tpu-llm --models gpt2-medium,opt-6.7b --contexts 128,1024\n\n"
    "Example: pimsim compare slow=pim-llm fast=pim-llm --set fast:machine.systolic.clock_hz=200MHz"
)
def compare(
    designs: DesignsArgument,
    models: ModelsOption = None,
    contexts: ContextsOption = None,
    phase: PhaseOption = None,
    output: OutputOption = None,
    batch: BatchOption = None,
    schedule: ScheduleOption = None,
    overrides: SetForAllOption = None,
    baseline: BaselineOption = None,
    points: PointsOption = None,
    ranges: CompareRangesOption = False,
    samples: SamplesOption = None,
    seed: SeedOption = None,
    unknown: UnknownOption = None,
    workers: WorkersOption = 1,
    json: JsonOption = False,
    csv: CsvOption = None,
    plots: PlotsOption = None,
    out: OutOption = None,
    force: ForceOption = False,
) -> None:
    """Compare two or more designs on the same workloads, and say what each of them counts.

    A design that cannot run a workload gets a row with the reason. The exit code is 0 if at least one row has figures;
    otherwise it is that of the first error.
    """  # noqa: DOC501 - the text is the help of the command
    check_ranges_options(ranges=ranges, samples=samples, seed=seed, unknown=unknown)
    named = None if models is None else _items("--models", models)
    lengths = None if contexts is None else [_length(each) for each in _items("--contexts", contexts)]
    from pimsim.cli.config_loading import settings_of

    given, for_all = _designs(designs, overrides or [])
    settings = settings_of(
        for_all,
        output=("workload.new_tokens", output),
        batch=("workload.batch", batch),
        schedule=("schedule", schedule),
    )
    check_comparison_outputs([*(str(each.source) for each in given), points], csv, plots, out, force=force)
    from pimsim.present.text.tables import progress_bar
    from pimsim.studies.comparison.comparison_run import ComparisonInterrupted
    from pimsim.studies.comparison.comparison_run import compare as compare_designs

    try:
        with progress_bar("points", late=True) as progress:
            result = compare_designs(
                given,
                models=named,
                contexts=lengths,
                phase=phase,
                overrides=[each.text for each in settings],
                baseline=baseline,
                points=() if points is None else points,
                ranges=ranges,
                samples=samples,
                seed=seed or 0,
                unknown=unknown or (),
                workers=workers,
                progress=progress,
            )
    except ComparisonInterrupted as interrupted:
        if interrupted.result is not None:
            present_comparison(interrupted.result, json, csv, plots, out)
        end_interrupted(str(interrupted))
    present_comparison(result, json, csv, plots, out)
    if result.exit_code:
        typer.echo(f"pimsim: all {len(result.rows)} points failed; the first: {result.failed[0].error}", err=True)
        raise typer.Exit(result.exit_code)


def check_comparison_outputs(
    inputs: list[str | Path | None], csv: Path | None, plots: Path | None, out: Path | None = None, *, force: bool
) -> None:
    """Check before the work that the outputs can be written and destroy nothing.

    Args:
        inputs: Files that the command reads, or names of shipped ones.
        csv: File for the table; None means no table.
        plots: Folder for the plots; None means no plots.
        out: File for the comparison; None means no such file.
        force: Whether to replace any existing file.

    Raises:
        OutputError: If a file cannot be written, or would be lost.
    """
    from pimsim.base import output_guard as guard

    outputs = (
        guard.Output("--csv", csv, guard.table("design,kind,model,phase,context_length,")),
        guard.Output("--out", out, guard.result("pimsim-comparison")),
    )
    guard.check_outputs(outputs, inputs, force=force)
    guard.check_plots(plots, PLOT_NAMES, force=force)


def present_comparison(
    result: ComparisonResult, json: bool, csv: Path | None, plots: Path | None, out: Path | None = None
) -> None:
    """Write the files of a comparison that are asked for, then print it.

    Args:
        result: The comparison.
        json: Whether to print JSON instead of tables.
        csv: File for the table; None means no table.
        plots: Folder for the plots; None means no plots.
        out: File for the comparison; None means no such file.

    Raises:
        OutputError: If a file cannot be written.
    """
    from pimsim.present.formats import to_csv, to_json

    if out is not None:
        from pimsim.studies.comparison.comparison_store import write_comparison

        write_comparison(result, out)
    if csv is not None:
        from pimsim.base.files import write_text

        write_text(csv, to_csv(result.table_rows()))
    if plots is not None:
        from pimsim.present.plots import comparison_plots, write_plots

        write_plots(plots, comparison_plots(result), chosen_style())
    if json:
        typer.echo(to_json(result.to_dict()))
        return
    from pimsim.present.text.comparison_report import print_comparison

    print_comparison(result)
    rows = "one row per design, model and context"
    say_written((out, "the whole comparison; show it with pimsim show"), (csv, rows), (plots, "all plots"))


def _items(option: str, text: str) -> list[str]:
    items = comma_separated(option, text)
    if len(items) > MAX_ITEMS:
        refuse(f"{option}: {len(items)} items are more than {MAX_ITEMS}; use pimsim sweep")
    return items


def _length(item: str) -> int:
    from pimsim.base.errors import printable

    if not (item.isascii() and item.isdecimal() and len(item) < 10):
        refuse(f"--contexts: {printable(item, 40)!r} is not a number of tokens, such as 128")
    return int(item)


def _designs(texts: list[str], overrides: list[str]) -> tuple[list[Design], list[str]]:
    """Read the designs, and divide the settings into those of single designs and those of all.

    Args:
        texts: The arguments.
        overrides: Values of --set.

    Returns:
        The designs with their own settings, and the settings of all.
    """
    from pimsim.base.errors import did_you_mean, printable
    from pimsim.studies.comparison.compared_designs import Design, parse_design

    if len(texts) > MAX_ITEMS:
        refuse(f"{len(texts)} designs are more than {MAX_ITEMS}; use pimsim sweep")
    designs = [parse_design(text) for text in texts]
    names = [each.name for each in designs]
    own: dict[str, list[str]] = {}
    for_all = []
    for text in overrides:
        name, colon, setting = text.partition("=")[0].rpartition(":")
        if not colon:
            for_all.append(text)
        elif name in names:
            own.setdefault(name, []).append(text[len(name) + 1 :])
        else:
            hint = did_you_mean(name, names) or f"the designs are {', '.join(names)}"
            shown = printable(text, 100)
            refuse(f"--set {shown}: {printable(name, 60)!r} before {setting} is none of the designs; {hint}")
    return [Design(each.name, each.source, tuple(own.get(each.name, ()))) for each in designs], for_all
