"""Output of `pimsim serve` for one machine and for several: the checks of its files, the files, and the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from pimsim.cli.exits import end_interrupted
from pimsim.cli.plot_options import chosen_style
from pimsim.cli.written_files import say_written


@dataclass(frozen=True)
class ServedKind:
    """A kind of result of served requests, with the names of the functions that write and print it.

    A name is "module:function", so that only what is asked for is imported.

    Attributes:
        format: Format of its result file.
        figures: Names of its plots.
        serve: Function of what serves, the requests and a progress function, which returns the result.
        interrupted: Exception of an interruption after which finished requests are kept.
        write: Function that writes a result to a file.
        read: Function that reads it.
        plots: Function that draws it.
        show: Function that prints it.
    """

    format: str
    figures: tuple[str, ...]
    serve: str
    interrupted: str
    write: str
    read: str
    plots: str
    show: str


ONE_MACHINE = ServedKind(
    "pimsim-serving",
    ("serving-times", "serving-load", "serving-power"),
    serve="pimsim.studies.serving.serving_run:serve",
    interrupted="pimsim.studies.serving.serving_run:ServingInterrupted",
    write="pimsim.studies.serving.serving_store:write_serving",
    read="pimsim.studies.serving.serving_store:read_serving",
    plots="pimsim.present.plots:serving_plots",
    show="pimsim.present.text.serving_report:print_serving",
)
SEVERAL_MACHINES = ServedKind(
    "pimsim-cluster",
    ("serving-times", "serving-machines"),
    serve="pimsim.studies.cluster.cluster_serving:serve",
    interrupted="pimsim.studies.cluster.cluster_serving:ClusterInterrupted",
    write="pimsim.studies.cluster.cluster_store:write_cluster",
    read="pimsim.studies.cluster.cluster_store:read_cluster",
    plots="pimsim.present.plots:cluster_plots",
    show="pimsim.present.text.cluster_report:print_cluster",
)
KINDS = {kind.format: kind for kind in (ONE_MACHINE, SEVERAL_MACHINES)}
"""The kinds by the format of their files."""


def named(name: str) -> Any:
    """Import what a name of a `ServedKind` means.

    Args:
        name: "module:function".

    Returns:
        The function or the class.
    """
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


def check_served_outputs(
    kind: ServedKind,
    inputs: Sequence[str | Path | None],
    *,
    csv: Path | None,
    plots: Path | None,
    out: Path | None = None,
    force: bool,
) -> None:
    """Check before the requests are served that the files can be written and destroy nothing.

    Args:
        kind: Kind of the result.
        inputs: Files that the command reads.
        csv: File for the table of requests; None means no table.
        plots: Folder for the plots; None means no plots.
        out: File for the whole result; None means no such file.
        force: Whether to replace any existing file.

    Raises:
        OutputError: If a file cannot be written, or would be lost.
    """
    from pimsim.base import output_guard as guard

    outputs = (
        guard.Output("--csv", csv, guard.table("id,prompt_tokens,output_tokens,")),
        guard.Output("--out", out, guard.result(kind.format)),
    )
    guard.check_outputs(outputs, inputs, force=force)
    guard.check_plots(plots, kind.figures, force=force)


def serve_and_present(
    kind: ServedKind,
    server: object,
    arrivals: Sequence[Any],
    *,
    json: bool,
    csv: Path | None,
    plots: Path | None,
    out: Path | None,
) -> None:
    """Serve requests, and present the result, also after an interruption.

    Args:
        kind: Kind of the result.
        server: Config of the machine, or the system.
        arrivals: The requests.
        json: Whether to print JSON instead of tables.
        csv: File for the table of requests; None means no table.
        plots: Folder for the plots; None means no plots.
        out: File for the whole result; None means no such file.

    Raises:
        Exit: After an interruption, with exit code 130.
    """
    from pimsim.base.summaries import counted
    from pimsim.present.text.serving_report import progress_on_terminal

    serve: Callable[..., Any] = named(kind.serve)
    interruption: type[KeyboardInterrupt] = named(kind.interrupted)
    try:
        with progress_on_terminal() as progress:
            result = serve(server, arrivals, progress)
    except interruption as interrupted:
        present_served(kind, interrupted.result, json=json, csv=csv, plots=plots, out=out)  # type: ignore[attr-defined]
        end_interrupted(f"{interrupted}; their results are shown and written")
    except KeyboardInterrupt:
        first = f"interrupted before the first of {counted(len(arrivals), 'request')} was served"
        end_interrupted(f"{first}; nothing is written")
    present_served(kind, result, json=json, csv=csv, plots=plots, out=out)


def present_served(
    kind: ServedKind, result: Any, *, json: bool, csv: Path | None, plots: Path | None, out: Path | None = None
) -> None:
    """Write the files that are asked for, then print the result.

    Args:
        kind: Kind of the result.
        result: Result of serving requests.
        json: Whether to print JSON instead of tables.
        csv: File for the table of requests; None means no table.
        plots: Folder for the plots; None means no plots.
        out: File for the whole result; None means no such file.

    Raises:
        OutputError: If a file cannot be written.
    """
    from pimsim.base.files import write_text
    from pimsim.present.formats import json_pieces, to_csv

    if out is not None:
        named(kind.write)(result, out)
    if csv is not None:
        write_text(csv, to_csv(result.request_rows()))
    if plots is not None:
        from pimsim.present.plots import write_plots

        write_plots(plots, named(kind.plots)(result), chosen_style())
    if json:
        for piece in json_pieces(result.json_tree()):
            typer.echo(piece, nl=False)
        typer.echo()
    else:
        named(kind.show)(result)
    say_written((csv, "the table of requests"), (plots, "all plots"), (out, "the whole result"), json=json)
