"""Import of libraries that only some commands need; optional extras install them (`pip install pimsim[optimize]`)."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
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
            _message(library, extra, purpose, f"is not installed or does not load ({error})")
        ) from error


def require_optional(module: str, extra: str, purpose: str) -> None:
    """Check, without importing it, that a library is installed: before work whose result needs it.

    Args:
        module: Name of the library's package.
        extra: Name of the extra of pimsim that installs the library.
        purpose: What the caller needs the library for; the subject of the error message.

    Raises:
        MissingExtraError: If the library is not installed; the message says how to install it.
    """
    try:
        found = find_spec(module) is not None
    except ValueError:  # sys.modules has None or a module without a specification under this name
        found = False
    if not found:
        raise MissingExtraError(_message(module, extra, purpose, "is not installed"))


def _message(library: str, extra: str, purpose: str, what: str) -> str:
    return f'{purpose} needs {library}, which {what}; pip install "pimsim[{extra}]" brings it'
