"""Compact table of the outcomes of a running sweep."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from pimsim.studies.sweep.running.evaluate_point import Outcome


class OutcomeTable:
    """Outcomes of points by key, in the order of completion, with 8 bytes per value."""

    def __init__(self, width: int) -> None:
        """Create an empty table.

        Args:
            width: Number of metrics.
        """
        self._width = width
        self._row: dict[str, int] = {}
        self._values = array("d")
        self._errors: dict[int, str] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._row

    def __len__(self) -> int:
        return len(self._row)

    def add(self, outcome: Outcome) -> None:
        """Add an outcome, unless the table has an outcome with this key.

        Args:
            outcome: Outcome of a point.
        """
        row = self._row.setdefault(outcome.key, len(self._row))
        if row * self._width == len(self._values):
            self._values.extend(outcome.values or (float("nan"),) * self._width)
            if outcome.error:
                self._errors[row] = outcome.error

    def error(self, key: str) -> str:
        """Return the message of a failed point.

        Args:
            key: Key of the point.

        Returns:
            The message; empty if the point succeeded.
        """
        return self._errors.get(self._row[key], "")

    def value(self, key: str, place: int) -> float:
        """Return one value of a point.

        Args:
            key: Key of the point.
            place: Index of the metric.

        Returns:
            The value in SI units; NaN if the point does not have it.
        """
        return self._values[self._row[key] * self._width + place]

    def keys(self) -> Iterable[str]:
        """Return all keys.

        Returns:
            Keys in the order of completion.
        """
        return self._row.keys()
