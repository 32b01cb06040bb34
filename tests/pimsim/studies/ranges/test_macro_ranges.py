"""Intervals of published macros: samples are simulations, ranges follow the rule, and widths are bounded."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from pimsim.base.errors import ConfigError
from pimsim.base.shipped_files import defaults_path
from pimsim.config.layers import read_layers
from pimsim.config.loading import load_config
from pimsim.config.provenance import read_provenance
from pimsim.simulation import simulate
from pimsim.studies.macros.macro_file import load_macro, macro_names
from pimsim.studies.macros.macro_table import values_at
from pimsim.studies.ranges.config_ranges import config_ranges
from pimsim.studies.ranges.config_values import numbers_of, with_values
from pimsim.studies.ranges.macro_ranges import MacroRange, macro_ranges, sampled_run
from pimsim.studies.ranges.range_table import shipped_table
from tests.support.closeness import near

QUICK = ("liu-isscc20", "xue-ne21")


@cache
def quick() -> tuple[MacroRange, ...]:
    return macro_ranges(QUICK, samples=40)


@pytest.mark.parametrize(
    ("name", "point"), [("isaac", ""), ("puma", ""), ("xue-ne21", "multi-bit"), ("neurram", "8b out / 6b in")]
)
def test_a_sample_is_the_simulation_of_its_config(name: str, point: str) -> None:
    """Against `simulate`, with every number half the way to its high end: the same values of every quantity."""
    macro = load_macro(name)
    run, ranges = sampled_run(macro, point)
    values = {each.key: each.range.likely + 0.5 * (each.range.high - each.range.likely) for each in ranges}
    simulated = values_at(macro, point, simulate(with_values(run.config, values)))
    sampled = values_at(macro, point, run.result_with(values))
    assert sampled.keys() == simulated.keys()
    assert sampled != values_at(macro, point, run.result)
    for quantity, value in simulated.items():
        assert sampled[quantity] == (None if value is None else near(value, rel=1e-9)), quantity


@pytest.mark.parametrize("name", macro_names())
def test_stated_ranges_are_the_factors_of_the_letters_around_the_values(name: str) -> None:
    """The rule of docs/macros.md: each range in a macro's config is that of the letter beside the value."""
    layer = read_layers(name)[-1]
    assert layer.ranges
    letters = {}
    for each in read_layers(name):
        path = defaults_path().with_name(each.name)
        letters |= {key: entry.confidence for key, entry in read_provenance(path).items()}
    config = load_config(name)
    found = {each.key: each for each in config_ranges(config, name)}
    for key in layer.ranges:
        rule = shipped_table().letters[letters[key]]
        value = numbers_of(config)[key]
        ends = found[key].range
        assert (ends.low, ends.high) == (near(value * rule.low, rel=1e-4), near(value * rule.high, rel=1e-4)), key


@pytest.mark.parametrize("name", macro_names())
def test_whole_numbers_and_published_voltages_have_no_range(name: str) -> None:
    config = load_config(name)
    keys = {each.key for each in config_ranges(config, name)}
    assert not {key for key in keys if key.endswith((".wires", ".group_pes", "phases", "_planes"))}
    assert {key for key in keys if key.endswith("_v")} <= {key for each in read_layers(name) for key in each.ranges}


def test_intervals_are_in_order_and_not_wider_than_thirty_times() -> None:
    rows = quick()
    assert [(row.macro, row.quantity, row.point) for row in rows[:3]] == [
        ("macro-liu-isscc20", "efficiency", ""),
        ("macro-liu-isscc20", "MAC to output", ""),
        ("macro-liu-isscc20", "chip", ""),
    ]
    assert all(0 < row.low < row.median < row.high < 30 * row.low for row in rows)
    assert {row.unit for row in rows} == {"TOPS/W", "ns", "mm^2"}
    inside = {(row.macro, row.quantity, row.point) for row in rows if row.inside}
    assert {("macro-liu-isscc20", "efficiency", ""), ("macro-xue-ne21", "efficiency", "binary")} <= inside
    assert ("macro-xue-ne21", "efficiency", "multi-bit") not in inside
    calls: list[tuple[int, int]] = []
    other = macro_ranges(["liu-isscc20"], samples=40, seed=1, progress=lambda done, of: calls.append((done, of)))
    assert calls == [(done, 40) for done in range(1, 41)]
    assert rows[:3] == macro_ranges(["liu-isscc20"], samples=40) != other


def test_a_faster_converter_of_the_config_changes_nothing() -> None:
    """The converters are unknown: what the config says of their energy, rate and area has no influence."""
    macro = load_macro("liu-isscc20")
    adc = "machine.crossbar.pair.adc"
    other = macro.points[""].model_copy(update={"set": {f"{adc}.conversion_energy_j": 9e-12, f"{adc}.area_m2": 1e-9}})
    changed = replace(macro, spec=macro.spec.model_copy(update={"points": {"": other}}))
    _, ranges = sampled_run(macro, "")
    _, without = sampled_run(changed, "")
    assert {each.key: each.range for each in without} == {each.key: each.range for each in ranges}


def test_the_neurons_of_neurram_are_converters_too() -> None:
    _, ranges = sampled_run(load_macro("neurram"), "3b out / 1b in")
    unknown = {each.key: each.range for each in ranges if each.source.startswith("unknown")}
    step = unknown["machine.crossbar.pair.sensing.integration.step_energy_j"]
    assert (step.low, step.likely, step.high) == (near(0.25e-12 * 0.333), near(0.25e-12), near(0.75e-12))
    assert "machine.crossbar.pair.sensing.integration.phases" not in unknown


def test_an_overlapping_schedule_is_refused() -> None:
    macro = load_macro("liu-isscc20")
    point = macro.points[""].model_copy(update={"set": {"schedule": "dataflow"}})
    with pytest.raises(ConfigError, match=r"schedule: .*serial"):
        sampled_run(replace(macro, spec=macro.spec.model_copy(update={"points": {"": point}})), "")
