"""--verbose says on standard error what a command does, and changes nothing else."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path

import pytest
import typer

from pimsim.base.debug_log import DebugLog
from pimsim.cli.app import COMMANDS, app
from pimsim.version import __version__
from tests.support.command_line import assert_refused, pimsim, pimsim_process

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "command-line.md"
LINE = re.compile(r" *\d+\.\d{3} s  ([a-z_.0-9]+: .*)")
RUN = ("run", "pim-llm-published", "--model", "gpt2-small")


def messages(err: str) -> list[str]:
    found = [LINE.fullmatch(line) for line in err.splitlines()]
    assert all(found), err
    return [each[1] for each in found if each]


def test_a_run_prints_the_same_and_says_what_it_does(tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    plain, told = pimsim(*RUN, "--json"), pimsim("--verbose", *RUN, "--json", "--out", out)
    assert (plain.code, plain.err, told.code) == (0, "", 0)
    assert json.loads(told.out) == json.loads(plain.out)
    said = messages(told.err)
    assert re.fullmatch(r"cli: pimsim \S+, Python \S+: --verbose run .*--out \S+out.h5", said[0])
    for part in (
        r"base: read .*pim-llm-published.yaml, \d+ bytes",
        r"base: read .*defaults.yaml, \d+ bytes",
        r"simulation: model gpt2-small: decode with 12 blocks",
        r"hardware: machine of pim-llm-published: (built, \d+ components|that of an earlier run.*)",
        r"mapping: mapped decode of gpt2-small at context 128: \d+ tasks in 12 blocks, 360 of \d+ tiles",
        r"engine: serial schedule: \d+ activities, 2226426336 ps; .*",
        rf"base: wrote .*out.h5, {out.stat().st_size} bytes",
    ):
        assert any(re.fullmatch(part, line) for line in said), (part, said)


@pytest.mark.parametrize("place", [("-v", *RUN), (*RUN, "-v"), ("--verbose", *RUN, "--verbose")])
def test_the_option_may_stand_before_and_after_the_command(place: tuple[str, ...]) -> None:
    said = messages(pimsim(*place).err)
    assert sum(line.startswith("cli: ") for line in said) == 1
    assert sum(line.startswith("mapping: ") for line in said) == 1


def test_the_log_ends_with_the_command() -> None:
    logger, before = logging.getLogger("pimsim"), logging.getLogger("pimsim").level
    pimsim("-v", *RUN)
    assert (logger.handlers, logger.level) == ([], before)
    assert pimsim(*RUN).err == ""


def test_an_error_follows_the_log(tmp_path: Path) -> None:
    refused = pimsim("run", "pim-llm", "-v", "--set", "workload.batch=none")
    *log, last = refused.err.splitlines()
    assert refused.code == 3
    assert messages("\n".join(log))
    assert "workload.batch" in last
    assert logging.getLogger("pimsim").handlers == []
    assert_refused(pimsim("run", "pim-llm", "--set", "workload.batch=none"), 3)


def test_control_characters_of_a_file_name_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m.yaml"
    path.write_text("extends: pim-llm-published\nworkload:\n  model: gpt2-small\n", encoding="utf-8")
    told = pimsim("run", path, "-v")
    assert told.code == 0
    assert "\x1b" not in told.err
    assert "a\\x1b[31m.yaml" in told.err


def test_plugins_of_both_orders_are_named(tmp_path: Path) -> None:
    plugin = tmp_path / "nothing.py"
    plugin.write_text("", encoding="utf-8")
    for options in (("--plugin", plugin, "-v"), ("-v", "--plugin", plugin)):
        told = pimsim_process(*RUN, *options)
        assert told.code == 0
        assert re.search(r"plugin nothing.py \(SHA-256 [0-9a-f]{12}\)", told.err)


def test_a_sweep_says_that_its_workers_do_not_log(tmp_path: Path) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text(
        "name: s\nbase: pim-llm-published\nmodels: [gpt2-small]\ncontexts: [8, 16]\nmetrics: [tokens_per_s]\n",
        encoding="utf-8",
    )
    told = pimsim_process("sweep", spec, "--out", tmp_path / "s.h5", "--workers", "2", "-v")
    assert told.code == 0, told
    said = messages(told.err)
    assert "studies.sweep.running: 2 worker processes run the points; they do not log" in said
    assert "studies.sweep.running: 2 of 2 points: 0 kept, 0 failed" in said


def test_every_command_has_it_once() -> None:
    group = typer.main.get_command(app)
    context = typer.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)  # type: ignore[attr-defined]
        subcommands = [
            command.get_command(context, each) for each in getattr(command, "list_commands", lambda _: ())(context)
        ]
        for each in subcommands or [command]:
            assert [param.name for param in each.params].count("verbose") == 1, name


def test_the_page_shows_what_is_logged() -> None:
    block = re.search(r"^\$ pimsim --verbose ([^\n]*)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert block
    told = pimsim_process("--verbose", *block[1].split())
    said = [re.sub(r"read \S*/configs/", "read .../configs/", line) for line in messages(told.err)]
    versions = f"pimsim {__version__}, Python {sys.version.split()[0]}:"
    assert [re.sub(r"pimsim \S+, Python \S+:", versions, line) for line in messages(block[2])] == said


def test_the_log_is_part_of_the_library() -> None:
    assert isinstance(DebugLog("pimsim.x").logger, logging.Logger)
    assert logging.getLogger("pimsim").handlers == []
