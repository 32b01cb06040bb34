"""`pimsim array`: what the analog arrays make of a matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pimsim.cli.config_loading import load
from pimsim.cli.options import ConfigArgument, JsonOption, PlotsOption, SetOption

array_app = typer.Typer()


@array_app.command(epilog="Example: pimsim array pim-llm --set machine.crossbar.pair.wires.model=none")
def array(
    config: ConfigArgument,
    overrides: SetOption = None,
    rows: Annotated[
        int | None, typer.Option(metavar="N", help="Inputs of a random matrix; one array's if not given.")
    ] = None,
    columns: Annotated[
        int | None, typer.Option(metavar="N", help="Outputs of a random matrix; one array's if not given.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The matrix, [in, out] integers in an .npy file.")
    ] = None,
    vectors: Annotated[int, typer.Option(metavar="N", help="Random vectors that are multiplied.")] = 64,
    chips: Annotated[int, typer.Option(metavar="N", help="Chips that are made and measured.")] = 10,
    seed: Annotated[int, typer.Option(metavar="N", help="Of all that is random.")] = 0,
    json: JsonOption = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a row per chip.")] = None,
    plots: PlotsOption = None,
) -> None:
    """Multiply a matrix on a config's analog arrays and show how wrong it gets, and why."""
    from pimsim.base.files import make_folder

    if weights is not None and (rows is not None or columns is not None):
        raise typer.BadParameter("--rows and --columns are those of a random matrix; --weights has its own")
    loaded = load(config, list(overrides or []))
    if plots is not None:
        make_folder(plots)
    matrix = None
    if weights is not None:
        from pimsim.studies.array.weight_files import read_weights

        matrix = read_weights(weights)
    from pimsim.base.files import write_text
    from pimsim.present.formats import to_csv, to_json
    from pimsim.present.text.array_report import print_array
    from pimsim.present.text.tables import progress_bar
    from pimsim.studies.array.array_study import study_array

    with progress_bar("runs of chips", at_first="loading kernels (compiled on first use)") as progress:
        study = study_array(
            loaded, matrix, rows=rows, columns=columns, vectors=vectors, chips=chips, seed=seed,
            matrix=None if weights is None else weights.name, progress=progress,
        )  # fmt: skip
    if csv is not None:
        write_text(csv, to_csv(study.chip_rows()))
    if plots is not None:
        from pimsim.present.plots import array_plots, write_plots

        write_plots(plots, array_plots(study))
    if json:
        typer.echo(to_json(study.to_dict()))
    else:
        print_array(study)
