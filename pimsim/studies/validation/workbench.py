"""What the rows of `pimsim validate` share: results that are computed once, if a row needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from pimsim.studies.validation.comparison import Point, Reference

if TYPE_CHECKING:
    from pimsim.studies.macros.macro_table import MacroRow
    from pimsim.studies.paper.comparison_table import Table
    from pimsim.studies.paper.paper_runs import Study


class Workbench:
    """Shared results.

    Args:
        study: Runs of the paper's machines that exist already; None means new ones.
    """

    def __init__(self, study: Study | None = None) -> None:
        self._study = study
        self._tables: dict[str, Table] = {}
        self._macros: dict[str, tuple[MacroRow, ...]] = {}

    @cached_property
    def study(self) -> Study:
        """Runs of the paper's machines."""
        from pimsim.studies.paper.paper_runs import Study

        return self._study or Study()

    def paper(self, item: str) -> Table:
        """Return a figure or table of the paper.

        Args:
            item: Name, such as "fig5".

        Returns:
            The table, as `pimsim reproduce` prints it.
        """
        from pimsim.studies.paper.paper_tables import ITEMS

        if item not in self._tables:
            self._tables[item] = ITEMS[item](self.study)
        return self._tables[item]

    def macro(self, name: str) -> tuple[MacroRow, ...]:
        """Return the comparison of a published macro.

        Args:
            name: Name of the macro.

        Returns:
            Its rows, as `pimsim macros` prints them.
        """
        from pimsim.studies.macros import macro_rows

        if name not in self._macros:
            self._macros[name] = macro_rows([name])
        return self._macros[name]


Maker = Callable[[Workbench, Reference], tuple[Point, ...]]
"""Function that computes the values of a row."""

Makers = Mapping[str, Maker]
"""Maker of each row by its name."""


def from_labels(compute: Callable[[str], float]) -> Maker:
    """Return the maker of a row whose values are in its data file.

    Args:
        compute: Function from the label of a value to ours.

    Returns:
        The maker.
    """

    def make(_: Workbench, reference: Reference) -> tuple[Point, ...]:
        return reference.points(compute)

    return make
