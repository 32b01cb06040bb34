"""YAML text of an imported config, with the source of each value as a comment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pimsim.base.errors import printable

MAX_TEXT_CHARS = 200


def comment(text: str) -> str:
    """Return a text on one line, without characters that a terminal would interpret.

    Args:
        text: Any text, also from an untrusted file.

    Returns:
        At most `MAX_TEXT_CHARS` characters.
    """
    return printable(" ".join(text.split()), MAX_TEXT_CHARS)


def commented_lines(entries: Mapping[str, tuple[str, str]], level: int = 0) -> Iterator[str]:
    """Iterate over the lines of nested YAML.

    Args:
        entries: Text of the value and comment, by dotted key.
        level: Depth of the sections, for the indentation.

    Yields:
        A line for each section, and a line with the comment for each key.
    """
    sections = {key.partition(".")[0]: None for key in entries}
    for section in sections:
        if section in entries:
            value, note = entries[section]
            setting = f"{'  ' * level}{section}: {value}"
            yield f"{setting:<38}  # {note}"
        else:
            yield f"{'  ' * level}{section}:"
            below = {key.partition(".")[2]: entry for key, entry in entries.items() if key.startswith(f"{section}.")}
            yield from commented_lines(below, level + 1)
