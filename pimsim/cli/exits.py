"""Early ends of a command: a refused command line, or an interrupt after which finished work is kept."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

import typer

from pimsim.base.errors import INTERRUPTED_EXIT_CODE


def refuse(message: str) -> NoReturn:
    """End the command because its arguments cannot be used.

    Args:
        message: Sentence that says which argument is wrong, and why.

    Raises:
        BadParameter: Always. The command line prints the message and ends with exit code 2.
    """
    raise typer.BadParameter(message)


def is_given(context: typer.Context, name: str) -> bool:
    """Return whether the user typed an option, which may have a default value.

    Args:
        context: Context of the command.
        name: Name of the parameter of the command's function.

    Returns:
        False if the value is the default.
    """
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def discard_output() -> None:
    """Send the rest of standard output nowhere, because its reader has closed the pipe."""
    with suppress(OSError, ValueError):  # ValueError: it is not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def forget_interrupt() -> None:
    """Let the process end with the exit code that it is given.

    CPython notes an interrupt inside `exec` of a text (which dataclasses use), even if it is caught later, and ends the
    process with the signal then. Executing another text deletes the note.
    """
    exec("")


def end_interrupted(message: str) -> NoReturn:
    """Print why the command ended early, and end it with the exit code of an interrupt.

    Without this, Typer would end the command without a message.

    Args:
        message: Sentence for standard error that says how much was finished.

    Raises:
        Exit: Always, with exit code 130.
    """
    typer.echo(f"pimsim: {message}", err=True)
    raise typer.Exit(INTERRUPTED_EXIT_CODE)
