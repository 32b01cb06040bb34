"""Recognition of pimsim's files by their keys, so that a file given to the wrong command is named as what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Kind = Literal["config", "sweep", "search", "trace", "system"]

_USES: Mapping[Kind, str] = {
    "config": "a config, which describes a machine and its workload: use pimsim run {file}",
    "sweep": "a sweep, which varies a config: use pimsim sweep {file} --out points.h5",
    "search": "a search, which optimises a config: use pimsim optimize {file} --out points.h5",
    "system": "a system of several machines: use pimsim run {file}, or pimsim serve {file}",
    "trace": "a trace, which is a workload without a machine: use pimsim run pim-llm --trace {file}",
}
RESULTS: Mapping[str, str] = {
    "pimsim-result": "holds the result of a run: use pimsim show {file}",
    "pimsim-serving": "holds a result of pimsim serve: use pimsim show {file}",
    "pimsim-cluster": "holds a result of pimsim serve for several machines: use pimsim show {file}",
    "pimsim-activity": "holds an activity that pimsim array measured: use pimsim show {file}, or name it in "
    "machine.crossbar.activity",
    "pimsim-accuracy": "holds a result of pimsim accuracy: use pimsim show {file}",
    "pimsim-comparison": "holds a result of pimsim compare: use pimsim show {file}",
    "pimsim-sweep": "holds the points of a sweep or a search: use pimsim results show {file}",
}
"""What a result file holds, and the command that shows it, by its attribute `format`."""


def kind_of(tree: object) -> Kind | None:
    """Recognise what a YAML or JSON document is.

    Args:
        tree: The document as nested dicts, lists and scalars.

    Returns:
        The kind; None if its keys are those of no kind, or of several.
    """
    if not isinstance(tree, Mapping):
        return None
    keys = set(tree)
    if "machines" in keys:
        return "system"
    found: list[Kind] = []
    if "blocks" in keys and keys & {"phase", "model", "tokens"}:
        found.append("trace")
    if keys & {"objectives", "trials"}:
        found.append("search")
    elif "sweep_version" in keys or ("base" in keys and keys & {"axes", "models", "contexts", "metrics"}):
        found.append("sweep")
    if keys & {"machine", "workload", "mapping", "extends", "leakage_gating", "schedule"}:
        found.append("config")
    return found[0] if len(found) == 1 else None


def misplaced(tree: object, wanted: tuple[Kind, ...], file: str) -> str:
    """Say what a document is if it is not what a command needs.

    Args:
        tree: The document.
        wanted: Kinds that the command reads.
        file: Name of the file, as the user would type it.

    Returns:
        Predicate of an error message; empty if the document may be of a wanted kind.
    """
    kind = kind_of(tree)
    return "" if kind is None or kind in wanted else use(kind, file)


def use(kind: Kind, file: str) -> str:
    """Say what a file is, and which command reads it.

    Args:
        kind: Kind of the file.
        file: Name of the file, as the user would type it.

    Returns:
        Predicate of an error message.
    """
    return f"is {_USES[kind].format(file=file)}"
