import pickle

import pytest

from pimsim.base import errors
from pimsim.base.errors import ConfigError, PimsimError, Problem, UnitError, did_you_mean, nearest, printable, show


def test_exit_codes_are_those_of_the_table() -> None:
    codes = {
        "PimsimError": 1,
        "ConfigError": 3,
        "UnitError": 3,
        "WorkloadInputError": 4,
        "CapacityError": 5,
        "StalledError": 6,
        "OutputError": 7,
        "ResultFileError": 8,
        "ExpressionError": 3,
        "SweepError": 9,
        "AnalysisError": 10,
        "MissingExtraError": 11,
        "PluginError": 12,
    }
    classes = {name: value for name, value in vars(errors).items() if isinstance(value, type)}
    assert {name: c.exit_code for name, c in classes.items() if issubclass(c, PimsimError)} == codes
    for name, code in codes.items():
        assert f"| {code:<4} | {name} " in (errors.__doc__ or "")


def test_one_problem_is_one_line() -> None:
    problem = Problem("machine.mesh.widht", "", "unknown key", "did you mean width?", "a.yaml:3")
    error = ConfigError([problem], "a.yaml")
    assert str(error) == "a.yaml: machine.mesh.widht: unknown key; did you mean width?  (a.yaml:3)"
    assert str(ConfigError("is a directory", "configs")) == "configs: is a directory"


def test_problems_are_listed_up_to_twenty() -> None:
    problems = [Problem(f"key{index}", "1", "is not a list") for index in range(50)]
    lines = str(ConfigError(problems, "a.yaml")).splitlines()
    assert lines[:2] == ["a.yaml: 50 problems", "  key0: 1 is not a list"]
    assert lines[-1] == "  ... and 30 more"
    assert len(lines) == 22
    assert "more" not in str(ConfigError(problems[:20], "a.yaml"))


def test_errors_survive_pickling() -> None:
    problem = Problem("a.b", "1", "is bad")
    for error in (ConfigError([problem], "x"), UnitError("'1 s'", "is a time", "a size", "a_bytes"), PimsimError("no")):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)


def test_hostile_text_is_printed_harmless_and_short() -> None:
    problem = Problem("a\x1b[2J\n", show("\x1b]0;title\x07" * 10_000), "is\nbad", "did you mean \u202e?")
    text = str(ConfigError([problem], "x\ny"))
    assert text.isprintable()
    assert len(text) < 500


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ("20 ns", "'20 ns'"),
        ({"a": 1}, "a section"),
    ],
)
def test_values_are_shown_as_a_config_spells_them(value: object, shown: str) -> None:
    assert show(value) == shown


def test_an_integer_too_long_to_print_is_not_printed() -> None:
    assert show(10**5000) == "a huge integer"


@pytest.mark.parametrize("value", ["x" * 10**6, ["x" * 100] * 100, 10**300, [[[[[["deep"] * 9] * 9] * 9] * 9] * 9]])
def test_long_values_are_shortened(value: object) -> None:
    assert len(show(value)) <= 70


def test_nearest_ignores_case_and_returns_nothing_for_other_names() -> None:
    assert nearest("Widht", ["height", "width"]) == "width"
    assert nearest("mw", ["mW", "MW"]) == "mW"
    assert nearest("zebra", ["height", "width"]) is None
    assert nearest("w" * 10**6, ["width"]) is None
    assert did_you_mean("heigth", ["height", "width"]) == "did you mean height?"
    assert did_you_mean("zebra", ["height"]) == ""


def test_printable_cuts_out_the_middle() -> None:
    assert printable("short", 10) == "short"
    assert printable("a" * 100 + "end", 30).endswith("end")
