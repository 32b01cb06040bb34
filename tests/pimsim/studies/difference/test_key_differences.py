"""Keys that differ between two runs, with the places and sources of their values."""

from __future__ import annotations

from pimsim import load_config
from pimsim.studies.difference.key_differences import UNKNOWN, key_differences


def test_values_of_shipped_configs_have_their_places_and_other_values_have_none() -> None:
    changes = ["machine.memory.background_w=0 W", "leakage_gating=ungated"]
    found = {each.key: each for each in key_differences(load_config("pim-llm"), load_config("pim-llm", changes))}
    assert set(found) == {"machine.memory.background_w", "leakage_gating"}
    power = found["machine.memory.background_w"]
    assert (power.first, power.second) == (0.172, 0)
    assert power.first_origin.place.startswith("defaults.yaml:")
    assert power.first_origin.source == "as LPDDR4, whose currents are public"
    assert power.first_origin.confidence == "S"
    assert power.second_origin == UNKNOWN
    assert power.to_dict()["first_source"] == power.first_origin.source


def test_a_section_that_only_one_has_is_one_key_and_names_are_none() -> None:
    found = {each.key: each for each in key_differences(load_config("pim-llm"), load_config("tpu-llm"))}
    assert set(found) == {"mapping.projections", "machine.crossbar", "machine.mesh"}
    assert found["machine.mesh"].second is None
    assert found["machine.mesh"].second_origin.place.startswith("tpu-llm.yaml:")


def test_a_key_that_no_run_depends_on_says_why() -> None:
    """`serving` is read by another command; `input_buffer_packets` by the contended schedule only."""
    changes = ["serving.max_batch=3", "machine.mesh.input_buffer_packets=2", "machine.mesh.rows=32"]
    found = key_differences(load_config("pim-llm"), load_config("pim-llm", changes))
    reasons = {each.key: each.no_effect for each in found}
    assert set(reasons) == {"machine.mesh.rows", "machine.mesh.input_buffer_packets", "serving.max_batch"}
    assert not reasons["machine.mesh.rows"]
    assert "contended" in reasons["machine.mesh.input_buffer_packets"]
    assert reasons["serving.max_batch"]
    contended = key_differences(load_config("pim-llm"), load_config("pim-llm", [*changes, "schedule=contended"]))
    assert not {each.key: each.no_effect for each in contended}["machine.mesh.input_buffer_packets"]
