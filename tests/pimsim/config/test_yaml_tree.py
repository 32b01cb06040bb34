import math

import pytest

from pimsim.base.errors import ConfigError
from pimsim.config.yaml_tree import MAX_REMEMBERED, parse_yaml, plain_scalar


def test_a_document_becomes_plain_values_with_lines() -> None:
    document = parse_yaml("a: {b: [1, x]}\nc:\n  - &it 2.5\n  - *it\n'1': \"true\"\n", "t.yaml")
    assert document.tree == {"a": {"b": [1, "x"]}, "c": [2.5, 2.5], "1": "true"}
    assert document.lines[("a", "b", 1)] == 1
    assert document.lines[("c", 1)] == 4


@pytest.mark.parametrize("comment", ["", "# " + "x" * MAX_REMEMBERED])
def test_what_one_caller_changes_is_not_seen_by_the_next(comment: str) -> None:
    text = f"a: {{b: [1, {{c: 2}}]}}\n{comment}"
    document = parse_yaml(text, "t.yaml")
    assert isinstance(document.tree, dict)
    document.tree["a"]["b"][1]["c"] = 3
    document.tree["a"]["b"].append(4)
    document.tree["d"] = 5
    document.lines[("d",)] = 1
    again = parse_yaml(text, "t.yaml")
    assert again.tree == {"a": {"b": [1, {"c": 2}]}}
    assert ("d",) not in again.lines
    with pytest.raises(ConfigError, match=r"^other\.yaml: line 1"):
        parse_yaml("a: {b: !!set x}", "other.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("true", True), ("False", False),
        ("on", "on"), ("off", "off"), ("yes", "yes"), ("no", "no"), ("y", "y"),
        ("12", 12), ("-3", -3), ("010", 10), ("1_000", "1_000"), ("0x10", "0x10"), ("1:30", "1:30"),
        ("1e8", 1e8), ("1.", 1.0), (".5", 0.5), ("-1.5E-3", -1.5e-3), ("-.inf", -math.inf),
        ("2024-01-01", "2024-01-01"), ("nan", "nan"), ("9" * 5000 + "x", "9" * 5000 + "x"),
    ],
)  # fmt: skip
def test_scalars_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    read = plain_scalar(text)
    assert read == value
    assert type(read) is type(value)


BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{below}'] * 10)}]\n" for below, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("# only a comment", "is empty"),
        ("a: 1\na: 2", "line 2: the key 'a' occurs twice"),
        ('a: 1\n"a": 2', "line 2: the key 'a' occurs twice"),
        ("1: 2", "line 1: a key must be a string"),
        ("true: 2", "line 1: a key must be a string"),
        ("? [a]\n: 2", "line 1: a key must be a string"),
        ("a: &x b\n*x : 2", "line 2: a key must be a string"),
        ("a: !!python/object/apply:os.system [ls]", "tag"),
        ("a: !!binary aGk=", "tag"),
        ("a: !!set {b, c}", "tag"),
        ("a: &x [*x]", "*x contains itself"),
        ("a: *x", "undefined alias|refers to no earlier anchor"),
        ("--- a\n--- b", "second document"),
        ("a: b: c", "line 1, column 5"),
        ("a: [1", "not valid YAML"),
        ("a: \x01", "not valid YAML"),
        ("a: \udc80", "not valid YAML"),
        ("[" * 10**6, "nested more than 32 levels deep"),
        ("- " * 10**5, "nested more than 32 levels deep"),
        ("[" + "1," * 10**5 + "]", "more than 5000 values"),
        (BOMB, "more than 5000 values, aliases expanded"),
    ],
)
def test_what_is_refused_is_refused_with_a_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "t.yaml")
    assert any(part in str(caught.value) for part in message.split("|"))
    assert str(caught.value).startswith("t.yaml: ")
