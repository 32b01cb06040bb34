"""Group of commands whose modules are imported only when they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from pimsim.cli.exits import discard_output, end_interrupted
from pimsim.cli.plot_options import add_plot_options
from pimsim.cli.plugin_option import add_plugin_option
from pimsim.cli.verbose import add_verbose_option


class LazyGroup(TyperGroup):
    """Group of commands that are listed in a table.

    `pimsim run` imports the module of one command, and `pimsim --help` imports none: the table has the summaries. With
    all modules imported, both took 15 ms longer.

    Attributes:
        table: Module and summary of each command, in the order of the help text. The module has a Typer `app` (see
            `command_app`) with a command or a group of the same name.
        with_plugins: Names of the commands that accept --plugin; a lazy group below it has names of its own.
    """

    table: ClassVar[Mapping[str, tuple[str, str]]] = {}
    with_plugins: ClassVar[frozenset[str]] = frozenset()

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, in the order of the help text.

        Args:
            ctx: Context of the command line, which is not used.

        Returns:
            The names.
        """
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, and import its module if that has not happened yet.

        Args:
            ctx: Context of the command line.
            cmd_name: Name of the command.

        Returns:
            The command; None if there is no command of this name.
        """
        # For an unknown name all modules are imported: Typer suggests similar names from `self.commands`.
        for name in [cmd_name] if cmd_name in self.table else self.table:
            if name not in self.commands:
                module, _ = self.table[name]
                self.commands[name] = typer.main.get_command(import_module(module).app)
                add_plot_options(self.commands[name])
                if name in self.with_plugins:
                    add_plugin_option(self.commands[name])
                add_verbose_option(self.commands[name])
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, before Typer turns an interrupt into silence and a closed pipe into an error.

        Args:
            ctx: Context of the command line.

        Returns:
            Result of the command.

        Raises:
            Exit: If the reader of standard output has closed the pipe, or at an interrupt.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            end_interrupted("interrupted")
        except BrokenPipeError:  # pimsim run x | head
            discard_output()
            raise typer.Exit(0) from None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands of the help text.

        Args:
            ctx: Context of the command line, which is not used.
            formatter: Formatter of the help text.
        """
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.table.items()])


def command_app(**settings: Any) -> typer.Typer:
    """Return an empty Typer app for the command or the group of commands of one module.

    Args:
        settings: Keyword arguments of `typer.Typer`.

    Returns:
        The app, with plain help texts and without options for shell completion.
    """
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # importing rich for the help text takes as long as everything else that --help needs
        **settings,
    )
