"""The option --verbose of pimsim and of every command: the log of pimsim on standard error, with times.

`logging` is imported only if the option is given.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pimsim.cli.plugin_option import add_option, option_of
from pimsim.version import __version__

if TYPE_CHECKING:
    import logging

HELP = "Log on standard error what is read, mapped, simulated, compiled and written, with the seconds since the start."


def add_verbose_option(command: Any) -> None:
    """Add the option to a command, or to all commands of a group.

    Args:
        command: Command or group of Typer.
    """
    add_option(command, option_of(_with_option))


def start_log(context: typer.Context, value: bool) -> bool:
    """Show the log of pimsim until the command ends.

    Args:
        context: Context of the command line.
        value: Whether the option was given.

    Returns:
        `value`.
    """
    if value and not context.resilient_parsing and not context.meta.get(__name__):
        context.meta[__name__] = True  # it may be given twice, as in: pimsim --verbose run --verbose
        context.find_root().call_on_close(_show_log())
    return value


VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", callback=start_log, is_eager=True, help=HELP)]


def _show_log() -> Any:
    """Write the log of pimsim to standard error.

    Returns:
        Function that ends this.
    """
    import logging

    from pimsim.cli.log_lines import StandardError

    logger = logging.getLogger("pimsim")
    others, level = [each for each in logger.handlers if isinstance(each, StandardError)], logger.level
    handler = StandardError(line_of(logging.getLogger(__name__)))
    for each in others:  # of a terminal, which would show some lines a second time
        logger.removeHandler(each)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    _log_start(logging.getLogger(__name__))

    def end() -> None:
        logger.removeHandler(handler)
        logger.setLevel(level)
        for each in others:
            logger.addHandler(each)

    return end


def line_of(logger: logging.Logger) -> Any:
    """Return the function that writes a record as a line.

    Args:
        logger: Any logger, whose class makes the record of the start.

    Returns:
        Function of a record: seconds since the start, part of pimsim, message.
    """
    from pimsim.base.errors import MAX_LINE_CHARS, printable

    begin = logger.makeRecord("", 0, "", 0, "", (), None).created

    def line(record: logging.LogRecord) -> str:
        name = record.name.removeprefix("pimsim.")
        part = name.rpartition(".")[0] or name
        return f"{record.created - begin:9.3f} s  {part}: {printable(record.getMessage(), MAX_LINE_CHARS)}"

    return line


def _log_start(logger: logging.Logger) -> None:
    """Log versions, the command line, and the plugins that were loaded before the log began."""
    import platform
    import shlex

    logger.debug("pimsim %s, Python %s: %s", __version__, platform.python_version(), shlex.join(sys.argv[1:]))
    if plugins := sys.modules.get("pimsim.base.plugins"):
        for each in plugins.loaded_plugins():
            logger.debug("plugin %s was loaded", each.record)


def _with_option(verbose: VerboseOption = False) -> None:
    del verbose
