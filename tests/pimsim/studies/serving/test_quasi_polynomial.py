"""Fits are used only where they hold, and are exact there."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.studies.serving.quasi_polynomial import Polynomial, Sample, fit, periods_of
from tests.support.closeness import near

PERIODS = periods_of((1, 12))


def checked_fit(function: dict[int, Sample], degree: int) -> tuple[int, int, int] | None:
    """Return the interval and the number of samples of a fit, all of whose values are compared with the function."""
    last = max(function)
    asked: set[int] = set()

    def sample(argument: int) -> Sample:
        asked.add(argument)
        return function[argument]

    found = fit(sample, 1, last, degree, PERIODS)
    if found is None:
        return None
    for argument in range(found.first, found.last + 1):
        polynomial = found.polynomial(argument)
        assert polynomial.at(argument) == function[argument]
        weights = polynomial.weights(argument)
        assert sum(weight * function[node][0] for node, weight in weights) == near(function[argument][0])
        assert {node for node, _ in weights} <= asked
    return found.first, found.last, len(asked)


@settings(max_examples=8)
@given(
    rows=st.sampled_from([1, 2, 3, 8, 12]),
    columns=st.sampled_from([1, 4, 6]),
    scale=st.integers(1, 9),
    kink=st.none() | st.integers(1, 30),
    degree=st.sampled_from([1, 2]),
)
def test_folds_and_rounded_transfers_are_found(
    rows: int, columns: int, scale: int, kink: int | None, degree: int
) -> None:
    """Times of folds grow with ceilings; where a transfer takes longer than they do, the maximum has a kink."""

    def values(n: int) -> Sample:
        folds = -(-n // rows) * (-(-n // columns) if degree == 2 else 1)
        return (max(scale * folds, scale * kink if kink else 0), -(-n * scale // 6), 7)

    function = {n: values(n) for n in range(1, 900)}
    found = checked_fit(function, degree)
    assert found is not None
    first, last, samples = found
    assert last == 899
    assert samples < 220
    if kink is not None and degree == 1:
        assert first <= max(1, kink * rows) + 2 * 24 + 12  # two periods above the kink at most
    elif kink is None:
        assert first == 1


def test_no_fit_of_a_function_without_a_period() -> None:
    assert fit(lambda n: (n * n * n // 7,), 1, 2000, 1, PERIODS) is None
    assert fit(lambda n: (pow(3, n, 10007),), 1, 2000, 2, PERIODS) is None


def test_one_other_value_in_the_middle_of_a_class_is_not_smoothed_over() -> None:
    """Each class is compared at another place, so that a change of form anywhere is seen by some of them."""
    bent = {n: (-(-n // 12) + (5 if 600 <= n < 1200 else 0),) for n in range(1, 1800)}
    found = checked_fit(bent, 1)
    assert found is not None
    assert found[0] >= 1200


def test_no_more_samples_end_the_search() -> None:
    left = iter(range(20))
    assert fit(lambda n: (-(-n // 12),) if next(left, None) is not None else None, 1, 2000, 1, (12,)) is None


def test_a_value_that_is_not_an_integer_is_refused() -> None:
    assert Polynomial((0, 4), [(0,), (2,)]).at(2) == (1,)
    assert Polynomial((0, 4), [(0,), (2,)]).at(1) is None
