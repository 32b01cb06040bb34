"""The option --plugin: runs, results that name their plugins, and their repetition; sweeps load plugins in workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pimsim.base.errors import ConfigError, PluginError
from pimsim.cli.app import COMMANDS
from pimsim.results.store import read_result
from pimsim.studies.serving.serving_store import read_serving
from pimsim.studies.sweep.running.evaluate_point import Evaluator
from pimsim.studies.sweep.space.plan import load_sweep
from pimsim.studies.sweep.table.sweep_store import read_sweep
from tests.support.command_line import assert_refused, pimsim, pimsim_process
from tests.support.registries import restored_registries

COLUMN = """
from pimsim import register_policy, register_topology


class Column:
    def __init__(self, rows, columns):
        self.tiles = [(row, column) for row in range(rows) for column in range(columns)]

    def neighbours(self, node):
        at = self.tiles.index(node)
        return self.tiles[max(0, at - 1) : at] + self.tiles[at + 1 : at + 2]

    def route(self, source, destination):
        first, last = self.tiles.index(source), self.tiles.index(destination)
        step = 1 if first <= last else -1
        return [self.tiles[at] for at in range(first, last + step, step)]


class Newest:
    def admit(self, view):
        return view.waiting[-1]


register_topology("column", Column)
register_policy("newest", Newest)
"""
KEYS = ("--set", "machine.mesh.topology=column", "--set", "machine.mesh.rows=4", "--set", "machine.mesh.columns=4")
SMALL = ("--set", "workload.model=gpt2-small", "--set", "mapping.projections=systolic")
"""Without crossbars in use, so that a small mesh is enough."""
RUN = ("run", "pim-llm", *SMALL, *KEYS, "--context", "8")


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "column.py"
    path.write_text(COLUMN, encoding="utf-8")
    with restored_registries():
        yield path


@pytest.fixture
def forgotten() -> Iterator[None]:
    """A process that has not loaded the plugin."""
    with restored_registries():
        yield


def test_a_result_names_its_plugin_and_can_be_shown_without_it_but_not_repeated(plugin: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.h5"
    with restored_registries():
        ran = pimsim(*RUN, "--plugin", plugin, "--out", out)
    assert ran.code == 0, ran.err
    [record] = read_result(out).plugins
    line = f"plugins: column.py (SHA-256 {record.sha256[:12]})"
    assert line in ran.out
    assert line in pimsim("show", out).ok
    assert json.loads(pimsim("show", out, "--json").ok)["plugins"] == [{"name": "column.py", "sha256": record.sha256}]
    again = pimsim("run", out)
    assert_refused(again, PluginError.exit_code)
    assert (
        f"was made with the plugin column.py (SHA-256 {record.sha256[:12]}); give it with --plugin column.py"
        in again.err
    )
    with restored_registries():
        assert line in pimsim("run", out, "--plugin", plugin).out
    plugin.write_text(f"{COLUMN}# changed\n", encoding="utf-8")
    changed = pimsim("run", out, "--plugin", plugin)
    assert_refused(changed, PluginError.exit_code)
    assert "column.py has now SHA-256" in changed.err


def test_a_served_policy_is_named_and_read_again(plugin: Path, tmp_path: Path) -> None:
    out = tmp_path / "served.h5"
    requests = ("--poisson", "2", "--count", "3", "--prompt", "4", "--output", "2")
    with restored_registries():
        served = pimsim(
            "serve", "pim-llm", *SMALL, "--set", "serving.policy=newest", *requests, "--plugin", plugin, "--out", out
        )
    assert served.code == 0, served.err
    assert "3 requests, newest, batches" in served.out
    assert [each.name for each in read_serving(out).plugins] == ["column.py"]
    assert read_serving(out).config.serving.policy == "newest"


def test_without_the_plugin_the_name_is_unknown_and_a_missing_file_is_named(tmp_path: Path) -> None:
    unknown = pimsim(*RUN)
    assert_refused(unknown, ConfigError.exit_code)
    assert "'column' is not a registered topology" in unknown.err
    assert "--plugin FILE.py" in unknown.err
    missing = pimsim(*RUN, "--plugin", tmp_path / "none.py")
    assert_refused(missing, PluginError.exit_code)
    assert "none.py: cannot be read as a plugin: there is no such file" in missing.err


def test_every_command_that_takes_a_config_takes_a_plugin(plugin: Path) -> None:
    """The commands without it read no config of the user."""
    without = {name for name in COMMANDS if name not in ("config", "trace") and "--plugin" not in pimsim(name, "-h").ok}
    assert without == {"show", "reproduce", "calibrate", "init", "models", "configs", "devices", "results", "import"}
    for group in (("config", "show"), ("config", "diff"), ("config", "explain"), ("trace", "make")):
        assert "--plugin" in pimsim(*group, "-h").ok
    shown = pimsim("config", "show", "pim-llm", "serving.policy", "--set", "serving.policy=newest", "--plugin", plugin)
    assert "newest" in shown.ok


def test_a_config_cannot_name_a_plugin(plugin: Path, tmp_path: Path) -> None:
    """A config may come from somebody else, and must not run code."""
    config = tmp_path / "own.yaml"
    for key in ("plugins", "plugin"):
        config.write_text(f"extends: pim-llm\nname: own\n{key}: [{plugin}]\n", encoding="utf-8")
        refused = pimsim("run", config)
        assert_refused(refused, ConfigError.exit_code)
        assert "unknown key" in refused.err


SWEEP = """
name: both
base: {extends: pim-llm, workload: {model: gpt2-small, context_length: 8}, mapping: {projections: systolic},
  machine: {mesh: {rows: 4, columns: 4}}}
axes:
  machine.mesh.topology: [mesh, column]
metrics: [latency_s]
"""


def test_the_keys_of_points_follow_from_the_plugin_which_workers_load(plugin: Path, tmp_path: Path) -> None:
    sweep, results = tmp_path / "both.yaml", tmp_path / "both.h5"
    sweep.write_text(SWEEP, encoding="utf-8")
    with restored_registries():
        assert pimsim("sweep", sweep, "--plugin", plugin, "--workers", "1", "--out", results).code == 0
        space = load_sweep(sweep).space
    assert [each.name for each in read_sweep(results).plugins] == ["column.py"]
    with restored_registries():  # as in a worker process, which receives the space
        outcome = Evaluator(space).evaluate(("column",))
        assert (outcome.error, outcome.key) == ("", read_sweep(results).keys[1])
    plugin.write_text(f"{COLUMN}# changed\n", encoding="utf-8")
    with restored_registries():
        again = pimsim("sweep", sweep, "--plugin", plugin, "--workers", "1", "--out", results, "--resume")
    assert again.code == 9
    assert "do not belong to this sweep" in again.err


@pytest.mark.deep
@pytest.mark.timeout(300)
def test_worker_processes_load_the_plugin(plugin: Path, tmp_path: Path) -> None:
    sweep, results = tmp_path / "both.yaml", tmp_path / "both.h5"
    sweep.write_text(SWEEP, encoding="utf-8")
    done = pimsim_process("sweep", sweep, "--plugin", plugin, "--workers", "2", "--out", results)
    assert done.code == 0, done.err
    assert read_sweep(results).errors == ["", ""]
