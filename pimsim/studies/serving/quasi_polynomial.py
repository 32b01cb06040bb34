"""Quasi-polynomials: integer-valued functions of one integer that are a polynomial in each residue class of a period.

Times and counts of a slice of an iteration are such functions of the context or of the number of vectors: sizes of the
machine divide the work into units, so the remainder decides about the last unit, and the number of units grows with the
argument. Nothing is assumed: a fit is used only after it has been compared with further samples in each residue class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from math import prod
from typing import NamedTuple

Sample = tuple[int, ...]
"""Values of all functions at one argument."""

LONGEST_PERIOD = 256
"""Longest period that is tried."""


_ATTEMPTS = 6
"""How often the lower end of a fit is raised because another residue class changes its form later."""
_LONG = 16
_OFFSETS = (0, 1, 2, 5, 11, 23)
"""Distances from the end of an interval at which a period is tried first."""


class Polynomial:
    """Polynomials of degree 0, 1 or 2 through samples, evaluated in integers.

    Args:
        nodes: Arguments of the samples, at most three, in increasing order.
        samples: Samples at the nodes.
        like: Polynomials of the degree that is the number of nodes, with the same leading coefficients; None: the
            degree is lower than the number of nodes.
    """

    __slots__ = ("_changing", "_divisor", "_first", "_like", "nodes")

    def __init__(self, nodes: tuple[int, ...], samples: Sequence[Sample], like: Polynomial | None = None) -> None:
        self.nodes, self._like = nodes, like
        self._first = samples[0]
        one, two = (node - nodes[0] for node in (*nodes[1:], nodes[0], nodes[0])[:2])
        leading = None if like is None else like.leading()
        # The value is first + (x linear + x^2 square) / divisor, with x from the first node.
        self._divisor = (one or 1) * (two * (two - one) if two else 1)
        if like is not None:
            self._divisor = (one or 1) * like._divisor
        self._changing: list[tuple[int, int, int]] = []
        for place, values in enumerate(zip(*samples, strict=True)):
            rise = values[min(1, len(nodes) - 1)] - values[0]
            if leading is not None and like is not None:
                square = leading[place] * one
                linear = rise * like._divisor - square * one if one else leading[place]
            elif two:
                square = (values[2] - values[0]) * one - rise * two
                linear = two * (two - one) * rise - one * square
            else:
                square, linear = 0, rise
            if linear or square:
                self._changing.append((place, linear, square))

    def leading(self) -> list[int]:
        """Return the coefficients of the highest power, as multiples of one over the divisor.

        Returns:
            One per function.
        """
        found = [0] * len(self._first)
        for place, linear, square in self._changing:
            found[place] = square if len(self.nodes) > 2 else linear
        return found

    def at(self, argument: int) -> Sample | None:
        """Return the values at an argument.

        Args:
            argument: The argument.

        Returns:
            Values; None if one of them is not an integer, so that a function is not a polynomial.
        """
        values, step, divisor = list(self._first), argument - self.nodes[0], self._divisor
        for place, linear, square in self._changing:
            change, rest = divmod(step * (linear + step * square), divisor)
            if rest:
                return None
            values[place] += change
        return tuple(values)

    def weights(self, argument: int) -> list[tuple[int, float]]:
        """Return the weight of each sample in the values at an argument (Lagrange).

        Args:
            argument: The argument.

        Returns:
            Each node with its weight.
        """
        found = [(node, _ratio(argument, node, self.nodes)) for node in self.nodes]
        if self._like is not None:
            factor = prod(argument - node for node in self.nodes)
            nodes = self._like.nodes
            found += [(node, factor / prod(node - other for other in nodes if other != node)) for node in nodes]
        return found


def _ratio(argument: int, node: int, nodes: tuple[int, ...]) -> float:
    """Return the value at an argument of the polynomial that is 1 at a node and 0 at the others."""
    others = [other for other in nodes if other != node]
    return prod(argument - other for other in others) / prod(node - other for other in others)


class Fit(NamedTuple):
    """A fit that has been compared with samples.

    Attributes:
        first: First argument for which it holds.
        last: Last argument for which it holds.
        period: Period.
        polynomials: Polynomials of each residue class.
    """

    first: int
    last: int
    period: int
    polynomials: tuple[Polynomial, ...]

    def polynomial(self, argument: int) -> Polynomial:
        """Return the polynomials of the residue class of an argument.

        Args:
            argument: Argument from `first` to `last`.

        Returns:
            The polynomials.
        """
        return self.polynomials[argument % self.period]


class _TooManySamplesError(Exception):
    """The caller gives no more samples."""


def fit(
    sample: Callable[[int], Sample | None],
    first: int,
    last: int,
    degree: int,
    periods: Sequence[int],
    *,
    check_all: bool = True,
) -> Fit | None:
    """Fit functions on the upper part of an interval, down to where they change their form.

    Args:
        sample: Function that returns the values at an argument, called once per argument; None for no more samples.
        first: First argument of the interval.
        last: Last argument.
        degree: Largest degree of the polynomials.
        periods: Periods to try, in this order.
        check_all: Whether to try each period at many places; False for functions that are expected to be simple.

    Returns:
        Fit of the interval, or of its upper part if only that has one form; None if there is none that covers at least
        twice as many arguments as samples.
    """
    known: dict[int, Sample] = {}

    def known_sample(argument: int) -> Sample:
        if argument not in known:
            found = sample(argument)
            if found is None:
                raise _TooManySamplesError
            known[argument] = found
        return known[argument]

    best: list[Fit] = []
    with suppress(_TooManySamplesError):
        _search(known_sample, first, last, degree, periods, best, _OFFSETS if check_all else _OFFSETS[:1])
    return best[-1] if best else None


def _search(
    sample: Callable[[int], Sample],
    first: int,
    last: int,
    degree: int,
    periods: Sequence[int],
    best: list[Fit],
    offsets: Sequence[int],
) -> None:
    """Search a fit; each one that is better than those before is added to `best`."""
    for period in periods:
        if last - first < 2 * (degree + 2) * period:
            break
        # Of a long period, each residue class is compared later; a short one has few of them.
        places = offsets if period < _LONG else offsets[:2]
        if not all(_repeats(sample, last - offset, degree, period) for offset in places):
            continue
        start, top = first, last
        for _ in range(_ATTEMPTS):
            start = _start(sample, start, top, degree, period)
            if last - start < 2 * (degree + 2) * period or (best and start >= best[-1].first):
                break
            found = _checked(sample, start, last, degree, period)
            if isinstance(found, Fit):
                best.append(found)
                break
            top = last - (last - found) % period
        if best and 2 * (last - best[-1].first) >= last - first:
            break


def _repeats(sample: Callable[[int], Sample], top: int, degree: int, period: int) -> bool:
    """Return whether the polynomial through the samples below `top` also goes through that one."""
    nodes = tuple(top - step * period for step in range(degree + 1, 0, -1))
    return Polynomial(nodes, list(map(sample, nodes))).at(top) == sample(top)


def _start(sample: Callable[[int], Sample], first: int, last: int, degree: int, period: int) -> int:
    """Return an argument from which the residue class of `last` has one form, found by bisection.

    Args:
        sample: The functions.
        first: First argument of the interval.
        last: Last argument.
        degree: Degree.
        period: Period.

    Returns:
        `first`, or two periods above the last argument at which the polynomial at `last` does not hold.
    """
    nodes = tuple(last - step * period for step in range(degree, -1, -1))
    polynomial = Polynomial(nodes, list(map(sample, nodes)))

    def holds(argument: int) -> bool:
        return polynomial.at(argument) == sample(argument)

    bottom = (last - first) // period  # in periods below `last`
    if holds(last - bottom * period):
        return first
    good, bad = degree, bottom
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if holds(last - middle * period) else (good, middle)
    return last - bad * period + 2 * period


def _checked(sample: Callable[[int], Sample], first: int, last: int, degree: int, period: int) -> Fit | int:
    """Fit each residue class between its ends, and compare it with one sample more.

    Args:
        sample: The functions.
        first: First argument.
        last: Last argument.
        degree: Degree.
        period: Period.

    Returns:
        The fit; if one class has another form in between, its first argument.
    """
    found: dict[int, Polynomial] = {}
    like: Polynomial | None = None
    for low in range(first, first + period):
        steps = (last - low) // period
        # A different place in each class: a change of form anywhere is between the nodes of some.
        spread = _spread(low - first, steps)
        for leading in (like, None) if like is not None else (None,):
            degrees = degree - (leading is not None)
            places = sorted({steps * place // max(1, degrees) for place in range(degrees + 1)})
            checked = low + period * next(each for each in spread if each not in places)
            nodes = tuple(low + place * period for place in places)
            polynomial = Polynomial(nodes, list(map(sample, nodes)), leading)
            if polynomial.at(checked) == sample(checked):
                break
        else:
            return low
        found[low % period] = polynomial
        if degree:
            like = like or polynomial
    return Fit(first, last, period, tuple(found[residue] for residue in range(period)))


def _spread(number: int, steps: int) -> Iterator[int]:
    """Yield places from 1 to `steps` - 1, the first one spread evenly over the numbers (golden ratio)."""
    start = (number + 1) * 6180339887 % 10**10 * (steps - 1) // 10**10
    yield from (1 + (start + more) % (steps - 1) for more in range(steps - 1))


def periods_of(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return periods to try for a machine.

    Args:
        sizes: Sizes into which the machine divides work, such as the rows of its systolic array.

    Returns:
        The sizes times powers of two, up to `LONGEST_PERIOD`, in increasing order.
    """
    found = set()
    for size in sizes:
        while 0 < size <= LONGEST_PERIOD:
            found.add(size)
            size *= 2
    return tuple(sorted(found))
