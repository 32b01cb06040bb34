"""Configs of schema version 1: files are refused with a sentence. Stored results of any version are translated."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pimsim import load_config, simulate
from pimsim.base.errors import ConfigError
from pimsim.config.loading import dump_config, load_config_text, load_stored_config
from pimsim.config.migration import translated
from tests.support.closeness import near
from workloads.kv_cache import CODES_WITHOUT_SCALES

OLD_VALUES = [
    ("leakage_gating: always", "leakage_gating: 'always' is called not_charged since schema_version 2"),
    ("leakage_gating: off", "leakage_gating: 'off' is called ungated since schema_version 2"),
    ("leakage_gating: idle", "leakage_gating: 'idle' is called idle_gated since schema_version 2"),
    ("machine: {systolic: {dataflow: ws}}", "machine.systolic.dataflow: 'ws' kept the operand that is keeps since"),
    ("machine: {systolic: {dataflow: is}}", "machine.systolic.dataflow: 'is' kept the operand that ws keeps since"),
    (
        "machine: {memory: {energy_j_per_bit: 20 pJ/bit}}",
        "energy_j_per_bit: is replaced by machine.memory.read_energy_j_per_bit and machine.memory.write_energy",
    ),
    ("serving: {kv_capacity_bytes: null}", "serving.kv_capacity_bytes: is replaced by machine.memory.capacity_bytes"),
]


@pytest.mark.parametrize(("line", "message"), OLD_VALUES)
@pytest.mark.parametrize("version", ["", "schema_version: 1\n"])
def test_a_file_with_an_old_value_gets_one_sentence(version: str, line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(f"{version}extends: pim-llm\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(str(path))
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1
    assert f"old.yaml:{3 if version else 2}" in str(caught.value)


@pytest.mark.parametrize("dataflow", ["ws", "is"])
def test_a_file_of_the_new_version_means_what_it_says(dataflow: str) -> None:
    config = load_config_text(f"schema_version: 2\nmachine: {{systolic: {{dataflow: {dataflow}}}}}\n")
    assert config.machine.systolic.dataflow == dataflow
    assert load_config("defaults", [f"machine.systolic.dataflow={dataflow}"]).machine.systolic.dataflow == dataflow


def test_an_old_file_without_such_values_is_read() -> None:
    old, new = (load_config_text(f"schema_version: {each}\nmachine: {{systolic: {{dataflow: os}}}}") for each in (1, 2))
    assert old == new
    assert old.schema_version == 2


def test_an_old_layer_below_a_new_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "below.yaml").write_text("leakage_gating: always\n", encoding="utf-8")
    (tmp_path / "above.yaml").write_text("schema_version: 2\nextends: below.yaml\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"not_charged.*below\.yaml:1"):
        load_config(str(tmp_path / "above.yaml"))


def test_an_override_with_an_old_name_says_the_new_one() -> None:
    with pytest.raises(ConfigError, match=r"is not one of ungated, .*since schema_version 2 it is called idle_gated"):
        load_config("pim-llm", ["leakage_gating=idle"])


@pytest.mark.parametrize("key", ["serving.kv_capacity_bytes", "machine.memory.energy_j_per_bit"])
def test_a_replaced_key_is_named_in_a_new_file_and_an_override(key: str) -> None:
    section, last = key.rsplit(".", 1)
    new = "machine.memory.capacity_bytes" if section == "serving" else "machine.memory.read_energy_j_per_bit"
    tree: dict[str, object] = {last: 4}
    for name in reversed(section.split(".")):
        tree = {name: tree}
    for layer, overrides in (({"schema_version": 2, **tree}, []), ({}, [f"{key}=4"])):
        with pytest.raises(ConfigError, match=f"{key}: unknown key: it is replaced by {new}") as caught:
            load_config(layer, overrides)
        assert "did you mean" not in str(caught.value)


def stored(**changes: object) -> dict[str, object]:
    """The config of a result of version 1."""
    tree: dict[str, object] = yaml.safe_load(dump_config(load_config("pim-llm")))
    return tree | {"schema_version": 1, "leakage_gating": "always"} | changes


@pytest.mark.parametrize(("old", "new"), [("off", "ungated"), ("idle", "idle_gated"), ("always", "not_charged")])
def test_a_stored_config_is_translated(old: str, new: str) -> None:
    tree = stored(leakage_gating=old)
    config = load_config(translated(tree))
    assert config.leakage_gating == new
    assert config.schema_version == 2
    assert tree["leakage_gating"] == old, "the stored tree is not changed"


def test_an_old_dataflow_runs_as_it_did() -> None:
    """By hand, as at revision 3e01c63: its ws has ceil(K/R) ceil(N/C) folds of M + 2R + C - 2 cycles, M the outputs."""
    tree = stored()
    machine = tree["machine"]
    assert isinstance(machine, dict)
    machine["systolic"]["dataflow"] = "ws"
    config = load_config(translated(tree))
    assert config.machine.systolic.dataflow == "is"
    one = {"model": "gpt2-small", "context_length": 128}
    config = config.model_copy(update={"workload": config.workload.model_copy(update=one)})
    scores = next(op for op in simulate(config).ops if op.kind == "attention_scores")
    assert scores.parts_ps["systolic"] == 12 * (2 * 1 * (128 + 64 + 32 - 2) - 1) * 10_000


def test_a_key_that_a_stored_config_lacks_has_the_published_value() -> None:
    """As for a key that was added after the result was stored."""
    tree = stored()
    machine, workload = tree["machine"], tree["workload"]
    assert isinstance(machine, dict)
    assert isinstance(workload, dict)
    del machine["mesh"]["hop_energy_j_per_bit"], workload["lm_head"]
    config = load_config(translated(tree))
    assert config.machine.mesh is not None
    assert config.machine.mesh.hop_energy_j_per_bit == near(0.0902702e-12, rel=1e-12)
    assert not config.workload.lm_head
    tree = stored(mapping=tree["mapping"] if isinstance(tree["mapping"], dict) else {})
    assert load_config(translated(tree)).mapping == load_config("pim-llm").mapping


def test_a_removed_section_stays_removed() -> None:
    tree: dict[str, object] = yaml.safe_load(dump_config(load_config("tpu-llm"))) | {"schema_version": 1}
    tree["leakage_gating"] = "idle"
    assert load_config(translated(tree)) == load_config("tpu-llm")


@pytest.mark.parametrize("name", ["pim-llm", "tpu-llm", "pim-llm-published"])
def test_a_complete_config_of_this_version_means_what_it_says(name: str) -> None:
    tree: dict[str, object] = yaml.safe_load(dump_config(load_config(name)))
    assert load_config(translated(tree)) == load_config(name)


def test_a_key_that_a_config_of_this_version_lacks_has_the_published_value() -> None:
    """Version 2 began without the port; its runs had none, whatever the default is now."""
    tree = stored(schema_version=2, leakage_gating="idle_gated")
    machine = tree["machine"]
    assert isinstance(machine, dict)
    assert machine["sram"].pop("ports") == 1, "the default"
    again = load_config(translated(tree))
    assert again.machine.sram.ports is None
    small = {"workload": again.workload.model_copy(update={"model": "gpt2-small"})}
    result, default = (
        simulate(each.model_copy(update=small)) for each in (again, load_config("pim-llm", ["machine.sram.ports=1"]))
    )
    free = load_config("pim-llm", ["machine.sram.ports=null", "workload.model=gpt2-small"])
    assert result.latency_ps == simulate(free).latency_ps < default.latency_ps
    assert translated(tree)["schema_version"] == 2


@pytest.mark.parametrize(("kind", "series"), [("sar", "mnsim"), ("flash", "walden"), ("ramp", "walden")])
@pytest.mark.parametrize("version", [1, 2])
def test_a_stored_adc_of_other_bits_gets_a_series(version: int, kind: str, series: str) -> None:
    """Its energy was scaled to any bits, so that such results exist; without a series they would be refused."""
    tree = load_config("pim-llm-published").model_dump(mode="json") | {"schema_version": version}
    adc = tree["machine"]["crossbar"]["pair"]["adc"]
    del adc["series"]
    adc |= {"kind": kind, "bits": 4}
    crossbar = load_config(translated(tree)).machine.crossbar
    assert crossbar
    assert (crossbar.pair.adc.bits, crossbar.pair.adc.series) == (4, series)


@pytest.mark.parametrize("version", [1, 2])
def test_a_stored_config_has_buffers_for_arrays_of_any_size(version: int) -> None:
    """Buffers had no capacity; the published 16 KiB would be refused for 4,096 columns."""
    large = ["machine.crossbar.pair.array.columns=4096", "machine.crossbar.tile_buffer.capacity_bytes=null"]
    tree = load_config("pim-llm-published", large).model_dump(mode="json") | {"schema_version": version}
    del tree["machine"]["technology_nm"]
    for buffer in ("pe_buffer", "tile_buffer"):
        for key in ("capacity_bytes", "cell_class", "node_nm"):
            del tree["machine"]["crossbar"][buffer][key]
    crossbar = load_config(translated(tree)).machine.crossbar
    assert crossbar
    assert crossbar.tile_buffer_bytes == 2 * 4 * 4096
    assert (crossbar.pe_buffer.node_nm, crossbar.pe_buffer.leakage_w) == (90, near(8.863e-3))


@pytest.mark.parametrize("version", [1, 2])
def test_replaced_keys_of_a_stored_config_are_translated(version: int) -> None:
    tree = stored(schema_version=version, leakage_gating="not_charged" if version == 2 else "always")
    machine, serving = tree["machine"], tree["serving"]
    assert isinstance(machine, dict)
    assert isinstance(serving, dict)
    memory = machine["memory"]
    del memory["read_energy_j_per_bit"], memory["write_energy_j_per_bit"], memory["capacity_bytes"]
    memory["energy_j_per_bit"], serving["kv_capacity_bytes"] = 7e-12, 1 << 33
    found = load_config(translated(tree)).machine.memory
    assert (found.read_energy_j_per_bit, found.write_energy_j_per_bit) == (7e-12, 7e-12)
    assert found.capacity_bytes == 1 << 33
    assert "energy_j_per_bit" in memory, "the stored tree is not changed"


@pytest.mark.parametrize(("bits", "version"), [(4, 2), (5, 1)])
def test_the_kv_cache_of_a_stored_config_is_translated(bits: int, version: int) -> None:
    tree = stored(schema_version=version, leakage_gating="not_charged" if version == 2 else "always")
    workload = tree["workload"]
    assert isinstance(workload, dict)
    del workload["kv"]
    workload |= {"kv_bits": bits, "kv_step_bits": 32}
    kv = load_stored_config(translated(tree)).workload.kv
    assert (kv.key_bits, kv.value_bits, kv.operand_bits, kv.scale_bits, kv.keep) == (bits, bits, bits, 32, "all")
    del workload["kv_bits"], workload["kv_step_bits"]  # before there were such keys
    assert load_stored_config(translated(tree)).workload.kv.spec() == CODES_WITHOUT_SCALES


def test_a_file_with_the_old_keys_of_the_kv_cache_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "schema_version: 2\nextends: pim-llm\nworkload: {kv_bits: 4, kv_step_bits: 16}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "mine.yaml")
    assert [(each.path, "is replaced by workload.kv." in each.message) for each in caught.value.problems] == [
        ("workload.kv_bits", True),
        ("workload.kv_step_bits", True),
    ]


@pytest.mark.parametrize("version", [1, 2])
def test_a_stored_array_of_any_size_keeps_its_energy_per_cycle(version: int) -> None:
    """Results did not say that the fitted energy holds for 32 x 32 only."""
    tree = stored(schema_version=version, leakage_gating="not_charged" if version == 2 else "always")
    machine = tree["machine"]
    assert isinstance(machine, dict)
    systolic = machine["systolic"]
    del systolic["cycle_energy_array"], systolic["unit_cycle_energy_j"]
    systolic |= {"rows": 64, "cycle_energy_j": 32.3924e-12}
    found = load_config(translated(tree)).machine.systolic
    assert (found.rows, found.cycle_energy_j, found.cycle_energy_array) == (64, 32.3924e-12, None)
    assert found.unit_cycle_energy_j == 0
