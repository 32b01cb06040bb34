"""Plugins of a result file, of any kind."""

from __future__ import annotations

from pathlib import Path

from pimsim.base.plugins import PluginRecord
from pimsim.results.hdf5.reader import opened
from pimsim.results.hdf5.record_tables import column_kinds


def read_plugins(path: str | Path) -> tuple[PluginRecord, ...]:
    """Read which code from outside the package was loaded when a result was made.

    Args:
        path: A result file; it is untrusted input.

    Returns:
        Plugins and packages; none for a file of a version that did not record them.

    Raises:
        ResultFileError: If the file cannot be read, or is damaged.
    """
    with opened(path) as reader:
        if not reader.has("plugins"):
            return ()
        columns = reader.columns("plugins", column_kinds(PluginRecord))
    # A study of accuracy has those of each of its points.
    return tuple(dict.fromkeys(map(PluginRecord, columns["name"], columns["sha256"])))
