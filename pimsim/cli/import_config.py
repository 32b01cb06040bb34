"""`pimsim import`: conversion of other simulators' configs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pimsim.cli.exits import refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption

app = command_app(
    name="import",
    help="Convert configs of other simulators; every line names the key that it comes from.",
    epilog="Example: pimsim import mnsim SimConfig.ini --out mnsim.yaml",
    no_args_is_help=True,
)
OutOption = Annotated[Path | None, typer.Option(metavar="FILE", help="File to write; default: standard output.")]


@app.command(epilog="Example: pimsim import scalesim google.cfg --out tpu.yaml")
def scalesim(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A SCALE-Sim .cfg file.", show_default=False)],
    topology: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="A table of GEMMs (Layer, M, N, K), which becomes a trace file next to the config."
        ),
    ] = None,
    out: OutOption = None,
    force: ForceOption = False,
) -> None:
    """Convert a SCALE-Sim config to a machine without crossbars."""
    _check(out, force, *([out.parent / f"{out.stem}.trace.json"] if out and topology else []))
    from pimsim.importers.scalesim import import_config, import_topology

    if topology is None:
        _write(import_config(file), out)
        return
    if out is None:
        refuse("--topology needs --out, because the trace is a separate file next to the config")
    trace = out.parent / f"{out.stem}.trace.json"
    config, ops = import_config(file, str(trace)), import_topology(topology)
    _write(config, out)
    _write(ops, trace)


@app.command(epilog="Example: pimsim import mnsim SimConfig.ini --out mnsim.yaml")
def mnsim(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An MNSIM 2.0 SimConfig.ini file.", show_default=False)],
    out: OutOption = None,
    force: ForceOption = False,
) -> None:
    """Convert an MNSIM 2.0 config."""
    _check(out, force)
    from pimsim.importers.mnsim import import_config

    _write(import_config(file), out)


def _check(out: Path | None, force: bool, *beside: Path) -> None:
    """Refuse to replace existing files, which users edit after the import."""
    from pimsim.base import output_guard as guard

    guard.check_outputs([guard.Output("--out", path, guard.never) for path in (out, *beside)], force=force)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    from pimsim.base.files import write_text

    write_text(out, text)
