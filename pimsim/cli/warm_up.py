"""`pimsim warm-up`: compile the kernels, for images and clusters."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pimsim.base.errors import OutputError
from pimsim.base.kernel_groups import GROUPS, kernel_parts
from pimsim.cli.completion import one_of
from pimsim.cli.exits import refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import JsonOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbar.kernels.warming import Part

app = command_app()


@app.command(name="warm-up", epilog="Example: pimsim warm-up arrays wires")
def warm_up(
    groups: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[GROUP]...",
            help=f"Groups of kernels: {', '.join(GROUPS)}. Default: all.",
            show_default=False,
            autocompletion=one_of(*GROUPS),
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compile kernels into Numba's cache, one process per core, and say where the cache is.

    NUMBA_CACHE_DIR names another folder for it. Kernels that are in the cache are left as they are. They are compiled
    for the processor of this machine: others compile their own.
    """
    from crossbar.kernels.warming import cache_folder, is_compiled
    from pimsim.present.formats import to_json

    for name in groups or ():
        if name not in GROUPS:
            near = get_close_matches(name, GROUPS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            refuse(f"there is no group of kernels {name!r}; the groups are {', '.join(GROUPS)}{hint}")
    wanted = kernel_parts(groups or ())
    missing = [part for part in wanted if not is_compiled(part)]
    if missing:
        _compile(missing)
    rows: list[dict[str, Any]] = [
        {
            "group": group,
            "kernels": sum(len(part.calls()) for part in wanted if part.group == group),
            "compiled": sum(len(part.calls()) for part in missing if part.group == group),
        }
        for group in dict.fromkeys(part.group for part in wanted)
    ]
    folders = sorted({cache_folder(part) for part in wanted})
    if json:
        typer.echo(to_json({"groups": rows, "cache": folders}))
        return
    for row in rows:
        state = f"{row['compiled']} compiled now" if row["compiled"] else "already compiled"
        typer.echo(f"{row['group']}: {row['kernels']} kernels, {state}")
    typer.echo(f"cache: {', '.join(folders)}")


def _compile(parts: Sequence[Part]) -> None:
    """Compile parts, and wait for them.

    Args:
        parts: Parts of the modules of kernels.

    Raises:
        OutputError: If one cannot be compiled, or not be written to the cache.
    """
    from crossbar.kernels.warming import Compilation, estimated_seconds
    from pimsim.present.text.tables import progress_bar

    label = f"compiling kernels, once (about {estimated_seconds(parts):.0f} s)"
    with Compilation(parts) as compilation, progress_bar(label) as progress:
        compilation.wait(progress)
    if compilation.failure:
        raise OutputError(f"kernels cannot be compiled: {compilation.failure}")
