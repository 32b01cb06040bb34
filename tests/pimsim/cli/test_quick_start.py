"""Tests that commands validate without a search for plugins of pydantic, and that a setting of the user stays."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType

import pytest

from pimsim.cli.quick_start import LOADER, SETTING, skip_plugin_search

CODE = (
    "import sys\n"
    "sys.argv = ['pimsim', 'config', 'show', 'pim-llm']\n"
    "from pimsim.cli.app import main\n"
    "try:\n    main()\nfinally:\n    print('IMPORTED', *sys.modules)"
)


def imported(setting: str | None) -> set[str]:
    """Return the modules of a process that validates a config, with a value of pydantic's environment variable."""
    environment = {name: value for name, value in os.environ.items() if name != SETTING}
    if setting is not None:
        environment[SETTING] = setting
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300, env=environment)
    return set(done.stdout.rpartition("IMPORTED")[2].split())


def test_a_command_without_simulation_reads_no_metadata_of_packages() -> None:
    modules = imported(None)
    assert "pydantic.main" in modules
    assert not modules & {"importlib.metadata", "email"}


def test_the_search_is_made_if_the_user_sets_it() -> None:
    """The module that is replaced is still the one in which pydantic searches: it imports `importlib.metadata`."""
    modules = imported("some-plugin")
    assert {LOADER, "importlib.metadata"} <= modules


def test_a_search_that_was_made_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ModuleType(LOADER)
    monkeypatch.setitem(sys.modules, LOADER, made)
    monkeypatch.delenv(SETTING, raising=False)
    skip_plugin_search()
    assert sys.modules[LOADER] is made
    assert SETTING not in os.environ
