"""Registries as they were before a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pimsim.base import plugins, registries


@contextmanager
def restored_registries() -> Iterator[None]:
    """Remove, after a `with` block, what it registered, and forget which plugins and entry points it loaded.

    Yields:
        Nothing.
    """
    before = [(each, dict(each._values), dict(each._origins)) for each in registries._REGISTRIES]
    groups, packages, loaded = set(registries._LOADED), dict(registries._PACKAGES), dict(plugins._LOADED)
    try:
        yield
    finally:
        registries._REGISTRIES[:] = [each for each, *_ in before]
        for each, values, origins in before:
            # Shipped values stay: a module that registers them when it is first imported does so once.
            shipped = {name: value for name, value in each._values.items() if name in each.shipped}
            each._values, each._origins = shipped | values, origins
        registries._LOADED.clear()
        registries._LOADED.update(groups)
        registries._PACKAGES.clear()
        registries._PACKAGES.update(packages)
        plugins._LOADED.clear()
        plugins._LOADED.update(loaded)
