"""Values of a config with their places, differences of two configs, and explanations of keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim import load_config
from pimsim.base.errors import ConfigError
from pimsim.config.effective_config import config_differences, effective_values, explain_key, resolved_key

ARRAY = "machine.crossbar.pair.array"


def test_each_value_has_the_place_that_set_it_last(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: pim-llm\nmachine:\n  systolic: {rows: 64}\n", encoding="utf-8")
    found = {
        each.key: each for each in effective_values(str(path), ["machine.systolic.columns=16"], "machine.systolic")
    }
    assert (found["machine.systolic.rows"].value, found["machine.systolic.rows"].origin) == (64, "mine.yaml:3")
    assert found["machine.systolic.columns"].origin == "--set"
    shipped = found["machine.systolic.clock_hz"]
    assert shipped.value == 100e6
    assert shipped.origin.startswith("defaults.yaml:")
    assert (shipped.source, shipped.confidence) == ("arXiv:2504.01994, section on the TPU", "A")
    assert all(key.startswith("machine.systolic.") for key in found)


def test_a_section_that_a_config_does_not_have_is_named() -> None:
    with pytest.raises(ConfigError, match="a section above it is null"):
        effective_values("tpu-llm", (), "machine.mesh.rows")


def test_differences_have_both_values() -> None:
    first, second = (load_config("pim-llm", {"workload.batch": batch, "name": f"b{batch}"}) for batch in (1, 4))
    assert [(each.key, each.first, each.second) for each in config_differences(first, second)] == [
        ("workload.batch", 1, 4)
    ]
    assert config_differences(first, first) == []


def test_a_key_is_explained_by_schema_defaults_and_shipped_configs() -> None:
    found = explain_key("link_bandwidth_bps")
    assert found.key == "machine.mesh.link_bandwidth_bps"
    assert found.unit == "a data rate, e.g. 20 Gb/s"
    assert found.confidence in "ABCRSF"
    schedule = explain_key("schedule")
    assert (schedule.allowed, schedule.default) == ("one of serial, dataflow, contended", "serial")
    assert schedule.meaning.startswith("serial: one op after another")
    batch = explain_key("serving.max_batch")
    assert (batch.read_by, batch.allowed) == (("serve",), "a whole number, >= 1 and <= 4096")
    assert explain_key("machine.crossbar.banks").depends_on == ("mapping.provisioning", "mapping.projections")
    assert explain_key("leakage_gating").elsewhere["pim-llm-published"] == "not_charged"
    assert "rows" in explain_key("machine.mesh").keys


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("rows", "several keys end so: machine.systolic.rows, machine.crossbar.pair.array.rows"),
        ("rows_at_onc", f"did you mean {ARRAY}.rows_at_once"),
        ("machine.array.rows_at_once", f"did you mean {ARRAY}.rows_at_once"),
        ("zzzzzz", "pimsim config show defaults lists all keys"),
    ],
)
def test_a_miss_names_the_nearest_keys(name: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        resolved_key(name)
    assert told in str(error.value)
