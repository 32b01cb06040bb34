"""Short representations of results: one line for a terminal, a table for a notebook.

A result holds thousands of records. The representation that `dataclass` generates spells all of them out, which makes
a notebook cell or an error message unreadable. `HeadlineRepr` replaces it with the figures that the class names.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any, NamedTuple

from pimsim.base.accessors import accessor_of
from pimsim.base.errors import printable

MAX_REPR_CHARS = 380
MAX_TEXT_CHARS = 60
MAX_TABLE_TEXT_CHARS = 400


def counted(number: int, noun: str) -> str:
    """Format a number of things.

    Args:
        number: How many.
        noun: The thing in the singular, such as "row".

    Returns:
        Text such as "1 row" or "1,024 rows".
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


class Figure(NamedTuple):
    """One headline figure of a result.

    Attributes:
        label: What the value is, in words.
        value: Text, number, boolean or None.
        unit: SI or derived unit of the value; empty if it has none.
        brief: Whether the one-line representation shows the figure too, and not only the table.
    """

    label: str
    value: str | float | bool | None
    unit: str = ""
    brief: bool = True


class HeadlineRepr:
    """Mixin for result classes: `__repr__` in one line, `_repr_html_` as a table for notebooks.

    A dataclass needs `repr=False`, because the generated `__repr__` would take precedence over this one.
    """

    __slots__ = ()

    def headline(self) -> Iterable[Figure]:
        """Return the figures that represent this object, the most important first.

        Returns:
            The figures. Those with `brief` appear in `repr()`, all of them in a notebook.

        Raises:
            NotImplementedError: If the class does not define its figures.
        """
        raise NotImplementedError

    @property
    def plot(self) -> Any:
        """Plots of this result, such as `result.plot.latency()`, which return matplotlib's axes (extra `plots`).

        docs/plots.md lists the plots of each class; a class without plots raises AttributeError.
        """
        return accessor_of(self, "plot")

    def __repr__(self) -> str:
        name = type(self).__name__
        try:
            shown = ", ".join(_spelled(figure) for figure in self.headline() if figure.brief)
        except (ArithmeticError, LookupError, ValueError) as error:
            # A debugger or a failed test shows an object before it is complete; its repr must not raise.
            shown = f"figures not available: {type(error).__name__}: {error}"
        return printable(f"<{name} {shown}>", MAX_REPR_CHARS)

    def _repr_html_(self) -> str:
        """Return an HTML table of all headline figures; Jupyter calls this method.

        Returns:
            HTML text in which every label, value and unit is escaped.
        """
        rows = "".join(
            f'<tr><th style="text-align: left">{escape(figure.label)}</th>'
            f'<td style="text-align: right">{escape(format_value(figure.value, MAX_TABLE_TEXT_CHARS))}</td>'
            f'<td style="text-align: left">{escape(figure.unit)}</td></tr>'
            for figure in self.headline()
        )
        return f"<table><caption>{escape(type(self).__name__)}</caption><tbody>{rows}</tbody></table>"


def format_value(value: str | float | bool | None, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Format the value of a figure for a person.

    Args:
        value: Text, number, boolean or None.
        max_chars: Length to which a text is shortened, by a cut in its middle.

    Returns:
        A float with four significant digits, an integer with thousands separators, a text with its control characters
        escaped, "yes" or "no" for a boolean, and "none" for None.
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return printable(value, max_chars)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _spelled(figure: Figure) -> str:
    unit = f" {figure.unit}" if figure.unit else ""
    return f"{figure.label}: {format_value(figure.value)}{unit}"
