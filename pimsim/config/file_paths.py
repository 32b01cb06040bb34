"""Paths of files inside a config: relative to the YAML file that names them, and with `~` for the home folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pimsim.config.model_folders import folder_named, is_path, is_shipped_model
from pimsim.config.schema import Config
from pimsim.config.yaml_tree import Path as TreePath
from workloads.shipped import shipped_networks

FILE_KEYS: tuple[TreePath, ...] = (
    ("workload", "model"),
    ("workload", "trace"),
    ("accuracy", "model"),
    ("accuracy", "text"),
    ("accuracy", "calibration"),
    ("machine", "crossbar", "activity"),
)
"""Keys whose value is the path of a file or folder, or the name of something that ships with pimsim."""

Tree = dict[str, object]


def relative_to_file(tree: Tree, folder: Path) -> Tree:
    """Replace relative paths by paths that start in the folder of the file that names them.

    A value is such a path if there is a file or folder of this name below the folder. Any other value stays: it is the
    name of something that ships with pimsim, or is relative to the working directory. A model without a slash is a
    folder only if it has a config.json, and no shipped model has its name. It is never one of the working directory,
    which the file does not know: another folder with this name would give other figures.

    Args:
        tree: Tree of one YAML file.
        folder: Folder of this file.

    Returns:
        The tree; a changed copy if a path was replaced.
    """
    if folder == Path():  # the working directory, in which relative paths start anyway
        return tree
    return _mapped(tree, {path: value for path in FILE_KEYS if (value := _below(folder, path, _get(tree, path)))})


def with_home(tree: Tree) -> Tree:
    """Replace `~` and `~user` at the start of paths by the home folder.

    Args:
        tree: Tree of a config.

    Returns:
        The tree; a changed copy if a path was replaced.
    """
    values = {path: _get(tree, path) for path in FILE_KEYS}
    # Unlike Path.expanduser, this leaves the name of an unknown user as it is.
    found = {path: os.path.expanduser(each) for path, each in values.items() if each.startswith("~")}  # noqa: PTH111
    return _mapped(tree, found)


def relative_value(key: str, value: object, folder: Path) -> object:
    """Return the value of one key, as a path that starts in a folder if it is a relative path of something there.

    Args:
        key: Dotted key of a config.
        value: Its value.
        folder: Folder of the file that names it.

    Returns:
        The path, or the value as it is.
    """
    path = tuple(key.split("."))
    if path not in FILE_KEYS or not isinstance(value, str) or folder == Path():
        return value
    return _below(folder, path, value) or value


def with_absolute_paths(config: Config) -> Config:
    """Make the paths of traces and measured activities absolute, so that a stored result runs again from any folder.

    Args:
        config: Configuration of the run.

    Returns:
        The config with absolute paths, or unchanged if it names no such files.
    """
    workload = config.workload
    changes: dict[str, object] = {}
    if workload.trace is not None and os.path.lexists(workload.trace):
        changes["trace"] = str(Path(workload.trace).absolute())
    if workload.routing.trace is not None:
        changes["routing"] = workload.routing.model_copy(update={"trace": str(Path(workload.routing.trace).absolute())})
    if changes:
        config = config.model_copy(update={"workload": workload.model_copy(update=changes)})
    crossbar = config.machine.crossbar
    if crossbar is None or crossbar.activity is None:
        return config
    tiles = crossbar.model_copy(update={"activity": str(Path(crossbar.activity).absolute())})
    return config.model_copy(update={"machine": config.machine.model_copy(update={"crossbar": tiles})})


def _below(folder: Path, path: TreePath, value: str) -> str:
    if (
        path == ("workload", "model")
        and not is_path(value)
        and (is_shipped_model(value) or not folder_named(value, folder))
    ):
        return str(folder / value) if _is_elsewhere(value) and not is_shipped_model(value) else ""
    if not value or value.startswith("~") or "\0" in value or Path(value).is_absolute():
        return ""
    below = folder / value
    try:
        found = below.exists()
    except OSError:
        return ""
    network = path == ("accuracy", "model") and value not in shipped_networks() and _is_elsewhere(value)
    return str(below) if found or network else ""


def _is_elsewhere(model: str) -> bool:
    return folder_named(model) is not None


def _get(tree: Mapping[str, object], path: TreePath) -> str:
    """Return the text at a path; empty if there is none."""
    value: object = tree
    for key in path:
        value = value.get(str(key)) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def _mapped(tree: Tree, values: Mapping[TreePath, str]) -> Tree:
    for path, value in values.items():
        tree = _replaced(tree, path, value)
    return tree


def _replaced(tree: Tree, path: TreePath, value: str) -> Tree:
    """Return a copy of a tree with another text at a path, which leads to a text."""
    first, *rest = path
    below = tree[str(first)]
    return tree | {str(first): _replaced(below, tuple(rest), value) if rest and isinstance(below, dict) else value}
