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
