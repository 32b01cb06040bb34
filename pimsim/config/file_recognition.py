"""Recognition of what a file is, for commands that were given another kind of file than they read."""

from __future__ import annotations

import json
from pathlib import Path

from pimsim.base.errors import ConfigError, PimsimError
from pimsim.base.file_kinds import Kind, misplaced
from pimsim.base.files import is_result_file
from pimsim.base.shipped_files import CONFIG_SUFFIXES, read_limited
from pimsim.config.layers import MAX_FILE_BYTES
from pimsim.config.yaml_tree import parse_yaml


def other_kind(path: str | Path, wanted: tuple[Kind, ...]) -> str:
    """Say what a file is if it is one of pimsim's files, but not of a kind that a command reads.

    Args:
        path: Any path, also of a missing file.
        wanted: Kinds that the command reads.

    Returns:
        Predicate of an error message, such as "is a config, ...: use pimsim run mine.yaml"; empty if the file is not
        recognised, cannot be read, or may be of a wanted kind.
    """
    file = Path(path)
    if is_result_file(file):
        return f"is an HDF5 file, as results are: use pimsim show {path}, or pimsim results show {path} for a sweep"
    try:
        text = read_limited(file, MAX_FILE_BYTES, ConfigError).decode("utf-8-sig")
        # YAML would read JSON as well, but slowly.
        tree = parse_yaml(text, str(path)).tree if file.suffix in CONFIG_SUFFIXES else json.loads(text)
    except (PimsimError, ValueError, RecursionError):  # ValueError: not UTF-8, or not JSON
        return ""
    return misplaced(tree, wanted, str(path))


def is_system(source: str) -> bool:
    """Return whether a path is a system file, by its keys.

    Args:
        source: What the user typed in place of a config.

    Returns:
        False also if there is no such file, or it cannot be read; loading it as a config then reports why.
    """
    path = Path(source)
    if path.suffix not in CONFIG_SUFFIXES:
        return False
    try:
        tree = parse_yaml(read_text(path, source), source).tree
    except (ConfigError, OSError):
        return False
    return isinstance(tree, dict) and "machines" in tree


def read_text(path: Path, name: str) -> str:
    """Read a file as text.

    Args:
        path: Path of the file.
        name: Name of the file in messages.

    Returns:
        The text, without a byte order mark.

    Raises:
        ConfigError: If the file cannot be read, is too large, or is not UTF-8.
    """
    data = read_limited(path, MAX_FILE_BYTES, lambda message: ConfigError(message, name))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text (byte {error.start})", name) from None
