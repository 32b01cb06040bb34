"""`pimsim import`: configs of other simulators as ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import_app = typer.Typer(
    help="Turn configs of other simulators into ours, every line with the key it comes from.",
    epilog="Example: pimsim import mnsim SimConfig.ini --out mnsim.yaml",
    no_args_is_help=True,
)
OutOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Where to write it; standard output if not given.")
]


@import_app.command(epilog="Example: pimsim import scalesim google.cfg --out tpu.yaml")
def scalesim(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A SCALE-Sim .cfg file.", show_default=False)],
    topology: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="A table of GEMMs (Layer, M, N, K); becomes a trace beside the config."),
    ] = None,
    out: OutOption = None,
) -> None:
    """Turn a SCALE-Sim config into one of a machine without crossbars."""
    from pimsim.importers.scalesim import import_config, import_topology

    if topology is None:
        _put(import_config(file), out)
        return
    if out is None:
        raise typer.BadParameter("--topology needs --out: the trace is a file of its own beside the config")
    trace = out.parent / f"{out.stem}.trace.json"
    config, ops = import_config(file, str(trace)), import_topology(topology)
    _put(config, out)
    _put(ops, trace)


@import_app.command(epilog="Example: pimsim import mnsim SimConfig.ini --out mnsim.yaml")
def mnsim(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An MNSIM 2.0 SimConfig.ini.", show_default=False)],
    out: OutOption = None,
) -> None:
    """Turn an MNSIM 2.0 config into one of ours."""
    from pimsim.importers.mnsim import import_config

    _put(import_config(file), out)


def _put(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    from pimsim.base.files import write_text

    write_text(out, text)
