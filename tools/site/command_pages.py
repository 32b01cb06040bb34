"""The reference of the command line, made from the commands' own help texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from pimsim.cli.app import app

_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*)")
_MARKUP = re.compile(r"([\\`*_<>\[\]|#$])")


def commands_markdown() -> str:
    """Return a section per command: what it does, its usage, its arguments and options, and its examples."""
    group: Any = typer.main.get_command(app)
    context = typer.Context(group, info_name="pimsim")
    return "\n\n".join(each for name in group.list_commands(context) for each in _sections(group, context, name, 2))


def _sections(group: Any, context: Any, name: str, level: int) -> Iterator[str]:
    """Iterate over the section of a command and the sections of the commands below it.

    Args:
        group: Group of the command.
        context: Context of the group.
        name: Name of the command in its group.
        level: Level of its heading.

    Yields:
        Markdown text.
    """
    command = group.get_command(context, name)
    if command.hidden:
        return
    own = typer.Context(command, info_name=name, parent=context)
    usage = " ".join([own.command_path, *command.collect_usage_pieces(own)])
    text = [f"{'#' * level} {own.command_path}", _plain(command.help or ""), f"```text\n{usage}\n```"]
    records = [each.get_help_record(own) for each in command.get_params(own)]
    rows = [f"| {_code(left)} | {_plain(right)} |" for left, right in filter(None, records)]
    text.append("\n".join(["| argument or option | meaning |", "| --- | --- |", *rows]))
    if examples := re.findall(r"Example: (.*)", command.epilog or ""):
        text.append("```console\n" + "".join(f"$ {each}\n" for each in examples) + "```")
    yield "\n\n".join(text)
    if hasattr(command, "list_commands"):
        for below in command.list_commands(own):
            yield from _sections(command, own, below, level + 1)


def _plain(text: str) -> str:
    """Return a text that Markdown shows as it is, in one line, with options as code."""
    return _OPTION.sub(r"`\1`", _MARKUP.sub(r"\\\1", " ".join(text.split())))


def _code(text: str) -> str:
    return "`" + text.replace("|", r"\|") + "`"
