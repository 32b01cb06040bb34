"""Which numbers of a config are uncertain: shipped ones by the table, those of a user not, unless a range is stated."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim import load_config
from pimsim.base.errors import ConfigError
from pimsim.studies.ranges.config_ranges import KeyRange, config_ranges, exact_numbers
from pimsim.studies.ranges.unknown_ranges import without_own_figures
from tests.support.closeness import near

POWER = "machine.memory.background_w"
ADC = "machine.crossbar.pair.adc.conversion_energy_j"
HOP = "machine.mesh.hop_energy_j_per_bit"


def found(source: str | Path, overrides: tuple[str, ...] = ()) -> dict[str, KeyRange]:
    config = load_config(source, overrides)
    return {each.key: each for each in config_ranges(config, source, overrides)}


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_shipped_config_has_the_ranges_of_the_table_and_of_the_letters() -> None:
    ranges = found("pim-llm")
    assert (ranges[POWER].range.low, ranges[POWER].range.high) == (near(60e-3), near(350e-3))
    delay = ranges["machine.crossbar.digital.row_decoder_s"]  # 0.27933 ns [A], a factor of 1.15
    assert (delay.range.low, delay.range.high) == (near(0.27933e-9 / 1.15), near(0.27933e-9 * 1.15))
    assert delay.source.startswith("[A]: ")
    assert "machine.systolic.rows" not in ranges
    assert "machine.crossbar.pair.adc.bits" not in ranges


def test_a_figure_that_follows_from_a_size_has_a_range_around_it() -> None:
    read = found("pim-llm")["machine.sram.read_energy_j"].range
    assert read.likely == near(911e-12, rel=1e-3)  # docs/technology.md
    assert read.high == near(2.1 * read.likely)


def test_a_preset_has_the_range_of_its_letter() -> None:
    """The default may be any ADC, from 0.25 to 15 pJ; the preset is that of ISAAC, 15.625 pJ [C]: a factor of 1.3."""
    config = {"extends": ["pim-llm", "adc-isaac-8bit"]}
    found = next(each for each in config_ranges(load_config(config), config) if each.key == ADC)
    assert (found.range.likely, found.range.high) == (near(15.625e-12), near(1.3 * 15.625e-12))
    assert found.source.startswith("[C]: ")


def test_the_value_of_a_user_is_exact(tmp_path: Path) -> None:
    mine = write(tmp_path, "mine", "extends: pim-llm\nmachine: {memory: {background_w: 172 mW}}\n")
    assert POWER not in found(mine)
    assert HOP in found(mine)
    assert exact_numbers(load_config(mine), mine) == (POWER,)
    override = (f"{HOP}=0.2 pJ/bit",)
    assert HOP not in found("pim-llm", override)
    assert exact_numbers(load_config("pim-llm", override), "pim-llm", override) == (HOP,)
    as_mapping = {HOP: 2e-13}
    changed = load_config("pim-llm", as_mapping)
    assert HOP not in {each.key for each in config_ranges(changed, "pim-llm", as_mapping)}
    # Without its source, a config tells by its values only.
    assert HOP not in {each.key for each in config_ranges(changed)}
    assert POWER in {each.key for each in config_ranges(changed)}


def test_a_user_states_a_range_beside_the_value(tmp_path: Path) -> None:
    text = "extends: pim-llm\nmachine:\n  memory: {background_w: 100 mW}\nranges:\n  machine.memory.background_w: "
    mine = write(tmp_path, "mine", f"{text}[90 mW, 110 mW]\n")
    stated = found(mine)[POWER]
    assert (stated.range.low, stated.range.likely, stated.range.high) == (near(0.09), near(0.1), near(0.11))
    assert stated.source == "given in mine.yaml:5"


def test_who_sets_a_number_again_takes_the_range_below_away(tmp_path: Path) -> None:
    text = f"extends: pim-llm\nranges:\n  {ADC}: [1 pJ, 20 pJ]\n"
    below = write(tmp_path, "below", text)
    assert found(below)[ADC].range.high == near(20e-12)
    assert ADC not in found(below, (f"{ADC}=2 pJ",))
    above = write(tmp_path, "above", "extends: [below.yaml, adc-isaac-8bit]\n")
    assert found(above)[ADC].range.high == near(1.3 * 15.625e-12)


def test_all_wrong_ranges_are_listed_with_their_places(tmp_path: Path) -> None:
    lines = [
        "extends: pim-llm",
        "ranges:",
        "  machine.memory.background_w: [80 mJ, 120 mW]",
        "  machine.memory.backgroundw: [80 mW, 120 mW]",
        "  machine.systolic.rows: [16, 32]",
        "  workload.batch: [1, 2]",
    ]
    wrong = write(tmp_path, "wrong", "\n".join(lines) + "\n")
    with pytest.raises(ConfigError) as refusal:
        found(wrong)
    problems = {each.path: f"{each.message} {each.suggestion} {each.source}" for each in refusal.value.problems}
    assert problems.keys() == {POWER, "machine.memory.backgroundw", "machine.systolic.rows", "workload.batch"}
    assert "takes a power" in problems[POWER]
    assert "did you mean machine.memory.background_w?" in problems["machine.memory.backgroundw"]
    assert "a choice of the design" in problems["machine.systolic.rows"]
    assert [text.rpartition(" ")[2] for text in problems.values()] == [f"wrong.yaml:{line}" for line in (3, 4, 5, 6)]


def test_a_section_that_is_no_mapping_is_refused_when_the_config_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ranges: .*is not a mapping of keys to ranges"):
        load_config(write(tmp_path, "mine", "extends: pim-llm\nranges: [1, 2]\n"))


def test_the_latency_that_a_timing_table_fixes_has_no_range() -> None:
    config = {"extends": ["pim-llm", "memory-lpddr5-timing"]}
    keys = {each.key for each in config_ranges(load_config(config), config)}
    assert "machine.memory.access_latency_s" not in keys
    assert "machine.memory.dram.activate_energy_j" in keys
    assert not [key for key in keys if key.startswith("machine.memory.dram.t")]


def test_unknown_converters_have_the_range_of_all_and_keep_their_resolution() -> None:
    config = load_config("pim-llm", {"machine.crossbar.pair.adc.conversion_energy_j": 99e-12})
    known = config_ranges(config, "pim-llm", {"machine.crossbar.pair.adc.conversion_energy_j": 99e-12})
    assert ADC not in {each.key for each in known}
    unknown = {each.key: each for each in without_own_figures(config, known, ["machine.crossbar.pair.adc.*"])}
    # 0.05, 0.41 and 1.7 pJ per bit of a 6-bit converter, whatever the config says.
    ends = unknown[ADC].range
    assert ends.shape == "lognormal"
    assert (ends.low, ends.likely, ends.high) == (near(0.3e-12), near(2.46e-12), near(10.2e-12))
    assert "machine.crossbar.pair.adc.bits" not in unknown
    assert unknown[HOP] == next(each for each in known if each.key == HOP)
    other = "machine.crossbar.digital.add_energy_j"
    widest = {each.key: each for each in without_own_figures(config, known, [other])}[other]
    assert widest.range.high == near(3 * widest.range.likely)


def test_every_number_with_a_range_may_be_unknown_and_a_number_of_0_stays() -> None:
    config = load_config("pim-llm")
    assert config.machine.vector.leakage_w == 0
    unknown = {each.key: each for each in without_own_figures(config, (), ["machine.*"])}
    assert all(each.range.low < each.range.high for each in unknown.values())
    assert {ADC, HOP, POWER} < unknown.keys()
    assert "machine.vector.leakage_w" not in unknown


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("machine.crossbar.pair.adc.bits", "it has no range: a choice of the design"),
        ("machine.vector.leakage_w", "it has no range: 0 stands for"),
        ("machine.crossbar.pair.adc.conversion", "did you mean machine.crossbar.pair.adc.conversion_energy_j?"),
        ("machine.sram.clock_h", "machine.sram.clock_hz has no range: a clock"),
        ("machine.sram", "it is a section; all of its numbers are 'machine.sram.*'"),
        ("background_w", "did you mean machine.memory.background_w?"),
        ("zebra*", "give a key such as machine."),
        ("", "give a key such as machine."),
    ],
)
def test_what_cannot_be_unknown_says_what_can(item: str, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        without_own_figures(load_config("pim-llm"), (), [item])
    assert f"{item or repr(item)}: is not an uncertain number of this config; {message}" in str(refusal.value)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (f"{POWER}: {{low: 60 mW, high: 350 mW, shape: unifrom}}", "is not a shape of a range; did you mean uniform?"),
        (f"{POWER}: [220 mW, 180 mW]", "the low value 220 mW is above the high value 180 mW"),
        (f"{POWER}: [300 mW, 400 mW]", "the value of the config, 172 mW, lies outside the range from 300 mW to 400 mW"),
        ("machine: {memory: {background_w: [60 mW, 350 mW]}}", "machine: is a section; write the dotted key"),
        ("machine.sram.capacity_byte: [1, 2]", "capacity_bytes cannot have a range: a choice of the design"),
        ("machine.memory.background: [60 mW, 350 mW]", "did you mean machine.memory.background_w?"),
    ],
)
def test_a_wrong_range_says_what_is_wrong(tmp_path: Path, stated: str, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        found(write(tmp_path, "mine", f"extends: pim-llm\nranges:\n  {stated}\n"))
    assert message in str(refusal.value)


def test_whole_numbers_are_choices_of_the_design_whatever_their_letter() -> None:
    """`macros` and `active_rows` have letters in configs/sram-cim-22nm.yaml; half a macro does not exist."""
    keys = {each.key for each in config_ranges(load_config("pim-llm-sram-attention"), "pim-llm-sram-attention")}
    assert "machine.sram_cim.bit_mac_energy_j" in keys
    assert not keys & {"machine.sram_cim.macros", "machine.sram_cim.active_rows", "machine.sram_cim.swap_macros"}
