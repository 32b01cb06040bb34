"""Libraries that only some commands need; they come with pimsim's extras (`pip install pimsim[optimize]`)."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from pimsim.base.errors import MissingExtraError


def import_optional(module: str, extra: str, purpose: str) -> ModuleType:
    """A module of an optional library. Raises MissingExtraError, which says for what it is and how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise MissingExtraError(
            f"{purpose} needs {library}, which is not installed or does not load ({error}); "
            f'pip install "pimsim[{extra}]" brings it'
        ) from error
