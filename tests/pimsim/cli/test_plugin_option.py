"""The option --plugin: runs, results that name their plugins, and their repetition; sweeps load plugins in workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pimsim import load_config, simulate
from pimsim.base.errors import ConfigError, PluginError, SweepError
from pimsim.cli.app import COMMANDS
from pimsim.hardware.shared.dram_standard import FOLDER
from pimsim.results.store import read_result, write_result
from pimsim.studies.serving.serving_store import read_serving
from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome
from pimsim.studies.sweep.running.journal import Header, Journal
from pimsim.studies.sweep.space.plan import load_sweep
from pimsim.studies.sweep.table.sweep_store import read_sweep
from tests.support.command_line import assert_refused, pimsim, pimsim_process
from tests.support.outside_kinds import install, restored_kinds, sram_config
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
    assert without == {
        "show", "report", "reproduce", "calibrate", "macros", "validate", "init", "models", "configs", "devices",
        "results", "import", "warm-up", "doctor",
    }  # fmt: skip
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
    assert "do not belong to this sweep (another version of the plugin column.py computed them)" in again.err


DRAM = """
from pathlib import Path
from pimsim.hardware.shared.dram_standard import register_dram_standard
register_dram_standard(Path(__file__).with_name("own.yaml"))
"""
MEMORY = {"extends": ["pim-llm", "memory-lpddr5-timing"], "machine": {"memory": {"dram": {"standard": "own"}}}}


def test_a_changed_file_of_a_dram_standard_is_seen_though_its_plugin_is_the_same(tmp_path: Path) -> None:
    plugin, standard = tmp_path / "dram.py", tmp_path / "own.yaml"
    plugin.write_text(DRAM, encoding="utf-8")
    text = (FOLDER / "lpddr5.yaml").read_text(encoding="utf-8").replace("name: lpddr5", "name: own", 1)
    standard.write_text(text, encoding="utf-8")
    config, out = tmp_path / "c.yaml", tmp_path / "run.h5"
    config.write_text(json.dumps({**MEMORY, "name": "c"}), encoding="utf-8")
    sweep = {"name": "s", "base": MEMORY, "axes": {"workload.context_length": [8]}, "metrics": ["latency_s"]}
    with restored_registries():
        assert pimsim("run", config, *SMALL, "--context", "8", "--plugin", plugin, "--out", out).code == 0
        [_, record] = read_result(out).plugins
        space = load_sweep(sweep).space
        key = Evaluator(space).key((8,))
    assert (record.name, len(record.sha256)) == ("DRAM standard own", 64)
    with restored_registries():
        assert pimsim("run", out, "--plugin", plugin).code == 0
    standard.write_text(text.replace("delay: trcd,", "delay: trcd + tck,", 1), encoding="utf-8")
    with restored_registries():
        changed = pimsim("run", out, "--plugin", plugin)
        assert_refused(changed, PluginError.exit_code)
        assert (
            f"with the DRAM standard own (SHA-256 {record.sha256[:12]}); DRAM standard own has now SHA" in changed.err
        )
        assert Evaluator(load_sweep(sweep).space).key((8,)) != key
        with pytest.raises(SweepError, match="a worker has another version of the DRAM standard own: SHA-256"):
            Evaluator(space)


def test_another_version_of_an_installed_package_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch)
    out = tmp_path / "run.h5"
    sweep = {"name": "s", "base": sram_config(), "axes": {"workload.context_length": [8]}, "metrics": ["latency_s"]}
    with restored_kinds():
        write_result(simulate(load_config(sram_config())), out)
        assert read_result(out).plugins == (("sram-tile 1.0", ""),)
        space = load_sweep(sweep).space
        key = Evaluator(space).key((8,))
    with restored_kinds():
        assert pimsim("run", out).code == 0
    metadata = tmp_path / "sram_tile-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text(encoding="utf-8").replace("1.0", "1.1"), encoding="utf-8")
    with restored_kinds():
        changed = pimsim("run", out)
        assert_refused(changed, PluginError.exit_code)
        assert "was made with the package sram-tile 1.0; the package sram-tile has now version 1.1" in changed.err
        assert Evaluator(load_sweep(sweep).space).key((8,)) != key
        with pytest.raises(SweepError, match=r"another version of the package sram-tile: 1\.1, not 1\.0"):
            Evaluator(space)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (True, "they were computed with the plugin column.py, which is not loaded now"),
        (False, "they were computed without the plugin column.py"),
    ],
)
@pytest.mark.parametrize("from_journal", [False, True])
def test_points_of_a_sweep_with_a_plugin_and_without_are_not_mixed(
    plugin: Path, tmp_path: Path, first: bool, said: str, from_journal: bool
) -> None:
    sweep, results = tmp_path / "mesh.yaml", tmp_path / "mesh.h5"
    sweep.write_text(SWEEP.replace("[mesh, column]", "[mesh]"), encoding="utf-8")
    command = ("sweep", sweep, "--workers", "1", "--out", results)
    option = ("--plugin", plugin)
    with restored_registries():
        assert pimsim(*command, *(option if first else ())).code == 0
    if from_journal:  # as after a kill
        stored = read_sweep(results)
        results.unlink()
        journal = Journal(results.with_name("mesh.h5.journal"))
        journal.begin(Header(tuple(each.name for each in stored.metrics), stored.code_hash, False, stored.plugins))
        values = tuple(stored.columns[each.name][0] for each in stored.metrics)
        journal.append([Outcome(stored.keys[0], values)])
        journal.close()
    with restored_registries():
        again = pimsim(*command, "--resume", *(() if first else option))
    assert again.code == 9
    assert f"({said})" in again.err


@pytest.mark.deep
@pytest.mark.timeout(300)
def test_worker_processes_load_the_plugin(plugin: Path, tmp_path: Path) -> None:
    sweep, results = tmp_path / "both.yaml", tmp_path / "both.h5"
    sweep.write_text(SWEEP, encoding="utf-8")
    done = pimsim_process("sweep", sweep, "--plugin", plugin, "--workers", "2", "--out", results)
    assert done.code == 0, done.err
    assert read_sweep(results).errors == ["", ""]
