"""What a row of `pimsim validate` compares, and its verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, get_args

Kind = Literal["time", "energy", "power", "area", "signal", "count"]
"""Dimension of what is compared; `signal` is an electrical quantity of an array, such as a current or a deviation."""
KINDS: tuple[Kind, ...] = get_args(Kind)

Measure = Literal["relative", "factor", "absolute", "digits"]
"""How a deviation is measured.

- relative: |ours / theirs - 1|, a fraction.
- factor: the larger of ours / theirs and theirs / ours.
- absolute: |ours - theirs|, in the unit of the row.
- digits: |ours - theirs| in units of the last printed digit; 0.5 means that ours rounds to the printed value.
"""
MEASURES: tuple[Measure, ...] = get_args(Measure)

_ROUNDING = 1e-8
"""Relative deviations below it differ from one computer to another."""
_NO_DEVIATION: Mapping[Measure, float] = {"relative": 0.0, "factor": 1.0, "absolute": 0.0, "digits": 0.0}


@dataclass(frozen=True, slots=True)
class Theirs:
    """A value from outside: a number as printed, a range, or a bound.

    Attributes:
        low: Smallest value that agrees; None for an upper bound.
        high: Largest value that agrees; None for a lower bound. Equal to `low` for a single value.
        printed: The number with its printed digits; empty for a range or a bound.
    """

    low: float | None
    high: float | None
    printed: str = ""

    @property
    def text(self) -> str:
        """The value for a table, such as "18.72", "250 to 450" or "at most 0.01"."""
        if self.printed:
            return self.printed
        if self.low is None:
            return f"at most {self.high:g}"
        if self.high is None:
            return f"at least {self.low:g}"
        return f"{self.low:.4g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"

    def nearest(self, ours: float) -> float:
        """Return the value in the range that is nearest to ours.

        Args:
            ours: Value of pimsim.

        Returns:
            `ours` itself if it lies in the range.
        """
        if self.low is not None and ours < self.low:
            return self.low
        if self.high is not None and ours > self.high:
            return self.high
        return ours


def theirs(value: Any) -> Theirs:
    """Read a value of the data files.

    Args:
        value: A number; a number as text, with its printed digits; or a list of two numbers, of which one may be null.

    Returns:
        The value.

    Raises:
        ValueError: If it is none of these.
    """
    match value:
        case bool() | None:
            pass
        case int() | float():
            return Theirs(float(value), float(value), f"{value:,}" if isinstance(value, int) else "")
        case str():
            return Theirs(float(value), float(value), value)
        case [low, high] if (low, high) != (None, None):
            return Theirs(None if low is None else float(low), None if high is None else float(high))
    raise ValueError(f"{value!r} is neither a number nor a range [low, high]")


@dataclass(frozen=True, slots=True)
class Point:
    """One compared value.

    Attributes:
        label: What it is, such as "8 KiB".
        ours: Value of pimsim, in the unit of the row.
        theirs: Value from outside, in the same unit.
    """

    label: str
    ours: float
    theirs: Theirs

    @property
    def ratio(self) -> float:
        """Ours divided by the nearest value of theirs; infinite if only theirs is zero."""
        nearest = self.theirs.nearest(self.ours)
        if nearest == 0:
            return 1.0 if self.ours == 0 else float("inf")
        return self.ours / nearest

    def deviation(self, measure: Measure) -> float:
        """Return the size of the deviation.

        Args:
            measure: How it is measured.

        Returns:
            The deviation; 0, or 1 for a factor, if the values agree.
        """
        if measure == "relative":
            return abs(self.ratio - 1)
        if measure == "factor":
            return max(self.ratio, 1 / self.ratio) if self.ratio > 0 else float("inf")
        difference = abs(self.ours - self.theirs.nearest(self.ours))
        return difference if measure == "absolute" else difference / self._last_digit()

    def _last_digit(self) -> float:
        exponent = Decimal(self.theirs.printed.replace(",", "")).as_tuple().exponent
        return float(Decimal((0, (1,), int(exponent))))


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much a row may deviate.

    Attributes:
        measure: How the deviation is measured.
        limit: Largest deviation that is accepted, in that measure.
        why: Where the limit comes from.
    """

    measure: Measure
    limit: float
    why: str

    @property
    def text(self) -> str:
        """The limit for a table, such as "2 %", "2x" or "every printed digit"."""
        if self.measure == "digits":
            return "printed digits" if self.limit == 0.5 else f"{self.limit:g} last digit"
        if self.measure == "factor":
            return f"{self.limit:g}x"
        if not self.limit:
            return "equal"
        return f"{100 * self.limit:.7g} %" if self.measure == "relative" else f"{self.limit:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A row before its values are computed: what is compared, with what, and how closely it must agree.

    Attributes:
        name: Name, such as "sram-read-mnsim".
        group: Name of its data file, such as "sram".
        quantity: What is compared, in words.
        kind: Dimension.
        unit: Unit of the values; empty if they have none.
        against: Who wrote the other values, in a few words.
        source: Where they stand, exactly.
        used_to_build: Whether these values were used to build or fit what computes ours.
        built_from: How they were used; empty if they were not.
        tolerance: How much ours may deviate.
        values: The other values by their labels; empty if the data of another study are compared.
        outside: Why the row is outside its tolerance, if it is known to be; empty otherwise.
        peer: Name of the program that `--live` runs for the other values; empty if there is none.
    """

    name: str
    group: str
    quantity: str
    kind: Kind
    unit: str
    against: str
    source: str
    used_to_build: bool
    built_from: str
    tolerance: Tolerance
    values: Mapping[str, Theirs]
    outside: str
    peer: str

    def points(self, compute: Callable[[str], float]) -> tuple[Point, ...]:
        """Compare each value with ours.

        Args:
            compute: Function from the label of a value to ours.

        Returns:
            The compared values.
        """
        return tuple(Point(label, compute(label), value) for label, value in self.values.items())

    def with_values(self, values: Mapping[str, float]) -> Reference:
        """Return the row with values that a program has just computed.

        Args:
            values: Values by label, of some of the labels of the row.

        Returns:
            The row with these in place of the stored ones.
        """
        computed = {
            label: theirs(int(value) if float(value).is_integer() else float(value)) for label, value in values.items()
        }
        return replace(self, values={label: computed.get(label, stored) for label, stored in self.values.items()})


@dataclass(frozen=True, slots=True)
class ValidationRow:
    """A row of `pimsim validate`.

    Attributes:
        reference: What is compared with what.
        points: The compared values, at least one.
        live: Number of the other values that their program computed just now.
    """

    reference: Reference
    points: tuple[Point, ...]
    live: int = 0

    @property
    def worst(self) -> Point:
        """The value that deviates most."""
        measure = self.reference.tolerance.measure
        return max(self.points, key=lambda point: point.deviation(measure))

    @property
    def deviation(self) -> float:
        """The largest deviation, in the measure of the tolerance."""
        return self.worst.deviation(self.reference.tolerance.measure)

    @property
    def within(self) -> bool:
        """Whether all values are within the tolerance."""
        return self.deviation <= self.reference.tolerance.limit * (1 + 1e-9)  # 1.5 - 1.4 is more than 0.1

    @property
    def verdict(self) -> str:
        """One of "within", "outside" and "OUTSIDE"; the latter if the row is not known to be."""
        if self.within:
            return "within"
        return "outside" if self.reference.outside else "OUTSIDE"

    @property
    def agreement(self) -> str:
        """The deviations in words, such as "-0.87 %" or "0.53x to 0.75x"."""
        measure, number = self.reference.tolerance.measure, len(self.points)
        if measure == "digits":
            same = sum(point.deviation("digits") <= 0.5 for point in self.points)
            if self.deviation > 0.5:
                return f"digits in {same} of {number}, {self._percent()}"
            return f"every digit in {same} of {number}"
        if self.deviation == _NO_DEVIATION[measure]:
            word = "holds" if any(point.theirs.low != point.theirs.high for point in self.points) else "equal"
            return word if number == 1 else f"{word} in {number} of {number}"
        if measure == "factor":
            low, high = (f"{limit(point.ratio for point in self.points):.3g}x" for limit in (min, max))
            return low if low == high else f"{low} to {high}"
        if measure == "absolute":
            return f"{self.worst.ours - self.worst.theirs.nearest(self.worst.ours):+.2g}"
        if self.deviation < _ROUNDING or number == 1:
            return self._percent()
        mean = sum(point.deviation("relative") for point in self.points) / number
        return f"{self._percent()}, mean {100 * mean:.2g} %"

    def _percent(self) -> str:
        percent = 100 * (self.worst.ratio - 1)
        return f"{percent:+.2f} %" if abs(percent) >= 100 * _ROUNDING else f"below {100 * _ROUNDING:g} %"

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain values for JSON.

        Returns:
            Dictionary with the compared values in the list "values".
        """
        reference = self.reference
        tolerance = reference.tolerance
        return {
            "name": reference.name,
            "group": reference.group,
            "quantity": reference.quantity,
            "kind": reference.kind,
            "unit": reference.unit,
            "against": reference.against,
            "source": reference.source,
            "used_to_build": reference.used_to_build,
            "built_from": reference.built_from or None,
            "measure": tolerance.measure,
            "deviation": self.deviation,
            "tolerance": tolerance.limit,
            "why_this_tolerance": tolerance.why,
            "within": self.within,
            "why_outside": reference.outside or None,
            "live_values": self.live,
            "values": [
                {
                    "label": point.label,
                    "ours": point.ours,
                    "theirs_low": point.theirs.low,
                    "theirs_high": point.theirs.high,
                    "deviation": point.deviation(tolerance.measure),
                }
                for point in self.points
            ],
        }

    def csv_rows(self) -> Iterator[dict[str, Any]]:
        """Yield one row of CSV per compared value.

        Yields:
            Dictionaries with equal keys.
        """
        row = self.to_dict()
        values = row.pop("values")
        shared = {key: row.pop(key) for key in ("name", "group", "quantity", "kind", "unit")}
        row["row_deviation"] = row.pop("deviation")
        for value in values:
            yield {**shared, **value, **row}
