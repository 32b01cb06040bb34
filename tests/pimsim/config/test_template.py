"""`pimsim init`: the config to start from says what the defaults and the schema say, and runs as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pimsim import load_config, simulate
from pimsim.base.shipped_files import defaults_path
from pimsim.config.loading import load_config_text
from pimsim.config.provenance import read_provenance
from pimsim.config.template import KEYS, template_text

TEXT = template_text("mine")


def test_it_loads_to_the_defaults() -> None:
    ours, defaults = (each.model_dump(exclude={"name"}) for each in (load_config_text(TEXT), load_config("defaults")))
    assert ours == defaults


def test_it_runs_as_the_defaults_do() -> None:
    ours, defaults = (simulate(each) for each in (load_config_text(TEXT), load_config("defaults")))
    assert (ours.latency_ps, ours.energy_j, ours.area_m2) == (defaults.latency_ps, defaults.energy_j, defaults.area_m2)


def test_every_number_has_the_source_that_the_defaults_give(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT, encoding="utf-8")
    ours, defaults = read_provenance(path), read_provenance(defaults_path())
    assert set(ours) == set(defaults) & {"schema_version", *KEYS}
    for key, provenance in ours.items():
        assert provenance == defaults[key]
        assert provenance.source
        assert provenance.confidence


def test_every_key_is_there_once_in_order() -> None:
    assert len(set(KEYS)) == len(KEYS)
    tree = yaml.safe_load(TEXT)
    for key in KEYS:
        node = tree
        for step in key.split("."):
            node = node[step]


def test_every_choice_is_named() -> None:
    for key, choices in {
        "projections": ("crossbar", "systolic"),
        "phase": ("decode", "prefill", "generate"),
        "leakage_gating": ("ungated", "idle_gated", "not_charged"),
        "dataflow": ("os", "ws", "is"),
        "schedule": ("serial", "dataflow"),
    }.items():
        above = re.search(rf"((?: *#.*\n)+) *{key}:", TEXT)
        assert above is not None, key
        assert all(choice in above.group(1) for choice in choices), key


def test_it_is_short_and_narrow() -> None:
    lines = TEXT.splitlines()
    assert len(lines) < 150
    assert max(map(len, lines)) <= 140


@pytest.mark.parametrize("name", ["mine", "yes", "1", "a: b # c", "ü", "'", '"', "null", "- x", "{a}"])
def test_any_name_reads_back(name: str) -> None:
    assert load_config_text(template_text(name)).name == name
