"""What the command line leaves out of the start of pydantic: the search for plugins of pydantic."""

from __future__ import annotations

import os
import sys
from types import ModuleType

SETTING = "PYDANTIC_DISABLE_PLUGINS"
"""Environment variable of pydantic; a user who sets it decides."""
LOADER = "pydantic.plugin._loader"
"""Module of pydantic that searches for its plugins."""


def skip_plugin_search() -> None:
    """Let pydantic find no plugins of its own kind, such as loggers of validation, which no command needs.

    The search imports `importlib.metadata` with `email` and reads the metadata of every installed package: 27 ms of
    processor time of each command that validates something, a twentieth of a short one. A plugin of pimsim is another
    thing, and found as before. Does nothing if pydantic is imported already, or if the environment has the setting.
    """
    if SETTING in os.environ or LOADER in sys.modules:
        return
    os.environ[SETTING] = "__all__"  # for a process that this one starts, and for another version of pydantic
    none = ModuleType(LOADER)
    none.get_plugins = tuple  # type: ignore[attr-defined]
    sys.modules[LOADER] = none
