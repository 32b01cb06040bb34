"""How much a point violates a constraint: values worked out by hand, and 0 exactly where the constraint holds."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.base.errors import ExpressionError
from pimsim.studies.sweep.space.expressions import Expression
from pimsim.studies.sweep.space.violations import SMALLEST, UNKNOWN, Limit, limits_of, total_violation
from tests.support.closeness import near

VALUES = {"a": 4.0, "b": -2.0, "zero": 0.0, "none": math.nan, "big": math.inf, "name": "os", "p@opt-6.7b": 1.25}


@pytest.mark.parametrize(
    ("text", "violation"),
    [
        ("a <= 4", 0.0),
        ("a <= 3", 1 / 4),  # (4 - 3) / 4
        ("a >= 5", 1 / 5),  # (5 - 4) / 5
        ("b >= 2", 4 / 2),  # (2 + 2) / 2, the most that is possible
        ("b < -3", 1 / 3),
        ("1 <= a <= 2", 2 / 4),  # the first comparison holds
        ("5 <= a <= 2", 1 / 5 + 2 / 4),
        ("a <= 3 and b >= -1", 1 / 4 + 1 / 2),
        ("a <= 3 or b >= -1", 1 / 4),  # the smaller one
        ("a <= 3 or b >= -3", 0.0),
        ("not a <= 4", 1.0),
        ("name == 'ws'", 1.0),
        ("name == 'ws' or a <= 3", 1 / 4),
        ("a < 4", SMALLEST),  # equal, but not allowed
        ("zero < 0", SMALLEST),
        ("none <= 1", UNKNOWN),
        ("none <= 1 and a <= 3", UNKNOWN + 1 / 4),
        ("big <= 1", 1.0),
        ("p@opt-6.7b <= 1", 0.2),
        ("p@opt-6.7b -1 <= 0", 1.0),
    ],
)
def test_values_worked_out_by_hand(text: str, violation: float) -> None:
    limit = Limit(Expression(text))
    assert limit.violation(VALUES) == near(violation)
    assert pickle.loads(pickle.dumps(limit)).violation(VALUES) == limit.violation(VALUES)


NUMBER = st.floats(-1e9, 1e9, allow_nan=False) | st.just(math.nan)


@given(
    NUMBER, NUMBER, st.sampled_from(["a <= b", "a < b", "a > b and a >= 0", "a >= b or b < 0", "not a < b", "a == b"])
)
def test_a_point_has_no_violation_exactly_if_the_constraint_holds(a: float, b: float, text: str) -> None:
    violation = Limit(Expression(text)).violation({"a": a, "b": b})
    assert math.isfinite(violation)
    assert (violation == 0) == Expression(text).holds({"a": a, "b": b})
    assert violation >= 0


@given(st.floats(1.011, 1e6), st.floats(1.011, 1e6))
def test_a_point_that_is_farther_away_has_the_larger_violation(one: float, two: float) -> None:
    limit = Limit(Expression("a <= 1.01"))
    near_violation, far_violation = sorted(limit.violation({"a": value}) for value in (one, two))
    assert limit.violation({"a": min(one, two)}) == near_violation <= far_violation < 1


def test_violations_of_several_constraints_add_up() -> None:
    limits = limits_of([Expression("a <= 3"), Expression("b >= -3"), Expression("a <= 2")])
    assert total_violation(limits, VALUES) == near(1 / 4 + 1 / 2)
    assert total_violation((), VALUES) == 0


def test_what_cannot_be_compared_is_an_error() -> None:
    with pytest.raises(ExpressionError, match="'name <= 3'"):
        Limit(Expression("name <= 3")).violation(VALUES)
