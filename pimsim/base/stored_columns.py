"""How result files store a record, where the names and the types of its fields do not say it.

A field is marked with `Annotated[type, Column(...)]` or `Annotated[type, Table(...)]`, for `pimsim.results.hdf5`. Most
fields need no mark: their name is the name of the column, and their type determines its kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated


class Kind(Enum):
    """Kind of the values in a column or attribute. Integers and reals are finite and not negative."""

    TEXT = "a line of text"
    DOCUMENT = "a text"
    TEXTS = "a JSON list of texts"
    INTEGER = "an integer"
    SIGNED = "a signed integer in decimal text"
    REAL = "a real number"
    NUMBER = "a number of any kind, or NaN for none"


@dataclass(frozen=True, slots=True)
class Column:
    """Storage of a field with one value as a column of its record's table, or as an attribute of the file.

    Attributes:
        name: Name in the file; "" for the name of the field.
        kind: Kind of the values; None for the kind that the type has: text, integer or real.
        offset: Difference between the stored and the actual value, for an integer that may be -1.
    """

    name: str = ""
    kind: Kind | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """Storage of a field with several values, or of a record that is not stored in the columns of its owner.

    Attributes:
        name: Name in the file; "" for the name of the field.
        row: Name of the column with which tables of contained values refer to a row of this table.
        by: Name of the column whose value they refer to; "" for the number of the row within its owner.
        key: Name of the column for the keys of a mapping.
        value: Name of the column for the values of a mapping, or for single values.
        optional: Whether the file has no such table if it has no rows, like files of earlier versions.
    """

    name: str = ""
    row: str = ""
    by: str = ""
    key: str = "key"
    value: str = "value"
    optional: bool = False


Number = Annotated[float, Column(kind=Kind.NUMBER)]
"""A float that may be negative, infinite or NaN."""

Notes = Annotated[tuple[str, ...], Table(value="note", optional=True)]
"""Sentences about a result, in the table `notes`."""
