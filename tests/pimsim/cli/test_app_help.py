"""The help texts of all commands: every option is explained, every example works."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from pimsim import load_config, load_sweep, run_sweep, simulate
from pimsim.cli.app import app
from pimsim.results.store import write_result
from pimsim.version import __version__
from tests.support.command_line import SECONDS
from tests.support.command_line import pimsim as run_pimsim
from tests.support.counts import DEEP
from tests.support.importer_files import V2 as SCALESIM
from tests.support.importer_files import cfg as scalesim_cfg
from tests.support.importer_files import ini as mnsim_ini

SMALL = ("--set", "workload.model=gpt2-small")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name in command.list_commands(None) if hasattr(command, "list_commands") else ():
        yield from commands(command.get_command(None, name), (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_all_commands_exist() -> None:
    assert {" ".join(path) for path in COMMANDS} >= {
        "", "run", "show", "reproduce", "calibrate", "init", "models", "configs", "devices", "import", "import mnsim",
        "import scalesim", "trace", "trace make", "trace show", "results", "results show", "results front",
        "results best", "results sensitivity", "results plot",
    }  # fmt: skip


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_of_every_command_has_an_example_and_explains_every_option(path: tuple[str, ...]) -> None:
    for option in ("--help", "-h"):
        shown = run_pimsim(*path, option).ok
        assert re.match(rf"Usage: .*{' '.join(('pimsim', *path))} ", shown)
        assert "Example: pimsim " in shown
    assert all(line.startswith("Example: pimsim ") for line in COMMANDS[path].epilog.splitlines() if line)
    for parameter in COMMANDS[path].params:
        assert parameter.help, f"{parameter.name} is not explained"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_tables_of_commands_agree_with_their_modules(path: tuple[str, ...]) -> None:
    assert COMMANDS[path].name == (path[-1] if path else "pimsim")
    for name, (module, summary) in getattr(COMMANDS[path], "table", {}).items():
        assert import_module(module).app
        assert f"  {name}" in run_pimsim(*path, "--help").ok
        assert len(f"  {name}  {summary}") < 79, "fits a line of the help text"


LONG = ("pimsim calibrate",) if DEEP else ("pimsim calibrate", "pimsim sweep ", "pimsim reproduce claims --ranges")
"""Beginnings of examples that are too slow: one always, the others in `make test`."""

EXAMPLES = [
    line.removeprefix("Example: ")
    for command in COMMANDS.values()
    for line in command.epilog.splitlines()
    if line and not line.removeprefix("Example: ").startswith(LONG)
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what examples begin with: a stored result, configs of other simulators, and measured cells."""
    folder = tmp_path_factory.mktemp("inputs")
    write_result(simulate(load_config("pim-llm", ["workload.model=gpt2-small"])), folder / "result.h5")
    (folder / "SimConfig.ini").write_text(mnsim_ini(), encoding="utf-8")
    (folder / "google.cfg").write_text(scalesim_cfg(SCALESIM), encoding="utf-8")
    (folder / "cells.csv").write_text("lrs_uS,hrs_uS\n99,2\n101,3\n102,4\n", encoding="utf-8")
    sweep = {"name": "points", "base": "pim-llm", "models": ["gpt2-small"], "contexts": [16, 32]}
    run_sweep(load_sweep(sweep), folder / "points.h5", workers=1)
    search = sweep | {"name": "search", "objectives": ["tokens_per_s"], "trials": 3}
    (folder / "search.yaml").write_text(yaml.safe_dump(search), encoding="utf-8")
    return folder


@pytest.mark.parametrize("example", dict.fromkeys(EXAMPLES))
def test_the_examples_of_every_help_work(
    example: str, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    program, *args = shlex.split(example)
    assert program == "pimsim"
    outcome = run_pimsim(*args)
    assert outcome.ok or set(tmp_path.iterdir()) > before


@pytest.mark.parametrize("path", [(), ("trace",)], ids=["pimsim", "trace"])
def test_a_group_without_subcommand_lists_its_commands(path: tuple[str, ...]) -> None:
    outcome = run_pimsim(*path)
    assert outcome.code == 2
    assert "Commands:" in outcome.out + outcome.err


def test_version() -> None:
    assert run_pimsim("--version").ok == f"pimsim {__version__}\n"


def test_help_and_run_import_only_what_they_need() -> None:
    """The limits are 0.3 s for help and 1 s for a run, so that unused libraries must not be imported."""

    def imported(*args: str) -> set[str]:
        code = (
            "import sys\n"
            f"sys.argv = {['pimsim', *args]!r}\n"
            "from pimsim.cli.app import main\n"
            "try:\n    main()\nfinally:\n    print('IMPORTED', *sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=SECONDS)
        return set(done.stdout.rpartition("IMPORTED")[2].split())

    assert not imported("--help") & {"numpy", "pydantic", "yaml", "simpy", "rich.table", "pandas", "h5py", "numba"}
    modules = imported("run", "pim-llm", *SMALL)
    assert "simpy" in modules
    assert not modules & {"pandas", "h5py", "numba"}
