"""What the simulated runs of a serving run count and leave out, kept as numbers, and how often each is used."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from pimsim.results.accounting import Accounting, CostItem
from pimsim.studies.serving.number_column import NumberColumn

_Layout = tuple[tuple[bool, str, bool], ...]
"""Items of an accounting without numbers: whether the item is counted, its name, and whether it is paid once."""


class AccountingTerms:
    """Weighted sum of the accountings of many runs, which are numbered as terms.

    The objects of an accounting need about 2 kB. Here a term needs 16 bytes per item, because most runs have the same
    items.
    """

    def __init__(self) -> None:
        self._layouts: dict[_Layout, int] = {}
        self._before = Accounting()
        self._clear()

    def _clear(self) -> None:
        self._layout_of = array("q")
        self._start_of = array("q")
        self._latencies_ps = NumberColumn()
        self._energies_j = array("d")
        self._weights = array("d")
        self._used = array("q")
        self._is_used = bytearray()

    def __len__(self) -> int:
        return len(self._weights)

    def add(self, accounting: Accounting) -> int:
        """Add a term that has not been used.

        Args:
            accounting: What a run counts and leaves out.

        Returns:
            Number of the term, for `use`.
        """
        items = [(True, item) for item in accounting.counted] + [(False, item) for item in accounting.left_out]
        layout = tuple((counted, item.name, item.once) for counted, item in items)
        self._layout_of.append(self._layouts.setdefault(layout, len(self._layouts)))
        self._start_of.append(len(self._energies_j))
        for _, item in items:
            self._latencies_ps.append(item.latency_ps)
            self._energies_j.append(item.energy_j)
        self._weights.append(0.0)
        self._is_used.append(0)
        return len(self._weights) - 1

    def use(self, term: int, weight: float) -> None:
        """Add a multiple of a term to the sum.

        Args:
            term: Number of the term.
            weight: Factor; of an interpolation it may be negative.
        """
        if not self._is_used[term]:
            self._is_used[term] = 1
            self._used.append(term)
        self._weights[term] += weight

    def take_total(self) -> Accounting:
        """Return the sum of all uses since the last call, and begin a new sum.

        Returns:
            The sum, in the order in which items occur first.
        """
        total = Accounting.weighted_sum(self._terms())
        self._before = Accounting()
        for term in self._used:
            self._weights[term] = 0.0
            self._is_used[term] = 0
        self._used = array("q")
        return total

    def drop(self) -> None:
        """Forget all terms and keep only their sum: numbers of terms are no longer valid."""
        self._before = Accounting.weighted_sum(self._terms())
        self._clear()

    def _terms(self) -> Iterator[tuple[Accounting, float]]:
        if self._before != Accounting():
            yield self._before, 1.0
        layouts = list(self._layouts)
        for term in self._used:
            counted: list[CostItem] = []
            left_out: list[CostItem] = []
            for place, (is_counted, name, once) in enumerate(layouts[self._layout_of[term]], self._start_of[term]):
                item = CostItem(name, int(self._latencies_ps.values[place]), self._energies_j[place], once)
                (counted if is_counted else left_out).append(item)
            yield Accounting(tuple(counted), tuple(left_out)), self._weights[term]
