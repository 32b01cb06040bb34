"""Part of `pimsim serve` for a system file: several machines, with routing or with pools and a link."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from pimsim.cli.exits import end_interrupted
from pimsim.cli.written_files import say_written

if TYPE_CHECKING:
    from pimsim.config.system_file import System
    from pimsim.studies.cluster.cluster_result import ClusterResult
    from workloads.requests import Request


def load_if_system(source: str, overrides: Sequence[str]) -> System | None:
    """Load a system, if a file describes one.

    Args:
        source: Path of the file, or what the user typed in its place.
        overrides: Settings "key=value" of the command line.

    Returns:
        The system; None if the file is not a system.

    Raises:
        ConfigError: If it is a system that is not valid.
    """
    from pimsim.config.file_recognition import is_system

    if not is_system(source):
        return None
    from pimsim.config.system_file import load_system

    return load_system(source, overrides)


def check_cluster_outputs(
    inputs: Sequence[str | Path | None], *, csv: Path | None, plots: Path | None, out: Path | None = None, force: bool
) -> None:
    """Check before the requests are served that the files can be written and destroy nothing.

    Args:
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
        guard.Output("--out", out, guard.result("pimsim-cluster")),
    )
    guard.check_outputs(outputs, inputs, force=force)
    guard.check_plots(plots, ("serving-times", "serving-machines"), force=force)


def serve_system(
    system: System, arrivals: Sequence[Request], json: bool, csv: Path | None, plots: Path | None, out: Path | None
) -> None:
    """Serve requests on the machines of a system, and present the result, also after an interruption.

    Args:
        system: The system.
        arrivals: The requests.
        json: Whether to print JSON instead of tables.
        csv: File for the table of requests; None means no table.
        plots: Folder for the plots; None means no plots.
        out: File for the whole result; None means no such file.
    """
    from pimsim.present.text.serving_report import progress_on_terminal
    from pimsim.studies.cluster.cluster_serving import ClusterInterrupted, serve

    try:
        with progress_on_terminal() as progress:
            result = serve(system, arrivals, progress)
    except ClusterInterrupted as interrupted:
        present_cluster(interrupted.result, json, csv, plots, out)
        end_interrupted(f"{interrupted}; their results are shown and written")
    except KeyboardInterrupt:
        end_before_first(len(arrivals))
    present_cluster(result, json, csv, plots, out)


def end_before_first(count: int) -> NoReturn:
    """End the command after an interruption before a request was finished.

    Args:
        count: Number of all requests.

    Raises:
        Exit: Always, with exit code 130.
    """
    from pimsim.base.summaries import counted

    first = f"interrupted before the first of {counted(count, 'request')} was served"
    end_interrupted(f"{first}; nothing is written")


def present_cluster(result: ClusterResult, json: bool, csv: Path | None, plots: Path | None, out: Path | None) -> None:
    """Write the files that are asked for, then print the result.

    Args:
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
        from pimsim.studies.cluster.cluster_store import write_cluster

        write_cluster(result, out)
    if csv is not None:
        write_text(csv, to_csv(result.request_rows()))
    if plots is not None:
        from pimsim.present.plots import cluster_plots, write_plots

        write_plots(plots, cluster_plots(result))
    if json:
        for piece in json_pieces(result.json_tree()):
            typer.echo(piece, nl=False)
        typer.echo()
    else:
        from pimsim.present.text.cluster_report import print_cluster

        print_cluster(result)
    say_written((csv, "the table of requests"), (plots, "all plots"), (out, "the whole result"), json=json)
