"""The shipped table: each uncertain default has a range around it, and each entry is about a key that exists."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest

from pimsim.base.errors import ConfigError
from pimsim.base.shipped_files import defaults_path, list_configs
from pimsim.config.loading import load_config
from pimsim.config.preset_files import shipped_presets
from pimsim.config.provenance import CONFIDENCES, read_provenance
from pimsim.studies.ranges.config_values import numbers_of
from pimsim.studies.ranges.range_table import RangeRule, UnknownRule, given_range, shipped_table
from pimsim.studies.validation import validate
from tests.support.closeness import near

TABLE = shipped_table()
DEFAULTS = read_provenance(defaults_path())
NUMBERS = numbers_of(load_config(defaults_path()))
LETTER = re.compile(r"\[[A-Z]\]$")


@cache
def keys_of_shipped_configs() -> frozenset[str]:
    """Keys with a letter in any shipped config, and null figures of SRAM, those of staged tiles included."""
    configs = [name for name in list_configs() if name not in ("defaults", *shipped_presets())]
    presets = (read_provenance(defaults_path().with_name(f"{name}.yaml")) for name in [*configs, *shipped_presets()])
    return frozenset(NUMBERS).union(DEFAULTS, *presets, numbers_of(load_config("macro-isaac")))


@pytest.mark.parametrize("key", [key for key, each in DEFAULTS.items() if each.confidence])
def test_every_number_of_the_defaults_has_a_range_or_a_reason_why_not(key: str) -> None:
    value = NUMBERS[key]
    rule, reason = TABLE.rule(key, DEFAULTS[key].confidence, value), TABLE.fixed_because(key)
    reason = reason or ("" if value else TABLE.zero)
    assert (rule is None) == bool(reason), f"{key} has no rule in {CONFIDENCES} and no reason under `fixed`"
    if rule is not None:
        found = rule.around(value)
        assert 0 < found.low <= found.likely == value <= found.high
        assert found.low < found.high


def test_the_letters_are_those_of_the_configs_and_a_worse_source_is_wider() -> None:
    assert TABLE.letters.keys() == CONFIDENCES.keys()
    widths = [TABLE.letters[letter].high for letter in "ACBS"]
    assert widths == sorted(widths)
    assert all(rule.low == near(1 / rule.high) for rule in TABLE.letters.values())


@pytest.mark.parametrize("part", ["own", "fixed", "together", "unknown"])
def test_every_pattern_is_about_a_key_of_a_shipped_config(part: str) -> None:
    keys = keys_of_shipped_configs()
    found: dict[str, Any] = getattr(TABLE, part)
    for pattern in found.keys() - {"other"}:
        expression = re.compile(re.escape(pattern).replace(r"\*", ".*"))
        assert any(expression.fullmatch(key) for key in keys), f"{part}: {pattern}"


def test_every_range_has_a_source_with_its_confidence() -> None:
    rules: list[RangeRule | UnknownRule] = [*TABLE.own.values(), *TABLE.unknown.values(), *TABLE.letters.values()]
    assert [rule.source for rule in rules if not LETTER.search(rule.source)] == []


def test_a_range_of_the_table_is_the_stated_one_at_the_default() -> None:
    rule = TABLE.own_rule("machine.memory.background_w")
    assert rule is not None
    found = rule.around(NUMBERS["machine.memory.background_w"])
    assert (found.low, found.high) == (near(60e-3), near(350e-3))


def test_read_and_write_of_a_memory_vary_together_and_its_background_alone() -> None:
    read, write = (TABLE.group(f"machine.memory.{what}_energy_j_per_bit") for what in ("read", "write"))
    assert read == write
    assert TABLE.group("machine.memory.background_w") == "machine.memory.background_w"


def test_a_given_range_is_in_the_unit_of_its_key() -> None:
    found = given_range("machine.memory.background_w", {"low": "90 mW", "high": 0.2, "shape": "uniform"}, 0.1)
    assert (found.low, found.likely, found.high, found.shape) == (0.09, 0.1, 0.2, "uniform")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("90 mW", "is not a range: write [low, high], or a mapping of low, high and shape"),
        ([1, 2, 3], "is not a range"),
        (["90 mJ", "1 W"], "is an energy; takes a power"),
        ([True, 1], "is not a number"),
        ({"low": "90 mW"}, "this key of the range is missing"),
        ({"low": 0.1, "high": 0.2, "shap": "uniform"}, "did you mean shape?"),
        ({"low": 0.01, "high": 0.2, "shape": ["uniform"]}, "is not a shape of a range"),
        (["200 mW", "300 mW"], "lies outside the range from 200 mW to 300 mW"),
    ],
)
def test_a_wrong_range_is_refused(given: object, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        given_range("machine.memory.background_w", given, 0.1)
    assert message in str(refusal.value)


COVERED = {
    "array-energy-45nm": "machine.systolic.unit_cycle_energy_j",
    "array-area-45nm": "machine.systolic.pe_area_m2",
    "array-area-tpu": "machine.systolic.pe_area_m2",
    "wire-energy": "machine.mesh.hop_energy_j_per_bit",
    "cell-area-neurram": "machine.crossbar.pair.cell.area_m2",
    "sram-read-mnsim": "machine.crossbar.tile_buffer.read_energy_j",
    "sram-write-mnsim": "machine.crossbar.tile_buffer.write_energy_j",
    "sram-leakage-mnsim": "machine.crossbar.tile_buffer.leakage_w",
    "sram-area-mnsim": "machine.crossbar.tile_buffer.area_m2",
    "sram-read-horowitz": "machine.sram.read_energy_j",
    "sram-large-area": "machine.sram.area_m2",
}
"""Rows of `pimsim validate`, and the number of the defaults whose range must contain what others found."""

NOT_COVERED = {"sram-wide-read-mnsim", "sram-macro-area-130nm", "sram-read-14nm", "array-energy-7nm", "add-energy"}
"""Rows outside their tolerance whose values the ranges do not contain; docs/validation.md says why."""


def test_ranges_contain_what_validate_finds_beside_the_defaults() -> None:
    rows = {row.reference.name: row for row in validate(["logic", "sram", "cell-area-neurram"])}
    for name, key in COVERED.items():
        rule = TABLE.own_rule(key)
        assert rule is not None
        for point in rows[name].points:
            assert rule.low <= 1 / point.ratio <= rule.high, name
    outside = {
        name for name, row in rows.items() if not row.within and row.reference.kind in ("energy", "area", "power")
    }
    other_nodes = {"sram-macro-area-12nm", "wire-scaling"}  # within the range of the area; of a ratio, which has none
    assert outside - COVERED.keys() - other_nodes == NOT_COVERED
    page = (defaults_path().parents[1] / "docs" / "validation.md").read_text(encoding="utf-8")
    said = page.partition("What `--ranges` does not contain")[2].partition("## ")[0]
    assert all(f"`{name}`" in said for name in NOT_COVERED)
