"""Accessors of results, such as `result.plot`, that a layer above results provides.

Results know only the name of an accessor. `pimsim/__init__.py`, which knows all layers, says which function provides
it; the function is imported when the accessor is first used.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as typing.TYPE_CHECKING, whose module takes 10 ms to import
if TYPE_CHECKING:
    from typing import Any

_providers: dict[str, str] = {}


def provide_accessor(name: str, function: str) -> None:
    """Say which function provides an accessor.

    Args:
        name: Name of the accessor, such as "plot".
        function: "module:function"; the function takes a result and returns its accessor.
    """
    _providers[name] = function


def accessor_of(result: object, name: str) -> Any:
    """Return an accessor of a result.

    Args:
        result: The result.
        name: Name of the accessor.

    Returns:
        What the function returns that provides it.

    Raises:
        AttributeError: If no function provides it, or if results of this class have none.
    """
    if name not in _providers:
        raise AttributeError(f"nothing provides the accessor {name!r} of results")
    module, _, function = _providers[name].partition(":")
    return getattr(import_module(module), function)(result)
