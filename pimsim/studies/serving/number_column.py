"""Columns of numbers that need 8 bytes per value, for tables with a row per iteration of a long serving run."""

from __future__ import annotations

from array import array
from collections.abc import Sequence


class NumberColumn:
    """Column of integers or of floats. Values are returned with the type and the bits that they had.

    Integers beyond 64 bits, and a column of both integers and floats, are kept as Python objects, which need four times
    as much memory.
    """

    __slots__ = ("_type", "values")

    def __init__(self) -> None:
        self.values: array[int] | array[float] | list[int | float] = array("q")
        """The values in the order of `append`."""
        self._type: type | None = int

    def append(self, value: int | float) -> None:
        """Add a value at the end.

        Args:
            value: The value.
        """
        if type(value) is not self._type:
            self._change_type(value)
        try:
            self.values.append(value)  # type: ignore[arg-type]  # the array has the type of the value, or is a list
        except OverflowError:
            self.values = [*self.values, value]
            self._type = None

    def extend(self, values: Sequence[int | float]) -> None:
        """Add values at the end, as `append` does one by one.

        Args:
            values: The values.
        """
        if self._type is not None and {self._type} == set(map(type, values)):
            try:
                self.values.extend(array("d" if self._type is float else "q", values))  # type: ignore[arg-type]
            except OverflowError:
                pass
            else:
                return
        for value in values:
            self.append(value)

    def _change_type(self, value: int | float) -> None:
        """Choose floats if the first value is one; else keep the values as objects from now on."""
        if self._type is None:
            return
        if type(value) is float and not self.values:
            self.values, self._type = array("d"), float
        else:
            self.values, self._type = list(self.values), None


def columns_of(count: int) -> Sequence[NumberColumn]:
    """Return empty columns.

    Args:
        count: Their number.

    Returns:
        The columns.
    """
    return tuple(NumberColumn() for _ in range(count))
