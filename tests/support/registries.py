"""Registries as they were before a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pimsim.base import plugins, registry


@contextmanager
def restored_registries() -> Iterator[None]:
    """Remove, after a `with` block, what it registered, and forget which plugins and entry points it loaded.

    Yields:
        Nothing.
    """
    before = [(each, dict(each._values), dict(each._origins)) for each in registry._REGISTRIES]
    groups, loaded = set(registry._LOADED), dict(plugins._LOADED)
    try:
        yield
    finally:
        registry._REGISTRIES[:] = [each for each, *_ in before]
        for each, values, origins in before:
            each._values, each._origins = values, origins
        registry._LOADED.clear()
        registry._LOADED.update(groups)
        plugins._LOADED.clear()
        plugins._LOADED.update(loaded)
