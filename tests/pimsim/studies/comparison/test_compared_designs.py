"""Designs: configs of points equal those of `load_config`, names, and settings of one and of all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim import Design, load_config
from pimsim.base.errors import ConfigError
from pimsim.base.shipped_files import list_configs
from pimsim.config.preset_files import shipped_machines
from pimsim.studies.comparison.compared_designs import load_designs, parse_design, workload_texts

CHANGES = {"phase": "prefill", "model": "gpt2-small", "trace": None, "prompt_length": 77}


def test_the_config_of_a_point_is_that_of_load_config_for_every_shipped_machine() -> None:
    names = [name for name in shipped_machines() if name in list_configs()]
    assert len(names) > 8
    for design in load_designs(names, ["workload.batch=2"]):
        expected = load_config(design.name, ["workload.batch=2", *workload_texts(CHANGES)])
        assert design.with_workload(CHANGES) == expected


def test_a_workload_that_is_not_valid_is_refused_as_by_load_config() -> None:
    [design, _] = load_designs(["pim-llm", "tpu-llm"], [])
    for change in ({"prompt_length": 0}, {"phase": "decod"}, {"phase": "prefill", "stored_tokens": 128}):
        with pytest.raises(ConfigError) as expected:
            load_config("pim-llm", workload_texts(change))
        with pytest.raises(ConfigError) as refused:
            design.with_workload(change)
        assert str(refused.value) == str(expected.value)


def test_settings_of_a_design_take_precedence_over_those_of_all() -> None:
    one, other = load_designs(["pim-llm", Design("b", "pim-llm", {"workload.batch": 4})], {"workload.batch": 2})
    assert (one.config.workload.batch, other.config.workload.batch) == (2, 4)


def test_names_are_those_that_were_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_design("a=pim-llm") == Design("a", "pim-llm")
    assert parse_design("folder/mine.yaml") == Design("mine", "folder/mine.yaml")
    assert parse_design("pim-llm.v2") == Design("pim-llm.v2", "pim-llm.v2")
    (tmp_path / "x=1.yaml").write_text("extends: pim-llm\n", encoding="utf-8")
    assert parse_design("x=1.yaml").source == "x=1.yaml"
    assert parse_design("run.h5").name == "run"
