"""Compilation of the kernels that a command needs, in other processes while it starts."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import typer

from pimsim.base.debug_log import DebugLog

if TYPE_CHECKING:
    from pimsim.config.schema import Config

LOG = DebugLog(__name__)


def kernels_of(config: Config) -> AbstractContextManager[None]:
    """Compile what the arrays of a config need and the cache does not have; a terminal is told so.

    Args:
        config: Any config; nothing is compiled for one without analog arrays.

    Returns:
        Context in which the kernels are compiled, until the first loop over arrays.
    """
    from crossbar.ahead import compiling, missing_parts
    from crossbar.kernels.warming import estimated_seconds
    from pimsim.hardware.tile_kinds import has_pair

    crossbar = config.machine.crossbar
    missing = () if crossbar is None or not has_pair(config.machine) else missing_parts(crossbar.pair)
    names = ", ".join(each.name for each in missing)
    LOG(
        "kernels of the arrays: %s",
        f"compiling {names}" if missing else "loaded from the cache of Numba, or not needed",
    )
    if missing and sys.stderr.isatty():
        typer.echo(f"compiling array kernels, once (about {estimated_seconds(missing):.0f} s)", err=True)
    return compiling(missing)
