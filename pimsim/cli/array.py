"""`pimsim array`: errors of a matrix product on the analog arrays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.config_loading import load
from pimsim.cli.exits import refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ConfigArgument, ForceOption, JsonOption, PlotsOption, SetOption
from pimsim.cli.plot_options import chosen_style
from pimsim.cli.written_files import say_written

if TYPE_CHECKING:
    from pimsim.results.measured_activity import MeasuredActivity
    from pimsim.studies.array.array_result import ArrayStudy

app = command_app()


@app.command(epilog="Example: pimsim array pim-llm --set machine.crossbar.pair.wires.model=none")
def array(
    config: ConfigArgument,
    overrides: SetOption = None,
    rows: Annotated[
        int | None, typer.Option(metavar="N", help="Inputs of the random matrix; default: the rows of one array.")
    ] = None,
    columns: Annotated[
        int | None, typer.Option(metavar="N", help="Outputs of the random matrix; default: the columns of one array.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Use this matrix: integers of shape [inputs, outputs] in an .npy file."),
    ] = None,
    activations: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Use these input vectors: integers of shape [vectors, inputs], .npy file."),
    ] = None,
    vectors: Annotated[
        int | None, typer.Option(metavar="N", help="Number of random input vectors; default: 64.")
    ] = None,
    chips: Annotated[int, typer.Option(metavar="N", help="Number of chips that are simulated.")] = 10,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of all random numbers.")] = 0,
    json: JsonOption = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write one row per chip.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Store the measured activity as HDF5, for machine.crossbar.activity."),
    ] = None,
    plots: PlotsOption = None,
    force: ForceOption = False,
) -> None:
    """Multiply a matrix on a config's analog arrays and show how large the errors are, and their sources."""
    from pimsim.base import output_guard as guard

    if weights is not None and (rows is not None or columns is not None):
        refuse("--rows and --columns give the size of a random matrix; --weights has its own size")
    if activations is not None and vectors is not None:
        refuse("--vectors gives the number of random vectors; --activations has its own")
    loaded = load(config, overrides or [], preset=True, command="array")
    outputs = (
        guard.Output("--csv", csv, guard.table("seed,mean,")),
        guard.Output("--out", out, guard.result("pimsim-activity")),
    )
    guard.check_outputs(outputs, (config, weights, activations), force=force)
    guard.check_plots(plots, ("array-errors", "array-sources", "array-columns", "array-adc-bits"), force=force)
    matrix = inputs = None
    if weights is not None or activations is not None:
        from pimsim.studies.array.weight_files import read_weights

        matrix = None if weights is None else read_weights(weights)
        if activations is not None:
            inputs = read_weights(activations, "input vectors", "[vectors, in]")
    from pimsim.cli.kernel_compiling import kernels_of
    from pimsim.present.text.tables import progress_bar
    from pimsim.studies.array.array_options import DEFAULT_VECTORS, ArrayStudyOptions
    from pimsim.studies.array.array_study import study_array

    named = [None if weights is None else weights.name]
    if activations is not None:
        named = [named[0] or "random weights", f"inputs of {activations.name}"]
    options = ArrayStudyOptions(
        rows=rows,
        columns=columns,
        vectors=DEFAULT_VECTORS if vectors is None else vectors,
        chips=chips,
        seed=seed,
        matrix=", ".join(each for each in named if each) or None,
    )
    with kernels_of(loaded), progress_bar("chip simulations", at_first="loading kernels") as progress:
        study = study_array(loaded, matrix, activations=inputs, options=options, progress=progress)
    _present(study, json, csv, plots, out)


def _present(study: ArrayStudy, json: bool, csv: Path | None, plots: Path | None, out: Path | None) -> None:
    from pimsim.base.files import write_text
    from pimsim.present.formats import to_csv, to_json
    from pimsim.present.text.array_report import print_array

    if csv is not None:
        write_text(csv, to_csv(study.chip_rows()))
    if out is not None:
        from pimsim.results.measured_activity import write_activity

        write_activity(study.activity, out)
    if plots is not None:
        from pimsim.present.plots import array_plots, write_plots

        write_plots(plots, array_plots(study), chosen_style())
    if json:
        typer.echo(to_json(study.to_dict()))
    else:
        print_array(study)
    say_written((csv, "the table of chips"), (out, "the measured activity"), (plots, "all plots"), json=json)


def present_activity(activity: MeasuredActivity, *, json: bool) -> None:
    """Print a stored activity.

    Args:
        activity: The activity.
        json: Whether to print JSON.
    """
    from pimsim.present.formats import to_json
    from pimsim.present.text.array_report import print_activity

    if json:
        typer.echo(to_json(activity.figures()))
    else:
        print_activity(activity)
