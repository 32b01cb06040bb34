"""Configs that another file names, in `extends` or as the base of a sweep: what messages may tell of their text.

Whoever writes the naming file need not be the user, and may name any file that the user can read. So an error about a
file that is not a config gives its path and a line, but nothing of its text.
"""

from __future__ import annotations

import re

from pimsim.base.errors import ConfigError
from pimsim.config.schema import Config
from pimsim.config.yaml_tree import Document, parse_yaml

_KEYS = Config.model_fields.keys() | {"extends", "preset", "ranges"}
_LINE = re.compile(r"\bline (\d+)")
_ADVICE = "its text is not shown, because another file names it; pimsim run FILE shows what is wrong"


def parse_named(text: str, path: str) -> Document:
    """Parse a config that another file names.

    Args:
        text: Text of the file.
        path: Path of the file, for error messages.

    Returns:
        The document: a mapping, all of whose keys are keys of a config.

    Raises:
        ConfigError: If the file is not such a mapping; the message contains nothing of its text.
    """
    try:
        document = parse_yaml(text, path)
    except ConfigError as error:
        line = _LINE.search(str(error.problems[0]))
        where = f" (line {line[1]})" if line else ""
        raise ConfigError(f"is not a config{where}; {_ADVICE}", path) from None
    if not isinstance(document.tree, dict):
        raise ConfigError(f"is not a config, which is a mapping of keys to values; {_ADVICE}", path)
    unknown = next((key for key in document.tree if key not in _KEYS), None)
    if unknown is not None:
        line_number = document.lines.get((unknown,), 0)
        raise ConfigError(f"is not a config: the key of line {line_number} is none of a config; {_ADVICE}", path)
    return document
