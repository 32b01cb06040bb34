"""Families of slices: differences from another family whose slices are known but follow from no fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pimsim.studies.serving.quasi_polynomial import Sample
from pimsim.studies.serving.slice_family import Base, Domain, SliceFamily, Terms
from tests.support.closeness import near

LAST = 191
JAGGED = 31
"""A prime: no fit finds a form in n^2 modulo it, since the periods that are tried are 1, 2 and 4."""


class Kept(NamedTuple):
    """A slice that is its sample and its accounting terms."""

    sample: Sample
    terms: Terms


class Figures:
    """Figures of such slices."""

    def sample_of(self, run: Sample) -> Sample:
        return run

    def slice_of(self, sample: Sample, terms: Terms) -> Kept:
        return Kept(sample, terms)


def one(number: int) -> int:
    """Time of a slice of one sequence."""
    return number * number % JAGGED


def two(number: int) -> int:
    """Time of a slice of two sequences: twice the time of one, and a difference that is linear."""
    return 2 * one(number) + 3 * number + 5


def family(value: Callable[[int], int], simulated: list[int], base: Base | None = None) -> Any:
    """Return a family whose accounting terms have the numbers of the slices."""

    def simulate(number: int) -> tuple[Sample, Callable[[], int]]:
        simulated.append(number)
        return (value(number),), lambda: number + (1000 if base else 0)

    domain = Domain(1, lambda: LAST, (1, 2, 4), lambda: 0)
    return SliceFamily(simulate, Figures(), 1, domain, base)  # type: ignore[arg-type]


def test_a_difference_from_known_slices_saves_simulations() -> None:
    ones: list[int] = []
    twos: list[int] = []
    alone = family(one, ones)
    both = family(two, twos, Base(alone, 2, 1))
    for number in range(128, LAST + 1):
        sample, terms = both.of(number)
        assert sample == (two(number),)
        # Accounting that grows like the times: the terms of a fitted slice give the same sum.
        of_term = {each: two(each - 1000) if each > 1000 else one(each) for each, _ in terms}
        assert sum(weight * of_term[each] for each, weight in terms) == near(two(number))
    assert len(set(twos)) < 10
    assert min(ones) == 128  # no slice that nobody asks for
    assert alone.of(150) == ((one(150),), ((150, 1.0),))


def test_a_difference_is_not_cheap_where_the_other_family_is_simulated() -> None:
    both = family(two, [], Base(family(one, []), 2, 1))
    for number in range(128, 150):
        both.of(number)
    assert both.cheap_from(LAST) == LAST
    straight = family(lambda number: 7 * number, [])
    for number in range(1, 30):
        straight.of(number)
    assert straight.cheap_from(LAST) < 30


def test_numbers_below_those_asked_first_are_right() -> None:
    both = family(two, [], Base(family(one, []), 2, 1))
    for number in (*range(150, 160), *range(1, 20), LAST + 40):
        assert both.of(number)[0] == (two(number),)
