"""What `pimsim models`, `configs` and `devices` list is what ships, with its sources; presets layer over machines."""

from __future__ import annotations

import pytest

from pimsim import load_config, simulate
from pimsim.catalog import config_entries, model_rows, presets
from pimsim.provenance import CONFIDENCES, read_provenance
from pimsim.resources import find_config, list_configs
from workloads.models import find_model, load_models

CELLS = [name for name in list_configs() if name.startswith("device-")]
MEMORIES = [name for name in list_configs() if name.startswith("memory-")]


def test_models_are_all_there_with_shape_and_source() -> None:
    rows = model_rows()
    assert [row["name"] for row in rows] == list(load_models())
    for row in rows:
        spec = find_model(row["name"])
        assert (row["layers"], row["d_model"], row["d_ff"]) == (spec.layers, spec.d_model, spec.d_ff)
        assert row["source"]
        assert row["confidence"] in CONFIDENCES


def test_configs_and_presets_are_all_that_ships() -> None:
    names = [entry.name for entry in config_entries()] + [preset.name for preset in presets()]
    assert sorted(names) == list_configs()
    assert [preset.name for preset in presets()] == [*CELLS, *MEMORIES]


def test_configs_say_what_they_change() -> None:
    entries = {entry.name: entry for entry in config_entries()}
    assert entries["defaults"].changes == ()
    assert entries["tpu-llm"].extends == ("pim-llm",)
    pim = {change.key: change for change in entries["pim-llm"].changes}
    fitted = {key for key, change in pim.items() if change.confidence == "F"}
    assert fitted == {
        "machine.systolic.mac_energy_j",
        "machine.systolic.cycle_energy_j",
        "machine.crossbar.pair.adc.conversion_energy_j",
        "machine.mesh.hop_energy_j_per_bit",
    }
    assert (pim["workload.model"].value, pim["workload.model"].default) == ("opt-6.7b", "gpt2-medium")
    assert all(change.source for change in pim.values() if change.confidence)
    tpu = {change.key: change.value for change in entries["tpu-llm"].changes}
    assert tpu["machine.crossbar"] is None
    for entry in entries.values():
        defaults, config = load_config("defaults").model_dump(), load_config(entry.name).model_dump()
        assert entry.description == config["description"].strip()
        for change in entry.changes:
            here, there = config, defaults
            for step in change.key.split("."):
                here, there = here[step], there[step]
            assert here != there


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_changes_the_cell_only_and_layers_over_a_machine(name: str) -> None:
    base, preset = load_config("pim-llm", ["workload.model=gpt2-small"]), load_config(name)
    config = load_config({"extends": ["pim-llm", name], "workload": {"model": "gpt2-small"}})
    assert config.machine.crossbar is not None
    assert preset.machine.crossbar is not None
    assert base.machine.crossbar is not None
    assert config.machine.crossbar.pair.cell == preset.machine.crossbar.pair.cell
    changed = {"name", "description", "machine"}
    assert config.model_dump(exclude=changed) == base.model_dump(exclude=changed)
    assert preset.name == name
    pair = base.machine.crossbar.pair.model_copy(update={"cell": config.machine.crossbar.pair.cell})
    crossbar = base.machine.crossbar.model_copy(update={"pair": pair})
    assert config.machine == base.machine.model_copy(update={"crossbar": crossbar})
    assert simulate(config).counts["tile.cell_read"] > 0


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_has_a_source_for_each_of_its_own_values(name: str) -> None:
    own = read_provenance(find_config(name))
    assert {"machine.crossbar.pair.cell.lrs_ohm", "machine.crossbar.pair.cell.hrs_ohm"} <= set(own)
    assert all(key.startswith("machine.crossbar.pair.cell.") and each.source for key, each in own.items())
    settings = next(preset for preset in presets() if preset.name == name).settings
    assert {f"machine.crossbar.pair.cell.{each.key}" for each in settings if each.own} == set(own)
    assert all(each.source and each.confidence for each in settings)


def test_cells_are_those_of_the_facts() -> None:
    """LRS and HRS in ohms, of the page devices-and-circuits."""
    assert {name: _states(name) for name in CELLS} == {
        "device-cmo-hfox": (pytest.approx(1 / 90e-6, rel=1e-5), 125e3),
        "device-crosssim": (1e3, 10e3),
        "device-isaac": (1.333e3, 20e3),
        "device-mnsim": (10e3, 1e6),
        "device-neurosim": (100e3, 1.7e6),
        "device-neurosim-v15": (6e3, 102e3),
        "device-nvsim": (1e6, 10e6),
    }


def _states(name: str) -> tuple[float, float]:
    crossbar = load_config(name).machine.crossbar
    assert crossbar is not None
    return crossbar.pair.cell.lrs_ohm, crossbar.pair.cell.hrs_ohm


def test_the_default_cell_is_mnsims() -> None:
    assert load_config("device-mnsim").machine == load_config("defaults").machine
