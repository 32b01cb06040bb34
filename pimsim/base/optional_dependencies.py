"""Import of libraries that only some commands need; optional extras install them (`pip install pimsim[optimize]`)."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from pimsim.base.errors import MissingExtraError


def import_optional(module: str, extra: str, purpose: str) -> ModuleType:
    """Import a module of an optional library.

    Args:
        module: Full name of the module.
        extra: Name of the extra of pimsim that installs the library.
        purpose: What the caller needs the library for; the subject of the error message.

    Returns:
        The module.

    Raises:
        MissingExtraError: If the library is not installed or cannot be loaded; the message says how to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise MissingExtraError(
            f"{purpose} needs {library}, which is not installed or does not load ({error}); "
            f'pip install "pimsim[{extra}]" brings it'
        ) from error
