"""Names of models: their family, similar names within it, and ids of Hugging Face's hub.

A similar name helps only if it belongs to a model of the same architecture: "gptj" looks like "gpt2", but its layers
have another structure.
"""

import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from workloads.model_families import FAMILIES

_OTHER_NAMES = {
    "falcon3": "llama",
    "falcone": "llama",
    "vicuna": "llama",
    "tinyllama": "llama",
    "pythia": "gpt_neox",
    "phi4": "phi3",
    "deepseek67b": "llama",
    "deepseekllm": "llama",
    "qwen330ba3b": "qwen3_moe",
    "qwen3235ba22b": "qwen3_moe",
    "qwen15moe": "qwen2_moe",
}
"""Families of models with other names than their family, without separators."""

_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
_HUB_ADDRESS = re.compile(rf"(?:https?:/{{1,2}})?(?:www\.)?(?:huggingface\.co|hf\.co)/({_HUB_ID.pattern})(?:[/?#].*)?")
"""Address of a model on the hub; as a path it has only one slash after the colon."""
_FILE_ENDINGS = (".json", ".safetensors", ".bin", ".gguf", ".model", ".yaml", ".yml", ".pt", ".txt")


def similar_families(model_type: object) -> str:
    """Return a suggestion for a misspelt `model_type`.

    Args:
        model_type: The value, which is not a supported family.

    Returns:
        `" (did you mean a or b?)"`, or "" if the value is another family or resembles none.
    """
    import difflib  # needed only for error messages

    if not isinstance(model_type, str) or model_type.lower() in other_families():
        return ""
    return _question(difflib.get_close_matches(model_type[:100].lower(), list(FAMILIES), n=2, cutoff=0.8))


def similar_models(name: object, names: Iterable[str]) -> list[str]:
    """Return shipped models with a similar name and the same architecture.

    Args:
        name: The name that was not found, or the id of a model on the hub; only a `str` has similar names.
        names: The names and aliases of the shipped models.

    Returns:
        Up to three names, the most similar first.
    """
    import difflib  # needed only for error messages

    if not isinstance(name, str):
        return []
    wanted = name[:200].rpartition("/")[2].lower()
    family = _family_of(wanted)
    candidates = [each for each in names if family is None or _family_of(each) == family]
    return difflib.get_close_matches(wanted, candidates, n=3, cutoff=0.75 if family is None else 0.5)


def did_you_mean(names: Iterable[str]) -> str:
    """Return the question whether one of some names was meant.

    Args:
        names: Similar names.

    Returns:
        `" (did you mean a or b?)"`, or "" without names.
    """
    return _question(list(names))


def is_hub_id(text: str | os.PathLike[str]) -> bool:
    """Return whether a text is the id of a model on Hugging Face's hub, such as meta-llama/Llama-3.1-8B.

    Args:
        text: Name or path.

    Returns:
        True if the text has the form OWNER/NAME, and there is no file or folder of this name, nor a folder OWNER.
    """
    name = os.fspath(text)
    if not _HUB_ID.fullmatch(name) or name.lower().endswith(_FILE_ENDINGS):
        return False
    return not os.path.lexists(name) and not Path(name).parent.is_dir()


def id_in_address(text: str | os.PathLike[str]) -> str:
    """Return the id in the address of a model on Hugging Face's hub.

    Args:
        text: Name, path or address.

    Returns:
        The id, such as meta-llama/Llama-3.1-8B; "" if the text is not such an address.
    """
    found = _HUB_ADDRESS.fullmatch(os.fspath(text))
    return found[1] if found and not os.path.lexists(text) else ""


@cache
def other_families() -> tuple[str, ...]:
    """Load the values of `model_type` of known decoders that are not supported, from `data/other-families.txt`.

    Returns:
        The names, lower case.
    """
    text = Path(__file__).with_name("data").joinpath("other-families.txt").read_text(encoding="utf-8")
    return tuple(" ".join(line for line in text.splitlines() if not line.startswith("#")).split())


def _question(names: list[str]) -> str:
    return f" (did you mean {' or '.join(names)}?)" if names else ""


def _family_of(name: str) -> str | None:
    """Return the family whose name begins a name of a model; None if there is none."""
    plain = _plain(name)
    return next((family for start, family in _starts() if plain.startswith(start)), None)


@cache
def _starts() -> tuple[tuple[str, str], ...]:
    """Return the beginnings of names with the families, the longest first."""
    families = {_plain(name): name for name in (*other_families(), *FAMILIES)} | _OTHER_NAMES
    return tuple(sorted(families.items(), key=lambda item: -len(item[0])))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]", "", name)
