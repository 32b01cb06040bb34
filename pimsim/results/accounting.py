"""What the figures of a result contain and what they leave out, item by item, each with its time and energy.

A module that models another part of a machine adds an item with `Accounting.with_items`:

    accounting.with_items(counted=[CostItem("global buffer port", latency_ps, energy_j)])

Reports print the items in the order of the tuples, and leave out those of no time and no energy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from pimsim.base.stored_columns import Column, Table
from pimsim.base.units import ps_to_s

LEAKAGE, IDLE_LEAKAGE = "leakage", "leakage of idle components"
"""Names of the items for leakage that a result charges, or could charge, and for that of components while idle."""

BETWEEN_ITERATIONS = "leakage between iterations"
"""Name of the item for leakage of a serving machine without power gating while no request is admitted."""

SPILLED = "activations beyond the global buffer"
"""Name of the item for the way to memory and back of activations that the global buffer is too small for."""


@dataclass(frozen=True, slots=True)
class CostItem:
    """One kind of work.

    Attributes:
        name: Name of the item in reports, such as "LM head".
        latency_ps: Time of its steps one after another on an idle machine, in picoseconds.
        energy_j: Energy in joules; dynamic energy, except for leakage.
        once: Whether it is paid once and not by every run, as loading the weights is.
    """

    name: Annotated[str, Column("item")]
    latency_ps: int
    energy_j: float
    once: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the item as plain values for JSON.

        Returns:
            Name, latency in seconds, energy in joules, and whether it is paid once.
        """
        return {
            "name": self.name,
            "latency_s": ps_to_s(self.latency_ps),
            "energy_j": self.energy_j,
            "once": self.once,
        }


class AccountingRow(NamedTuple):
    """One row in a table of the items of an accounting.

    Attributes:
        counted: Whether the figures contain the item.
        item: The item.
    """

    counted: bool
    item: CostItem


@dataclass(frozen=True, slots=True)
class Accounting:
    """Items that the figures of a result contain, and items that they leave out.

    The energies of the counted items add up to the energy of the result. Under the serial schedule, their latencies add
    up to its latency; under the other schedules, they overlap.

    Attributes:
        counted: Items in the latency and energy of the result.
        left_out: Items that a chip would need and that are not in them.
    """

    counted: tuple[CostItem, ...] = ()
    left_out: tuple[CostItem, ...] = ()

    def with_items(self, counted: Iterable[CostItem] = (), left_out: Iterable[CostItem] = ()) -> Accounting:
        """Return the same accounting with more items at the end of both lists.

        Args:
            counted: Items that the figures contain.
            left_out: Items that they do not contain.

        Returns:
            The extended accounting.
        """
        return Accounting((*self.counted, *counted), (*self.left_out, *left_out))

    def longest_first(self) -> Accounting:
        """Return the same accounting with the counted items as a run lists them: the longest first, leakage last.

        Returns:
            The accounting in that order.
        """
        return Accounting(tuple(sorted(self.counted, key=lambda item: -item.latency_ps)), self.left_out)

    def to_dict(self) -> dict[str, Any]:
        """Return both lists as plain values for JSON.

        Returns:
            "counted" and "left_out".
        """
        return {
            "counted": [item.to_dict() for item in self.counted],
            "left_out": [item.to_dict() for item in self.left_out],
        }

    def rows(self) -> Iterator[AccountingRow]:
        """Iterate over the items of both lists as rows of a table; see `from_rows`.

        Yields:
            One row per item.
        """
        yield from (AccountingRow(True, item) for item in self.counted)
        yield from (AccountingRow(False, item) for item in self.left_out)

    @staticmethod
    def from_rows(rows: Iterable[AccountingRow]) -> Accounting:
        """Return the accounting that `rows` was called on.

        Args:
            rows: Its rows.

        Returns:
            The accounting; without items for a file that has no rows.
        """
        lists: tuple[list[CostItem], list[CostItem]] = ([], [])
        for counted, item in rows:
            lists[counted].append(item)
        return Accounting(tuple(lists[1]), tuple(lists[0]))

    @staticmethod
    def weighted_sum(terms: Iterable[tuple[Accounting, float]]) -> Accounting:
        """Add up the accountings of several runs. An item that is paid once is not multiplied by the number of runs.

        Args:
            terms: Accounting of each run, and how often it counts.

        Returns:
            The sum, in the order in which items occur first.
        """
        sums = _Sums({}, {}), _Sums({}, {})
        for accounting, weight in terms:
            for into, items in zip(sums, (accounting.counted, accounting.left_out), strict=True):
                for item in items:
                    into.add(item, weight)
        return Accounting(sums[0].items(), sums[1].items())


StoredAccounting = Annotated[Accounting, Table(optional=True)]
"""Accounting of a result, in a table of its rows; files of earlier versions have none."""


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums of latencies in picoseconds and energies in joules by item, and the largest of items that are paid once."""

    each: dict[str, tuple[float, float]]
    once: dict[str, tuple[int, float]]

    def add(self, item: CostItem, weight: float) -> None:
        latency_ps, energy_j = self.each.get(item.name, (0.0, 0.0))
        if item.once:
            most_ps, most_j = self.once.get(item.name, (0, 0.0))
            self.once[item.name] = max(most_ps, item.latency_ps), max(most_j, item.energy_j)
        else:
            latency_ps, energy_j = latency_ps + weight * item.latency_ps, energy_j + weight * item.energy_j
        self.each[item.name] = latency_ps, energy_j

    def items(self) -> tuple[CostItem, ...]:
        return tuple(
            CostItem(name, *self.once[name], once=True) if name in self.once else CostItem(name, round(ps), energy_j)
            for name, (ps, energy_j) in self.each.items()
        )
