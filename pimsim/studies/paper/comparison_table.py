"""Table of simulated and published values, with deviations and notes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pimsim.base.summaries import Figure, HeadlineRepr

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, repr=False)
class Table(HeadlineRepr):
    """A figure or table of the paper, as rows of simulated and published values.

    Attributes:
        name: Name of the item, such as "fig5".
        title: Title.
        rows: Rows with equal keys; a published value that is not known is None.
        notes: Notes below the table.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns in order, which all rows have."""
        return tuple(self.rows[0])

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Name, title, number of rows and the columns.
        """
        yield Figure("name", self.name)
        yield Figure("title", self.title)
        yield Figure("rows", len(self.rows))
        yield Figure("columns", ", ".join(self.columns))

    def to_dataframe(self) -> pd.DataFrame:
        """Return the rows as a data frame.

        What it leaves out: the title and the notes of the table. A missing published value is None or NaN.

        Returns:
            Data frame with one row per cell of the published figure or table.
        """
        from pimsim.base.pandas_library import pd

        return pd.DataFrame(list(self.rows), columns=list(self.columns))


def deviation_percent(ours: float, printed: float | None) -> float | None:
    """Compute the deviation of a simulated value from a published value.

    Args:
        ours: Simulated value.
        printed: Published value; None if it is not known.

    Returns:
        Deviation in percent of the published value; None if that is not known.
    """
    return None if printed is None else 100 * (ours / printed - 1)
