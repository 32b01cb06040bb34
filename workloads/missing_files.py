"""What a folder without the needed files has instead, and what to do: for error messages, never for reading."""

from __future__ import annotations

import os
from pathlib import Path

from workloads.checked_fields import shorten
from workloads.model_names import id_in_address, is_hub_id, similar_models
from workloads.models import load_models
from workloads.strict_json import Problems, as_object, parse
from workloads.untrusted_files import read_file
from workloads.workload_errors import ConfigFileError, WorkloadError

NEEDED = (
    "timing needs config.json; `pimsim accuracy` also needs model.safetensors, or its shards and their index, and "
    "tokenizer.json or tokenizer.model; or one GGUF file"
)
SHOWN_FILES = 5
MAX_ENTRIES = 1000
"""Entries of a folder that are looked at."""
_OTHER_FORMATS = {
    "params.json": "params.json is Meta's own format: use the folder in Hugging Face's format of the same model",
    "adapter_config.json": "",  # described by `_adapter`
    "tokenizer.model": "tokenizer.model has only the vocabulary",
    "tokenizer.json": "tokenizer.json has only the vocabulary",
    "model.safetensors": "model.safetensors has the weights without the shape: the config.json beside it is needed",
}


def no_config(path: str | os.PathLike[str]) -> str:
    """Explain why there is no `config.json` at a path.

    Args:
        path: Path or name that the user gave, at which there is no config.

    Returns:
        One sentence with what is there, what is missing and what to do; "" if there is nothing to add.
    """
    try:
        if address := id_in_address(path):
            return _hub(address, "an address of a model on")
        if is_hub_id(path):
            return _hub(os.fspath(path), "an id of")
        folder = Path(path)
        if not folder.is_dir() or os.path.lexists(folder / "config.json"):
            return ""
        return f"cannot read the model config: {_folder(folder)}"
    except (OSError, ValueError):  # a path that the system does not accept; reading it reports why
        return ""


def no_weights(folder: Path) -> str:
    """Say what a folder without safetensors files has instead.

    Args:
        folder: The folder.

    Returns:
        The end of a sentence that begins with "; ", or "".
    """
    names = _names(folder)
    if "adapter_config.json" in names:
        return f"; {_adapter(folder)}"
    if any(name.startswith("pytorch_model") and name.endswith(".bin") for name in names):
        return "; its pytorch_model.bin is a pickle, which can run code: save it as safetensors"
    if ggufs := [name for name in names if name.endswith(".gguf")]:
        return f"; {shorten(ggufs[0])} is in GGUF: give the path of this file in place of the folder"
    return f"; it has {_listed(names)}" if names else "; it is empty"


def no_tokenizer(folder: Path) -> str:
    """Say what a folder without a tokenizer has instead.

    Args:
        folder: The folder.

    Returns:
        One sentence with what is there, what is missing and what to do.
    """
    names = _names(folder)
    has = f"the folder has {_listed(names)}" if names else "the folder is empty"
    parts = [name for name in ("vocab.json", "merges.txt") if name in names]
    hint = f"; {' and '.join(parts)} can be saved as tokenizer.json with transformers" if parts else ""
    return f"cannot read the tokenizer: {has}, but neither tokenizer.json nor tokenizer.model{hint}"


def _hub(name: str, what: str) -> str:
    similar = similar_models(name, [alias for spec in load_models().values() for alias in (spec.name, *spec.aliases)])
    if name.rpartition("/")[2].lower() in similar:
        known = f" pimsim ships its shape as {similar[0]}."
    else:
        known = f" Shipped shapes with a similar name: {', '.join(similar)}." if similar else ""
    return (
        f"there is no such folder; it looks like {what} Hugging Face's hub, and nothing is downloaded: download the "
        f"model with a tool of the hub, and give the path of its folder ({NEEDED}).{known}"
    )


def _folder(folder: Path) -> str:
    names = _names(folder)
    if "adapter_config.json" in names:
        return f"the folder has no config.json; {_adapter(folder)}"
    inner = next((name for name in names if (folder / name / "config.json").is_file()), None)
    snapshot = next(iter(sorted(folder.glob("snapshots/*/config.json"))), None)
    if snapshot is not None:
        inner = f"snapshots/{snapshot.parent.name}"
    if inner is not None:
        return f"the folder has no config.json; the one in {shorten(inner)} may be meant: give that folder"
    if not names:
        return f"the folder is empty; {NEEDED}"
    hint = next((text for name, text in _OTHER_FORMATS.items() if name in names), "")
    if ggufs := [name for name in names if name.endswith(".gguf")]:
        return f"the folder has {_listed(names)}, but no config.json; give the path of {shorten(ggufs[0])} itself"
    return f"the folder has {_listed(names)}, but no config.json; {hint}{'; ' if hint else ''}{NEEDED}"


def _adapter(folder: Path) -> str:
    """Return a description of a LoRA adapter, with the model that its `adapter_config.json` names."""
    base = ""
    try:
        data = read_file(folder / "adapter_config.json", "the adapter", 2**20, ConfigFileError)
        problems = Problems("", "", ConfigFileError)
        named = (as_object(parse(data, problems), "", problems) or {}).get("base_model_name_or_path")
        base = f" of {shorten(named)}" if isinstance(named, str) and named else ""
    except WorkloadError:
        pass
    return (
        f"it is a LoRA adapter{base} (adapter_config.json), which only changes the weights of another model: merge the "
        f"two (merge_and_unload of peft), save the result, and give that folder"
    )


def _names(folder: Path) -> list[str]:
    names = []
    try:
        with os.scandir(folder) as entries:
            for entry, _ in zip(entries, range(MAX_ENTRIES), strict=False):
                names.append(entry.name)
    except OSError:
        return []
    return sorted(name for name in names if not name.startswith("."))


def _listed(names: list[str]) -> str:
    shown = ", ".join(name if name.isprintable() and len(name) <= 60 else shorten(name) for name in names[:SHOWN_FILES])
    return shown if len(names) <= SHOWN_FILES else f"{shown} and {len(names) - SHOWN_FILES} more"
