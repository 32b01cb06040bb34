"""Every command that writes files has --force, and without it replaces nothing that is not an earlier output."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from pimsim.base.files import HDF5_SIGNATURE
from pimsim.cli.app import app
from tests.support.command_line import assert_refused, pimsim
from tests.support.importer_files import GEMMS, V2, cfg, ini
from tests.support.sweeps import write_sweep_file

MINE = "extends: pim-llm\nworkload: {model: gpt2-small}\n"
RUN = ("run", "mine.yaml")
SERVE = ("serve", "mine.yaml", "--poisson", "5", "--count", "2", "--prompt", "4", "--output", "2")
WRITERS = ("--out", "--csv", "--timeline", "--plots", "--parquet")
LISTED = [
    *((*RUN, option) for option in ("--out", "--csv", "--timeline")),
    (*RUN, "--set", "workload.phase=generate", "--csv"),
    *((*SERVE, option) for option in ("--out", "--csv")),
    *(("accuracy", "mine.yaml", option) for option in ("--out", "--csv")),
    ("array", "mine.yaml", "--csv"),
    ("waterfall", "pim-llm", "mine.yaml", "--csv"),
    ("trace", "make", "gpt2-small", "--context", "4", "--out"),
    ("import", "mnsim", "SimConfig.ini", "--out"),
    ("import", "scalesim", "scale.cfg", "--out"),
    ("sweep", "many.yaml", "--out"),
    ("init",),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {"mine.yaml": MINE, "SimConfig.ini": ini(), "scale.cfg": cfg(V2), "gemms.csv": GEMMS}.items():
        Path(name).write_text(text, encoding="utf-8")
    write_sweep_file(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", LISTED, ids=lambda each: " ".join(each))
def test_an_input_or_another_file_is_not_replaced(command: tuple[str, ...], folder: Path) -> None:
    (folder / "notes.txt").write_text("of a year", encoding="utf-8")
    (folder / "other.h5").write_bytes(HDF5_SIGNATURE + bytes(100))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for target in (
        "mine.yaml",
        "notes.txt",
        "other.h5",
        next((each for each in command if each in before), "notes.txt"),
    ):
        outcome = pimsim(*command, target)
        assert_refused(outcome, 9 if command[0] == "sweep" else 7)
        assert target in outcome.err
        assert "--force" in outcome.err
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_results_are_replaced_by_results_and_anything_by_force(folder: Path) -> None:
    files = ("--out", "out.h5", "--csv", "out.csv", "--timeline", "out.json")
    for _ in range(2):
        assert pimsim(*RUN, *files).ok
    assert pimsim(*RUN, "--csv", "out.csv", "--by", "op").ok
    assert_refused(pimsim(*RUN, "--csv", "out.h5"), 7)
    assert pimsim(*RUN, "--csv", "out.h5", "--force").ok
    assert (folder / "out.h5").read_text(encoding="utf-8").startswith("block,repeat,op,")
    for _ in range(2):
        assert pimsim(*SERVE, "--out", "served.h5", "--csv", "served.csv").ok
    assert_refused(pimsim(*RUN, "--out", "served.h5"), 7)
    assert pimsim(*RUN, "--out", "mine.yaml", "--force").ok


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(command, click.Group) or hasattr(command, "list_commands"):
        context = typer.Context(command)
        for each in command.list_commands(context):
            yield from commands(command.get_command(context, each), f"{name} {each}".strip())
    else:
        yield name, command


def test_each_command_that_writes_has_the_option() -> None:
    found = {
        name: {option for each in command.params for option in each.opts}
        for name, command in commands(typer.main.get_command(app))
    }
    writing = {name for name, options in found.items() if options & set(WRITERS) or name == "init"}
    assert {"run", "serve", "results show", "results plot", "trace make", "import mnsim"} <= writing
    assert [name for name in writing if "--force" not in found[name]] == []
