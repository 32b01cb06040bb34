"""Folders of models that a config names without a slash, such as `model: gj` for the folder gj.

The name of a shipped model or network always means that model. Any other name may be a folder with a `config.json`.
"""

from __future__ import annotations

import os
from pathlib import Path

from workloads.gguf_files import ENDING
from workloads.models import ModelSpec, find_model
from workloads.shipped import network_folder, shipped_networks
from workloads.workload_errors import UnknownModelError

CONFIG_FILE = "config.json"


def is_path(name: str) -> bool:
    """Return whether the text of `workload.model` is a path, and no name.

    Args:
        name: The text.

    Returns:
        True if it has a slash, or ends in .json or .gguf.
    """
    return "/" in name or os.sep in name or name.endswith((".json", ENDING))


def is_shipped_model(name: str) -> bool:
    """Return whether a name means a model or a network that ships with pimsim.

    Args:
        name: Name or alias.

    Returns:
        True if it does.
    """
    try:
        find_model(name)
    except UnknownModelError:
        return name in shipped_networks()
    return True


def folder_named(name: str, within: Path = Path()) -> Path | None:
    """Find the folder of a model by its bare name.

    Args:
        name: The text of `workload.model`.
        within: Folder in which the folder of the model is looked for.

    Returns:
        The folder if it has a `config.json`; None for a path, and if there is no such folder.
    """
    if not name or is_path(name) or "\0" in name:
        return None
    folder = within / name
    try:
        return folder if (folder / CONFIG_FILE).is_file() else None
    except OSError:  # a name that is too long for the file system, for example
        return None


def has_file(name: str) -> bool:
    """Return whether a name means a model with a `config.json`: a shipped network, a path, or a folder named here.

    Args:
        name: Name or path, as in `workload.model`.

    Returns:
        False for the name of a shipped model without a file, and for an unknown name.
    """
    if name in shipped_networks():
        return True
    known = not is_path(name) and is_shipped_model(name)
    return not known and (is_path(name) or folder_named(name) is not None)


def named_spec(name: str) -> ModelSpec:
    """Return the shape of a model by its name or path.

    Args:
        name: Name of a shipped model or network, path of a config.json or of its folder or of a GGUF file, or the bare
            name of a folder in the working directory.

    Returns:
        The shape.

    Raises:
        WorkloadError: If the model is unknown, or its file cannot be read or is not supported.
    """
    if not has_file(name):
        return find_model(name)
    from workloads.huggingface import read_model_config  # lazy: few configs name a model that has a file

    return read_model_config(network_folder(name))


def shadowed_folder(name: str, within: Path = Path()) -> str:
    """Say that a shipped model is used although there is a folder of the same name.

    Args:
        name: The text of `workload.model`.
        within: Folder of the file that names the model; the working directory for an option.

    Returns:
        A sentence; empty if there is no such folder.
    """
    folder = folder_named(name, within)
    if folder is None or not is_shipped_model(name):
        return ""
    return f"workload.model={name} is the shipped model; for the folder {folder} write ./{name}"


def folder_elsewhere(name: str) -> str:
    """Say that the working directory has the folder of a model that is missing where a file names it.

    Args:
        name: Path of the folder that is looked for.

    Returns:
        A sentence, which starts with a semicolon; empty if there is nothing to say.
    """
    path = Path(name)
    if not is_path(name) or "\0" in name or os.path.lexists(path) or folder_named(path.name) is None:
        return ""
    other = os.path.relpath(path.name, path.parent)
    return (
        f"; the folder {path.name} of the working directory is not meant, because a name in a file is looked for "
        f"beside the file; to use that folder, write {other} there"
    )
