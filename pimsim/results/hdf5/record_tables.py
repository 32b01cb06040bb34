"""Storage of records in tables, derived from the names and the types of their fields.

A record is a dataclass or a named tuple; the file itself stores one record, its root. A field is stored by its type:

- A text, a number or a bool is a column of the record's table, or an attribute of the file for the root.
- A record is stored in the same table, or with a mark `Table` in a table of its own, which has as many rows.
- A tuple, a mapping, or a class with the methods `rows` and `from_rows` is a table. Its first columns are the numbers of
  the rows that contain the values: in `counts`, the column `op` is the number of a row of `ops`. In a tuple within a
  tuple, each number counts from the beginning of the inner one.
- A `Config` is the config of the file, which is stored only once.

`pimsim.base.stored_columns` has the marks for other names and kinds.
"""

from __future__ import annotations

from collections import defaultdict, namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain, count, repeat
from typing import Annotated, Any, NamedTuple, cast, get_args, get_origin, get_type_hints

from pimsim.base.errors import PimsimError, show
from pimsim.base.stored_columns import Column, Kind, Table
from pimsim.config.schema import Config
from pimsim.results.hdf5.kinds import Columns
from pimsim.results.hdf5.reader import Reader

KINDS: dict[Any, Kind] = {str: Kind.TEXT, int: Kind.INTEGER, bool: Kind.INTEGER, float: Kind.REAL}
ROOT = Table()
Key = tuple[Any, ...]
"""Numbers or names of the rows that contain a row, and its own one."""


class StoredField(NamedTuple):
    """Storage of one field.

    Attributes:
        name: Name of the field.
        type: Type of the value; of contained values, the record of their rows.
        column: Column of a single value; None for the others.
        table: Table of its own; None if there is none.
        split: Function that converts contained values to rows; None for a single value or record.
        join: Inverse of `split`.
        optional: Whether a record may be None, as in files of earlier versions.
    """

    name: str
    type: Any
    column: Column | None = None
    table: Table | None = None
    split: Callable[[Any], Sequence[Any]] | None = None
    join: Callable[[list[Any]], Any] = tuple
    optional: bool = False


@lru_cache(maxsize=128)
def stored_fields(record: type) -> tuple[StoredField, ...]:
    """Determine how the fields of a record are stored.

    Args:
        record: A dataclass or named tuple.

    Returns:
        One item per field, in the order of the constructor's arguments.
    """
    hints = get_type_hints(record, include_extras=True)
    names = record._fields if hasattr(record, "_fields") else [field.name for field in fields(record)]
    return tuple(_stored_field(name, hints[name]) for name in names)


def _stored_field(name: str, hint: Any) -> StoredField:
    bare, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    column = next((mark for mark in marks if isinstance(mark, Column)), Column())
    if kind := column.kind or KINDS.get(bare):
        return StoredField(name, bare, Column(column.name or name, kind, column.offset))
    marked = next((mark for mark in marks if isinstance(mark, Table)), None)
    table = replace(marked or Table(), name=(marked and marked.name) or name)
    base, items = get_origin(bare) or bare, get_args(bare)
    if type(None) in items:
        return StoredField(name, items[0], optional=True)
    if hasattr(base, "from_rows"):
        [row] = get_args(get_type_hints(base.rows)["return"])
        return StoredField(name, row, None, table, lambda value: tuple(value.rows()), base.from_rows)
    if not items:
        return StoredField(name, bare, None, marked and table)
    if issubclass(base, Mapping):
        pair = _row(name, {table.key: items[0], table.value: items[1]})
        return StoredField(name, pair, None, table, lambda value: tuple(value.items()), dict)
    if hasattr(items[0], "_fields") or is_dataclass(items[0]):
        return StoredField(name, items[0], None, table, lambda value: cast(Sequence[Any], value))
    single = _row(name, {table.value: items[0]})
    return StoredField(name, single, None, table, _singles, lambda rows: tuple(value for (value,) in rows))


def _row(name: str, columns: Mapping[str, Any]) -> type:
    row = namedtuple(name, columns)  # type: ignore[misc]  # its fields are known only at run time
    row.__annotations__ = dict(columns)
    return row


def _singles(values: Any) -> Sequence[Any]:
    return tuple(zip(values, strict=True))


def column_kinds(record: type) -> dict[str, Kind]:
    """Return the columns of a record's own table.

    Args:
        record: A dataclass or named tuple.

    Returns:
        Kind by name, in the order of the file.
    """
    kinds: dict[str, Kind] = {}
    for field in stored_fields(record):
        if field.column and field.column.kind:
            kinds[field.column.name] = field.column.kind
        elif field.table is None and field.type is not Config:
            kinds |= column_kinds(field.type)
    return kinds


# Writing


def tables_of(
    record: type,
    rows: Sequence[Any],
    table: Table = ROOT,
    owners: Mapping[str, Kind] | None = None,
    refs: Sequence[Key] = ((),),
) -> Iterator[tuple[str, Columns]]:
    """Convert records to the columns of their table, and of all tables of what they contain.

    Args:
        record: Type of the records.
        rows: The records; those with a method `column` are not converted to records, but asked for each column.
        table: Their table.
        owners: Kinds of the columns that refer to the rows which contain the records.
        refs: Values of these columns for each record.

    Yields:
        Name and columns of each table; the first one is that of the records, and the root's name is "".
    """
    owners = owners or {}
    columns: Columns = {name: (kind, [ref[place] for ref in refs]) for place, (name, kind) in enumerate(owners.items())}
    tables: list[tuple[StoredField, Sequence[Any]]] = []
    _add_columns(record, rows, columns, tables)
    yield table.name, columns
    keys = _keys(table, refs, columns[table.by][1] if table.by else ())
    for field, values in tables:
        own = cast(Table, field.table)
        if field.split is None:
            yield from tables_of(field.type, values, own, None, [()] * len(values))
            continue
        groups = [field.split(value) for value in values]
        below = groups[0] if len(groups) == 1 else list(chain.from_iterable(groups))
        if below or not own.optional:
            owned = list(chain.from_iterable(repeat(key, len(group)) for key, group in zip(keys, groups, strict=True)))
            yield from tables_of(field.type, below, own, _owners(table, owners), owned)


def _add_columns(record: type, rows: Any, columns: Columns, tables: list[tuple[StoredField, Sequence[Any]]]) -> None:
    for place, field in enumerate(stored_fields(record)):
        if hasattr(rows, "column"):
            values = rows.column(field.name) if field.column else rows
        elif issubclass(record, tuple):
            values = [row[place] for row in rows]
        else:
            values = [getattr(row, field.name) for row in rows]
        if field.column and field.column.kind:
            offset = field.column.offset
            columns[field.column.name] = field.column.kind, [value + offset for value in values] if offset else values
        elif field.table:
            tables.append((field, values))
        elif field.type is not Config and not (field.optional and None in values):
            _add_columns(field.type, values, columns, tables)


def _keys(table: Table, refs: Sequence[Key], names: Sequence[Any]) -> Sequence[Key]:
    """Return the key of each row: the key of the row that contains it, and its own name or number."""
    if not table.row:
        return refs
    if table.by:
        return [(*ref, name) for ref, name in zip(refs, names, strict=True)]
    numbers: defaultdict[Key, Iterator[int]] = defaultdict(count)
    return [(*ref, next(numbers[ref])) for ref in refs]


def _owners(table: Table, owners: Mapping[str, Kind]) -> dict[str, Kind]:
    """Return the columns that refer to the rows of a table."""
    return {**owners, table.row: Kind.TEXT if table.by else Kind.INTEGER} if table.row else dict(owners)


# Reading


@dataclass
class RecordReader:
    """Reader of the record that a file stores.

    Attributes:
        reader: Reader of the open file.
    """

    reader: Reader

    def fail(self, message: str) -> PimsimError:
        """Make the exception for a damaged file.

        Args:
            message: What is damaged.

        Returns:
            The exception.
        """
        return self.reader.fail(message)

    @cached_property
    def config(self) -> Config:
        """Config of the file."""
        return self.reader.config()

    def root(self, record: type) -> Any:
        """Read the record of the file.

        Args:
            record: Its type.

        Returns:
            The record.
        """
        optional = {name for field in stored_fields(record) if field.optional for name in column_kinds(field.type)}
        columns = {
            name: [self.reader.document(name) if kind is Kind.DOCUMENT else self.reader.attribute(name, kind)]
            for name, kind in column_kinds(record).items()
            if name not in optional or self.reader.has_attribute(name)
        }
        return self._records(record, columns, [()], {})[0]

    def _rows(self, field: StoredField, owners: Mapping[str, Kind], keys: Sequence[Key]) -> list[Any]:
        """Read the rows of a table, for each key of `keys` a list of those that belong to it."""
        table = cast(Table, field.table)
        columns = self.reader.columns(table.name, {**owners, **column_kinds(field.type)})
        count = len(next(iter(columns.values())))
        refs: Sequence[Key] = list(zip(*(columns[name] for name in owners), strict=True)) if owners else [()] * count
        below = _keys(table, refs, columns[table.by] if table.by else ())
        records = self._records(field.type, columns, below, _owners(table, owners))
        if not owners:
            return [records]
        groups: dict[Key, list[Any]] = {key: [] for key in keys}
        if len(groups) != len(keys):
            twice = next(key for key in groups if keys.count(key) > 1)
            raise self.fail(f"{show(twice[-1])} occurs twice, so table {table.name} cannot refer to it")
        for ref, each in zip(refs, records, strict=True):
            if ref not in groups:
                wanted = " of ".join(show(each) for each in reversed(ref))
                raise self.fail(f"dataset {table.name}/{[*owners][-1]} refers to {wanted}, not in the file")
            groups[ref].append(each)
        return list(groups.values())

    def _records(
        self, record: type, columns: Mapping[str, list[Any]], keys: Sequence[Key], owners: Mapping[str, Kind]
    ) -> list[Any]:
        """Make records of columns; `keys` and `owners` are how tables of contained values refer to them."""
        arguments = [self._values(field, columns, keys, owners) for field in stored_fields(record)]
        return list(map(record, *arguments))

    def _values(
        self, field: StoredField, columns: Mapping[str, list[Any]], keys: Sequence[Key], owners: Mapping[str, Kind]
    ) -> Sequence[Any]:
        """Return the values of a field, one per record."""
        table = field.table
        if field.column:
            values, offset = columns[field.column.name], field.column.offset
            if field.type is bool:
                return list(map(bool, values))
            return [value - offset for value in values] if offset else values
        if field.type is Config:
            return [self.config] * len(keys)
        if table is None:
            absent = field.optional and not column_kinds(field.type).keys() <= columns.keys()
            return [None] if absent else self._records(field.type, columns, keys, owners)
        stored = not table.optional or self.reader.has(table.name)
        if field.split is None:
            values = self._rows(field, {}, [()])[0] if stored else [field.type()] * len(keys)
            if len(values) != len(keys):
                raise self.fail(f"table {table.name} has {len(values)} rows instead of {len(keys)}")
            return values
        groups = self._rows(field, owners, keys) if stored else [[]] * len(keys)
        joined = [field.join(group) for group in groups]
        if field.join is dict and any(len(each) != len(group) for each, group in zip(joined, groups, strict=True)):
            raise self.fail(f"table {table.name} has the same key twice")
        return joined
