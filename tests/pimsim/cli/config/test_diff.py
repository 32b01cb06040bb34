"""`pimsim config diff`."""

from __future__ import annotations

import json
from pathlib import Path

from pimsim import load_config, load_plugin, simulate, write_result
from tests.support.command_line import pimsim
from tests.support.registries import restored_registries


def test_both_values_of_each_key_that_differs(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: pim-llm\nname: mine\nmachine: {host: null, mesh: {rows: 8}}\n", encoding="utf-8")
    shown = json.loads(pimsim("config", "diff", "pim-llm", path, "--json").ok)
    assert {"key": "machine.mesh.rows", "first": 64, "second": 8} in shown
    assert {each["key"].partition(".")[0] for each in shown} == {"machine"}
    printed = pimsim("config", "diff", "pim-llm", path).ok
    assert "machine.mesh.rows" in printed
    assert len(shown) == 1
    assert "\n1 key differs\n" in printed


def test_equal_configs() -> None:
    assert pimsim("config", "diff", "pim-llm", "pim-llm").ok == "all keys have the same values\n"


def test_a_result_of_a_plugin_is_read_without_the_plugin(tmp_path: Path) -> None:
    """Its values are compared and nothing is simulated, so that the name `lanes` needs no code."""
    plugin, result = tmp_path / "lanes.py", tmp_path / "lanes.h5"
    plugin.write_text(
        "from pimsim import register_topology\n"
        "from pimsim.hardware.shared.topologies import MeshTopology\n"
        "register_topology('lanes', MeshTopology)\n",
        encoding="utf-8",
    )
    with restored_registries():
        load_plugin(plugin)
        keys = ["workload.model=gpt2-small", "mapping.projections=systolic", "machine.mesh.topology=lanes"]
        write_result(simulate(load_config("pim-llm", keys)), result)
    shown = json.loads(pimsim("config", "diff", result, "pim-llm", "--json").ok)
    assert {"key": "machine.mesh.topology", "first": "lanes", "second": "mesh"} in shown
    assert pimsim("waterfall", result, "pim-llm").err.endswith("give it with --plugin lanes.py\n")
