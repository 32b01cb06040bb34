"""Data files of macros: what a file may say, and that every problem is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.base.errors import ConfigError
from pimsim.base.shipped_files import defaults_path, list_configs
from pimsim.studies.macros.macro_file import load_macro, macro_names, parse_macro, printed_at, role_at
from pimsim.studies.macros.macro_table import macro_table
from tests.support.closeness import near

HEAD = """title: a macro
silicon: true
config: macro-isaac
operations_per_mac: 2
operations: two
"""
QUANTITY = (
    "  - {name: ADCs, kind: energy, printed: 1 pJ, of: [tile.adc_conversion], role: input, source: page 1, mark: A}\n"
)


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_macro(text, "macro-test")
    return [str(problem) for problem in caught.value.problems]


def test_every_shipped_file_is_valid_and_has_its_config() -> None:
    names = macro_names()
    assert {"macro-isaac", "macro-puma", "macro-neurram", "macro-liu-isscc20"} < set(names)
    assert set(names) == {name for name in list_configs() if name.startswith("macro-")}
    for name in names:
        macro = load_macro(name)
        assert macro.spec.config == name
        roles = {
            role_at(quantity, point)
            for quantity in macro.spec.quantities
            for point in printed_at(quantity, macro.points)
        }
        assert "predicted" in roles, "a macro without a prediction shows nothing"
        assert bool(macro.spec.calibrated) == ("calibrated" in roles)


def test_a_name_needs_no_prefix_and_a_wrong_one_gets_a_hint() -> None:
    assert load_macro("isaac").name == load_macro("macro-isaac").name == "macro-isaac"
    for name, message in (
        ("isaak", "did you mean isaac"),
        ("macro-pumma", "did you mean macro-puma"),
        ("", "shipped macros: isaac, liu"),
        ("none.yaml", "no such file, and no shipped macro .* isaac, liu"),
        ("/", "is a directory, not a file"),
        ("pim-llm", "is a config, .* pimsim run pim-llm"),
        (str(defaults_path()), "is not the data file of a macro; it is a config"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_macro(name)


def test_a_file_of_the_user_has_its_config_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: macro-isaac\n", encoding="utf-8")
    (tmp_path / "data.yaml").write_text(HEAD.replace("macro-isaac", "mine.yaml") + "quantities:\n" + QUANTITY, "utf-8")
    macro = load_macro(str(tmp_path / "data.yaml"))
    assert macro.config == str(tmp_path / "mine.yaml")
    assert macro_table(macro).rows[0].ours == near(96 * 128 * 16 * 1.5625)
    (tmp_path / "latin.yaml").write_bytes(b"title: \xff\n")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_macro(str(tmp_path / "latin.yaml"))


def test_all_problems_are_reported_with_their_lines() -> None:
    text = HEAD + (
        "points: {a: {}, b: {}}\n"
        "quantities:\n"
        "  - {name: x, kind: energy, printed: 1 mW, of: [tile.add], role: input, source: p, mark: A}\n"
        "  - {name: y, kind: time, printed: {a: 1 ns, c: 1 ns}, of: [adcs], role: {a: input}, source: p, mark: A}\n"
        "  - {name: x, kind: power, printed: 1 W, role: predicted, source: p, mark: A, scale: 1/0, tolerance: '2'}\n"
        "  - {name: z, kind: power, printed: 1 W, role: not_modelled, source: p, mark: A}\n"
        "  - {name: t, kind: power, printed: 1 W, total_of: [w], role: predicted, source: p, mark: A, per: mac}\n"
    )
    found = problems_of(text)
    units = "fJ, pJ, nJ, uJ, mJ, J"
    assert [each for each in found if "quantities.0" in each] == [
        f"quantities.0.printed: '1 mW' is not a positive number with a unit of kind energy: {units}  (line 8)"
    ]
    for start, line in {
        "quantities.1.printed.c: 'c' is not one of points: a, b": 9,
        "quantities.1.role: ['a'] must name the same points as printed": 9,
        "quantities.1.of: 'adcs' is not one of *, systolic": 9,
        "quantities.2.name: 'x' is the name of two quantities": 10,
        "quantities.2.tolerance: '2' is not a tolerance": 10,
        "quantities.2.scale: '1/0' is not a positive number": 10,
        "quantities.2.of: [] must name what is compared": 10,
        "quantities.3.note: '' must say why": 11,
        "quantities.4.total_of: 'w' is not an earlier quantity of kind power": 12,
        "quantities.4.per: 'mac' is for values of kind energy": 12,
    }.items():
        assert any(each.startswith(start) and each.endswith(f"(line {line})") for each in found), (start, found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("interval: 2 mm\ninterval_source: x\n", "neither latency nor a time"),
        ("interval: 2 us\n", "needs interval_source"),
        ("interval: [adcs]\ninterval_source: x\n", "'adcs' is not one of systolic"),
        ("added_power: 2 pJ\nadded_power_source: x\n", "is not a power"),
        ("calibrated: {a: x, b: y, c: z}\n", "takes at most 2"),
        ("sources: x\n", "unknown key"),
    ],
)
def test_wrong_heads_are_refused(change: str, message: str) -> None:
    (problem,) = problems_of(HEAD + change + "quantities:\n" + QUANTITY)
    assert message in problem


def test_a_fitted_key_is_no_quantity() -> None:
    """The value beside `read_pulse_s` is a text, although the key has the suffix of a time."""
    macro = parse_macro(HEAD + "calibrated: {a.read_pulse_s: ADCs}\nquantities:\n" + QUANTITY, "macro-test")
    assert [(fit.key, fit.to) for fit in macro.spec.calibrated] == [("a.read_pulse_s", "ADCs")]
