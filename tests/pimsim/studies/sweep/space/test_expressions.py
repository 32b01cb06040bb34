"""Expressions: what they come to, as Python would say, and what is never evaluated."""

from __future__ import annotations

import pickle
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.base.errors import ExpressionError
from pimsim.studies.sweep.space.expressions import MAX_CHARS, Expression
from tests.support.counts import scaled

pytestmark = pytest.mark.timeout(scaled(120, 3600))
"""An expression that would take for ever is refused instead."""

VALUES = {"a": 6, "b": 0.5, "name": "os", "flag": True, "none": None, "machine.mesh.rows": 64, "list": [1, 2]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b * 2 - 1", 6.0),
        ("a // 4 + a % 4", 3),
        ("2 ** a / 4", 16.0),
        ("-a + +b", -5.5),
        ("1 < a <= 6 and not flag == false", True),
        ("a > 6 or name in ['ws', 'os']", True),
        ("name not in ('ws', 'is')", True),
        ("name != 'ws'", True),
        ("none == null and none == None", True),
        ("machine.mesh.rows * a >= 384", True),
        ("a < 1 or b < 1", True),
        ("'s' in name", True),
        ("1 in list", True),
        ("1e3", 1000.0),
    ],
)
def test_values(text: str, value: object) -> None:
    assert Expression(text).value(VALUES) == value


def test_names_are_whole_and_each_once() -> None:
    assert Expression("a * machine.mesh.rows < a and true").names == ("a", "machine.mesh.rows")


def test_and_and_or_stop_where_the_answer_is_known() -> None:
    assert Expression("a == 0 or 1 / a > 0.1").holds({"a": 0})
    assert not Expression("a != 0 and 1 / a > 0.1").holds({"a": 0})


def test_an_expression_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(Expression("a * 2 < 13")))
    assert again.text == "a * 2 < 13"
    assert again.holds(VALUES)


FORBIDDEN = [
    ("__import__('os').system('true')", "a call is not allowed"),
    ("open('/etc/passwd')", "a call is not allowed"),
    ("abs(a)", "a call is not allowed"),
    ("import os", "is not an expression"),
    ("a = 1", "is not an expression"),
    ("(a := 1)", "an assignment is not allowed"),
    ("a.__class__", "the name a.__class__ is not allowed"),
    ("__builtins__", "the name __builtins__ is not allowed"),
    ("().__class__", "an attribute of Tuple is not allowed"),
    ("'x'.join", "an attribute of such a constant is not allowed"),
    ("[i for i in a]", "a comprehension is not allowed"),
    ("lambda: 1", "a lambda is not allowed"),
    ("list[0]", "an index is not allowed"),
    ("a if flag else b", "if ... else is not allowed"),
    ("f'{a}'", "an f-string is not allowed"),
    ("{1: 2}", "a dictionary is not allowed"),
    ("a @ b", "such an operator is not allowed"),
    ("a << 100", "such an operator is not allowed"),
    ("~a", "the operator ~ is not allowed"),
    ("a is b", "such a comparison is not allowed"),
    ("b'x'", "such a constant is not allowed"),
    ("1j", "such a constant is not allowed"),
    ("...", "such a constant is not allowed"),
    ("", "is not an expression"),
    ("a <", "is not an expression"),
    ("\0", "is not an expression"),
    ("a" * (MAX_CHARS + 1), f"more than {MAX_CHARS}"),
    ("(" * 300 + "a" + ")" * 300, ""),
    ("not " * 240 + "a", "nested more than"),
    ("-" * 900 + "1", "nested more than"),
    ("9" * 400, "beyond 1e+40"),
    ("*a", ""),
]


@pytest.mark.parametrize(("text", "told"), FORBIDDEN, ids=[text[:20] for text, _ in FORBIDDEN])
def test_what_is_no_expression_is_refused(text: str, told: str) -> None:
    if text == "(" * 300 + "a" + ")" * 300:
        with suppress(ExpressionError):  # Python's parser accepts 300 brackets, or it does not
            assert Expression(text).value(VALUES) == 6
        return
    with pytest.raises(ExpressionError) as error:
        Expression(text)
    assert told in str(error.value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("9**9**9 > 1", "an exponent is beyond"),
        ("(9**64)**64 > 1", "a number is beyond"),
        ("1e39 * 1e39 > 1", "a number is beyond"),
        ("(0 - 1) ** 0.5 > 1", "not real"),
        ("name * 1000000000 == 'x'", "calculates with a text"),
        ("a / 0 > 1", "divides by zero"),
        ("a % 0 > 1", "divides by zero"),
        ("name < 'x'", "compares a text with a text"),
        ("none < 1", "compares null with a number"),
        ("none + 1 < 1", "calculates with null"),
        ("flag + 1 < 1", "calculates with true or false"),
        ("a", "not true or false"),
        ("a and flag", "a number is used where true or false is needed"),
        ("not a", "a number is used where true or false is needed"),
        ("a in b", "is not a list"),
        ("unheard_of > 1", "unheard_of has no value here"),
    ],
)
def test_what_has_no_value_is_refused(text: str, told: str) -> None:
    with pytest.raises(ExpressionError) as error:
        Expression(text).holds(VALUES)
    assert told in str(error.value)
    assert printable_start(text) in str(error.value)


def printable_start(text: str) -> str:
    return text[:10].replace("'", "")[:4]


@given(st.text(alphabet="ab12.()<>=!+-*/% ,'\"[]{}:_@~andornotinifelselambda", max_size=60))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    """What is accepted means what it means in Python, of which expressions are a part."""
    try:
        expression = Expression(text)
        value = expression.value(VALUES)
    except ExpressionError as error:
        assert_readable(error)
        return
    assert Expression(expression.text).value(VALUES) == value
    if "[" not in text:  # a list is a tuple here
        names = {"true": True, "false": False, "null": None} | VALUES
        python = eval(text.strip(), {"__builtins__": {}}, names)
        assert (value, type(value)) == (python, type(python))


def assert_readable(error: ExpressionError) -> None:
    assert str(error).isprintable()


numbers = st.one_of(st.integers(-100, 100), st.floats(-100, 100))


@given(numbers, numbers, st.sampled_from(["+", "-", "*", "<", "<=", "==", "!=", ">", ">="]))
def test_arithmetic_is_python_s(a: float, b: float, sign: str) -> None:
    assert Expression(f"a {sign} b").value({"a": a, "b": b}) == eval(f"a {sign} b", {}, {"a": a, "b": b})


WITH_WORKLOADS = {"p@opt-6.7b": 4.0, "p@a": 3.0, "b": 1.0, "text": "p@a"}


@pytest.mark.parametrize(
    ("text", "value", "names"),
    [
        ("p@opt-6.7b", 4.0, ("p@opt-6.7b",)),
        ("2 * p@opt-6.7b - b", 7.0, ("p@opt-6.7b", "b")),
        ("p@a -1", 2.0, ("p@a",)),  # a minus sign needs the space before it
        ("p@a**2 + p@a", 12.0, ("p@a",)),
        ("(p@a)-(b)", 2.0, ("p@a", "b")),
        ("text == 'p@a' and p@a < p@opt-6.7b", True, ("text", "p@a", "p@opt-6.7b")),
    ],
)
def test_the_metric_of_a_workload_is_one_name(text: str, value: object, names: tuple[str, ...]) -> None:
    expression = Expression(text)
    assert expression.value(WITH_WORKLOADS) == value
    assert expression.names == names


@pytest.mark.parametrize("text", ["p@", "@a", "1@2", "p@(a)", "p @ a", "a.b@c", "p@a < __metric0", "__metric0"])
def test_what_only_resembles_the_metric_of_a_workload_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        Expression(text)
