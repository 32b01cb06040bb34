"""Slices of iterations that differ in one number, such as the context: simulated, or from quasi-polynomials of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pimsim.base.errors import PimsimError
from pimsim.results.run_result import RunResult
from pimsim.studies.serving.quasi_polynomial import Fit, Polynomial, Sample, fit
from pimsim.studies.serving.simulated_slice import Slice
from pimsim.studies.serving.slice_figures import SliceFigures

FIRST_TRY = 8
"""Number of simulated slices of a family after which a fit is tried; again each time it has doubled."""

FIRST_TRY_OF_DIFFERENCES = 3
"""The same for a family that is fitted as the difference from another one, which takes fewer samples."""

MANY = 300
"""A fit is tried at once if at least this number of different numbers is expected."""

TRIES = 7
"""Largest number of fits that are tried."""

Terms = tuple[tuple[int, float], ...]
"""Accounting terms with weights."""


class _Known(NamedTuple):
    """A slice with its integers."""

    slice: Slice
    sample: Sample


@dataclass(frozen=True, slots=True)
class Domain:
    """Numbers for which a family will be asked.

    Attributes:
        first: Smallest number.
        last: Function that returns the largest number expected.
        periods: Periods to try.
        expected: Function that returns how many different numbers are expected; a fit takes no more simulations, or
            three times as many as numbers were asked for.
    """

    first: int
    last: Callable[[], int]
    periods: tuple[int, ...]
    expected: Callable[[], int]


class _Found(NamedTuple):
    """A fit of slices.

    Attributes:
        fit: The fit, of the slices or of their difference from those of another family.
        base: The other family; None for none.
        cheap: Whether no slice of it needs a simulation: the slices of the other family follow from a fit, too.
    """

    fit: Fit
    base: Base | None
    cheap: bool


class Base(NamedTuple):
    """A simpler description of the slices of a family: a multiple of those of another one, and a difference.

    Attributes:
        family: The other family.
        factor: How many times.
        degree: Degree of the polynomials of the difference.
    """

    family: SliceFamily
    factor: int
    degree: int


class SliceFamily:
    """Slices by one number. The first ones are simulated; then the others follow from a fit, if there is one.

    Args:
        simulate: Function that simulates the slice of a number, and returns the run and a function that returns the
            number of its accounting term.
        figures: Integers and energies on the machine.
        degree: Degree of the polynomials to try.
        domain: Numbers to expect.
        base: Another family to fit the difference from, where its slices are known; None for none.
    """

    def __init__(
        self,
        simulate: Callable[[int], tuple[RunResult, Callable[[], int]]],
        figures: SliceFigures,
        degree: int,
        domain: Domain,
        base: Base | None = None,
    ) -> None:
        self._simulate, self._figures, self._degree, self._domain = simulate, figures, degree, domain
        self._base = base
        self._samples: dict[int, Sample] = {}
        self._terms: dict[int, int] = {}
        """Accounting terms of the samples that are used: slices, and nodes of fits."""
        self._accountings: dict[int, Callable[[], int]] = {}
        """Functions that return the terms of other samples, while a fit is tried."""
        self._known: dict[int, _Known] = {}
        self._fits: list[_Found] = []
        self._asked, self._tries = 0, 0
        self._next_try = FIRST_TRY_OF_DIFFERENCES if base else FIRST_TRY

    def cheap_from(self, number: int) -> int:
        """Return the smallest number from which on, up to `number`, no slice needs a simulation.

        Args:
            number: A number.

        Returns:
            A number up to `number`.
        """
        return next(
            (each.first for each, _, cheap in self._fits if cheap and each.first <= number <= each.last), number
        )

    def of(self, number: int) -> Slice:
        """Return the slice of a number.

        Args:
            number: The number.

        Returns:
            The slice; with energies and times of a simulation, whether it was simulated or follows from a fit.
        """
        return self._at(number).slice

    def _at(self, number: int) -> _Known:
        found = self._known.get(number)
        if found is None:
            found = self._known[number] = self._fitted(number) or self._asked_for(number)
        return found

    def _fitted(self, number: int) -> _Known | None:
        for each, base, _ in self._fits:
            if each.first <= number <= each.last:
                polynomial = each.polynomial(number)
                value = polynomial.at(number)
                if value is None:
                    return None
                terms = self._fitted_terms(polynomial, number, base)
                if base is not None:
                    value = _plus(value, base.family._at(number).sample, base.factor)
                return _Known(self._figures.slice_of(value, terms), value)
        return None

    def _fitted_terms(self, polynomial: Polynomial, number: int, base: Base | None) -> Terms:
        terms: dict[int, float] = {}
        for node, weight in polynomial.weights(number):
            term = self._terms[node]
            terms[term] = terms.get(term, 0.0) + weight
        if base is not None:
            for at, share in ((number, -1.0), *polynomial.weights(number)):
                for term, other in base.family.of(at).terms:
                    terms[term] = terms.get(term, 0.0) - base.factor * share * other
        return tuple((term, weight) for term, weight in terms.items() if weight)

    def _asked_for(self, number: int) -> _Known:
        """Simulate a slice, and try a fit from time to time.

        Args:
            number: The number.

        Returns:
            The slice.
        """
        self._asked += 1
        at_once = not self._tries and self._domain.expected() >= MANY
        if (self._asked >= self._next_try or at_once) and self._tries < TRIES:
            self._tries += 1
            self._next_try = max(FIRST_TRY, 2 * self._asked)
            self._try(number)
            found = self._fitted(number)
            if found is not None:
                return found
        sample = self._sampled(number)
        return _Known(self._figures.slice_of(sample, ((self._term_of(number), 1.0),)), sample)

    def _try(self, number: int) -> None:
        """Fit the slices around a number, below the fits that there are and above them.

        Args:
            number: The number.
        """
        first, last = self._domain.first, max(self._domain.last(), number)
        for each, _, _ in self._fits:
            if number > each.last:
                first = max(first, each.last + 1)
            else:
                last = min(last, each.first - 1)
        base = self._base
        if base is not None:
            covering = next((each for each, *_ in base.family._fits if each.first <= number <= each.last), None)
            if covering is not None:
                first, last = max(first, covering.first), min(last, covering.last)
            else:  # each sample needs one of the other family, too: none of smaller numbers than those asked for
                first = max(first, min(self._known, default=number))
        left = max(self._domain.expected(), 3 * self._asked + (2 * FIRST_TRY if base else 0))

        def sample(at: int) -> Sample | None:
            nonlocal left
            if at not in self._samples:
                if not left:
                    return None
                left -= 1
            try:
                own = self._sampled(at)
            except PimsimError:  # a size that no request has may not fit into the machine
                return None
            return own if base is None else _plus(own, base.family._at(at).sample, -base.factor)

        degree = self._degree if base is None else base.degree
        found = fit(sample, first, last, degree, self._domain.periods, check_all=base is None)
        if found is not None:
            cheap = base is None or base.family.cheap_from(found.last) <= found.first
            self._fits.append(_Found(found, base, cheap))
            for node in {node for each in found.polynomials for node, _ in each.weights(number)}:
                self._term_of(node)
        self._accountings.clear()  # they hold the runs

    def _sampled(self, number: int) -> Sample:
        found = self._samples.get(number)
        if found is None:
            run, self._accountings[number] = self._simulate(number)
            found = self._samples[number] = self._figures.sample_of(run)
        return found

    def _term_of(self, number: int) -> int:
        """Return the accounting term of a sample.

        Args:
            number: Number of the sample.

        Returns:
            Number of the term.
        """
        found = self._terms.get(number)
        if found is None:
            accounting = self._accountings.pop(number, None)
            if accounting is None:  # it was a sample of a fit only
                _, accounting = self._simulate(number)
            found = self._terms[number] = accounting()
        return found


def _plus(values: Sample, others: Sample, factor: int) -> Sample:
    return tuple([value + factor * other for value, other in zip(values, others, strict=True)])
