"""Plugins of a result file, of any kind."""

from __future__ import annotations

from pathlib import Path

from pimsim.base.plugins import PluginRecord
from pimsim.results.hdf5 import opened


def read_plugins(path: str | Path) -> tuple[PluginRecord, ...]:
    """Read which code from outside the package was loaded when a result was made.

    Args:
        path: A result file; it is untrusted input.

    Returns:
        Plugins and packages; none for a file of a version that did not record them.

    Raises:
        ResultFileError: If the file cannot be read, or is damaged.
    """
    with opened(path, {}) as reader:
        return reader.plugins()
