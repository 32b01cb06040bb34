"""`pimsim import`: conversion of other simulators' configs and of measured cells."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.completion import complete_machine
from pimsim.cli.exits import refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.written_files import say_written

if TYPE_CHECKING:
    from pimsim.importers.import_table import Imported

app = command_app(
    name="import",
    help="Convert configs of other simulators and measured cells; every line names what it comes from.",
    epilog="Example: pimsim import mnsim SimConfig.ini --out mnsim.yaml",
    no_args_is_help=True,
)
ForceOption = Annotated[bool, typer.Option("--force", help="Replace existing files, but not the imported ones.")]
OutOption = Annotated[Path | None, typer.Option(metavar="FILE", help="File to write; default: standard output.")]
TableOption = Annotated[
    bool, typer.Option("--json", help="Print the table of imported values as JSON; without --out, with the config.")
]


@app.command(epilog="Example: pimsim import scalesim google.cfg --out tpu.yaml")
def scalesim(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A SCALE-Sim .cfg file.", show_default=False)],
    topology: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="A table of layers (Layer, M, N, K, or convolutions), which becomes a trace file next to the config.",
        ),
    ] = None,
    out: OutOption = None,
    json: TableOption = False,
    force: ForceOption = False,
) -> None:
    """Convert a SCALE-Sim config to a machine without crossbars."""
    beside = [out.parent / f"{out.stem}.trace.json"] if out and topology else []
    _check((file, topology), (out, *beside), force)
    from pimsim.importers.scalesim import import_config, table_options
    from pimsim.importers.scalesim_tables import import_topology

    if topology is None:
        _finish({"config": (import_config(file), out)}, json)
        return
    if out is None:
        refuse("--topology needs --out, because the trace is a separate file next to the config")
    trace = out.parent / f"{out.stem}.trace.json"
    config, ops = import_config(file, str(trace)), import_topology(topology, table_options(file))
    _finish({"config": (config, out), "trace": (ops, trace)}, json)


@app.command(epilog="Example: pimsim import mnsim SimConfig.ini --out mnsim.yaml")
def mnsim(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An MNSIM 2.0 SimConfig.ini file.", show_default=False)],
    out: OutOption = None,
    json: TableOption = False,
    force: ForceOption = False,
) -> None:
    """Convert an MNSIM 2.0 config."""
    _check((file,), (out,), force)
    from pimsim.importers.mnsim import import_config

    _finish({"config": (import_config(file), out)}, json)


@app.command(epilog="Example: pimsim import device cells.csv --base pim-llm --out cells.yaml")
def device(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A CSV of measured conductances or resistances: columns state,g_uS (samples), or "
            "level,mean_uS,sigma_uS, or lrs_uS,hrs_uS; time_s for drift.",
            show_default=False,
        ),
    ],
    base: Annotated[
        str | None,
        typer.Option(
            metavar="CONFIG",
            help="Shipped config that the cell is put into; default: none, a preset for `extends`.",
            autocompletion=complete_machine,
        ),
    ] = None,
    out: OutOption = None,
    json: TableOption = False,
    force: ForceOption = False,
) -> None:
    """Fit measured cells: states, spread and drift become a preset of a ReRAM cell."""
    _check((file,), (out,), force)
    from pimsim.importers.measured_cell import import_cell

    _finish({"config": (import_cell(file, base), out)}, json)


def _check(inputs: Sequence[Path | None], outputs: Sequence[Path | None], force: bool) -> None:
    """Refuse to replace existing files, which users edit after the import, and in any case what is imported."""
    from pimsim.base import output_guard as guard

    targets = [guard.Output("--out", path, guard.never) for path in outputs]
    guard.check_not_inputs(targets, inputs)
    guard.check_outputs(targets, force=force)


def _finish(imports: Mapping[str, tuple[Imported, Path | None]], json: bool) -> None:
    """Write the files of an import, then print its tables.

    A text without a file goes to standard output, and its table to standard error, so that a redirected config remains
    a config.

    Args:
        imports: Results by kind of file ("config"), each with the path to write.
        json: Whether one JSON document is printed in place of tables.
    """
    import dataclasses

    from pimsim.base.files import write_text
    from pimsim.present.formats import to_json
    from pimsim.present.text.import_report import print_import

    for imported, out in imports.values():
        if out is not None:
            write_text(out, imported.text)
    if json:
        files = {kind: each.text if out is None else str(out) for kind, (each, out) in imports.items()}
        tables = [dataclasses.asdict(imported.table) for imported, _ in imports.values()]
        typer.echo(to_json(files | {"imports": tables}))
        return
    for imported, out in imports.values():
        if out is None:
            typer.echo(imported.text, nl=False)
        print_import(imported.table, sys.stderr if out is None else None)
    what = {"config": "a config", "trace": "a trace of its layers"}
    say_written(*((out, what[kind]) for kind, (_, out) in imports.items()))
