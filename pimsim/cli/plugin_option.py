"""The option --plugin of every command that reads a config, a sweep, a search or a trace."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

import typer


def add_plugin_option(command: Any) -> None:
    """Add the option to a command, or to all commands of a group.

    It is added to the commands of Typer and not to the functions behind them, which need not know of plugins.

    Args:
        command: Command or group of Typer.
    """
    add_option(command, option_of(_with_option))


def add_option(command: Any, option: Any) -> None:
    """Add an option to a command, or to all commands of a group.

    Args:
        command: Command or group of Typer. A lazy group adds the option to its commands itself.
        option: Option of Typer.
    """
    if hasattr(command, "commands"):
        for each in command.commands.values():
            add_option(each, option)
    else:
        command.params.append(option)


def _load(context: typer.Context, value: list[str] | None) -> list[str] | None:
    if value and not context.resilient_parsing:  # a shell that completes a command line must not run code
        from pimsim.base.plugins import load_plugin

        for path in value:
            load_plugin(path)
    return value


def _with_option(
    plugin: Annotated[
        list[str] | None,
        typer.Option(
            "--plugin",
            metavar="FILE.py",
            help="Run this Python file first, which registers topologies, serving policies, components, tiles, ops or "
            "DRAM standards. May be repeated.",
            callback=_load,
            is_eager=True,  # the names that a plugin registers may be values of other options
        ),
    ] = None,
) -> None:
    del plugin


@cache
def option_of(carried_by: Callable[..., None]) -> Any:
    """Let Typer make an option whose value no command receives.

    Args:
        carried_by: Function whose only parameter is the option.

    Returns:
        The option, the same object for all commands.
    """
    carrier = typer.Typer(add_completion=False)
    carrier.command()(carried_by)
    option: Any = typer.main.get_command(carrier).params[0]
    option.expose_value = False
    return option
