"""Keys that differ between two configs, and the steps that they make."""

from __future__ import annotations

import pytest

from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config
from pimsim.studies.config_waterfall.config_steps import KeyChange, differing_keys, is_read, steps_between, with_changes

PIM_LLM = load_config("pim-llm-published")


def test_equal_configs_have_no_differing_keys() -> None:
    assert differing_keys(PIM_LLM, PIM_LLM) == ()


def test_differing_keys_are_those_that_were_overridden() -> None:
    other = load_config("pim-llm-published", ["machine.mesh.rows=32", "schedule=dataflow", "accuracy.chips=7"])
    changes = differing_keys(PIM_LLM, other)
    assert [(each.key, each.before, each.after) for each in changes] == [
        ("machine.mesh.rows", 64, 32),
        ("schedule", "serial", "dataflow"),
        ("accuracy.chips", 3, 7),
    ]
    assert [is_read(each) for each in changes] == [True, True, False]


def test_a_section_that_one_config_lacks_is_one_key() -> None:
    changes = {each.key: each for each in differing_keys(PIM_LLM, load_config("tpu-llm-published"))}
    assert changes["machine.mesh"].after is None
    assert changes["machine.mesh"].before["rows"] == 64
    assert not any(key.startswith("machine.mesh.") for key in changes)


def test_groups_come_first_in_their_order_and_other_keys_alone_after_them() -> None:
    overrides = [
        "machine.mesh.rows=32",
        "leakage_gating=ungated",
        "workload.lm_head=true",
        "workload.embedding=true",
        "mapping.attention_slices=2",
    ]
    steps = steps_between(differing_keys(PIM_LLM, load_config("pim-llm-published", overrides)))
    assert [(step.title, [each.key for each in step.changes]) for step in steps] == [
        ("embedding", ["workload.embedding"]),
        ("LM head", ["workload.lm_head"]),
        ("leakage", ["leakage_gating"]),
        ("mapping.attention_slices", ["mapping.attention_slices"]),
        ("machine.mesh.rows", ["machine.mesh.rows"]),
    ]


def test_all_changes_together_give_the_second_config() -> None:
    for name in ("tpu-llm", "pim-llm", "defaults"):
        second = load_config(name)
        assert with_changes(PIM_LLM, differing_keys(PIM_LLM, second)) == second
        assert with_changes(second, differing_keys(second, PIM_LLM)) == PIM_LLM


def test_a_change_that_is_not_valid_is_refused() -> None:
    with pytest.raises(ConfigError, match="crossbar and mesh belong together"):
        with_changes(PIM_LLM, [KeyChange("machine.mesh", {}, None, "")])
