"""Storage of records in tables, derived from the names and the types of their fields.

A record is a dataclass or a named tuple; the file itself stores one record, its root. A field is stored by its type:

- A text, a number or a bool is a column of the record's table, or an attribute of the file for the root.
- A record is stored in the same table, or with a mark `Table` in a table of its own, which has as many rows.
- A tuple, a mapping, or a class with the methods `rows` and `from_rows` is a table. Its first columns are the numbers
  of the rows that contain the values: in `counts`, the column `op` is the number of a row of `ops`. In a tuple within
  a tuple, each number counts from the beginning of the inner one.
- A `Config` is the config of the file, which is stored only once.

`pimsim.base.stored_columns` has the marks for other names and kinds.
"""

from __future__ import annotations

from collections import Counter, defaultdict, namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from itertools import chain, count, repeat
from typing import Annotated, Any, NamedTuple, TypeVar, cast, get_args, get_origin, get_type_hints

from pimsim.base.errors import show
from pimsim.base.stored_columns import Column, Kind, Table
from pimsim.config.schema import Config
from pimsim.results.hdf5.kinds import Columns
from pimsim.results.hdf5.reader import Reader

KINDS: dict[Any, Kind] = {str: Kind.TEXT, int: Kind.INTEGER, bool: Kind.INTEGER, float: Kind.REAL}
Key = tuple[Any, ...]
"""Numbers or names of the rows that contain a row, from the outermost one."""
T = TypeVar("T")


class Owners(NamedTuple):
    """References from the rows of a table to the rows that contain them: kinds of their columns, and keys."""

    kinds: Mapping[str, Kind] = {}
    keys: Sequence[Key] = ((),)

    def inner(self, table: Table, names: Sequence[Any]) -> Owners:
        """Return the references to the rows of a table.

        Args:
            table: The table, whose own references are these.
            names: Values of its column `by`, if it has one.

        Returns:
            Kinds with the column that refers to a row, and keys with the number or the name of the row.
        """
        if not table.row:
            return self
        if not table.by:
            numbers: defaultdict[Key, Iterator[int]] = defaultdict(count)
            names = [next(numbers[key]) for key in self.keys]
        keys = [(*key, name) for key, name in zip(self.keys, names, strict=True)]
        return Owners({**self.kinds, table.row: Kind.TEXT if table.by else Kind.INTEGER}, keys)


ROOT, NO_OWNERS = Table(), Owners()


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
    marked = next((mark for mark in marks if isinstance(mark, Table)), Table())
    table = replace(marked, name=marked.name or name)
    base, items = get_origin(bare) or bare, get_args(bare)
    if hasattr(base, "from_rows"):
        [row] = get_args(get_type_hints(base.rows)["return"])
        return StoredField(name, row, None, table, lambda value: tuple(value.rows()), base.from_rows)
    if bare is Config or _is_record(bare):
        return StoredField(name, bare, None, table if marks else None)
    if type(None) in items and _is_record(items[0]):
        return StoredField(name, items[0], optional=True)
    if issubclass(base, Mapping):
        pair = _row({table.key: items[0], table.value: items[1]})
        return StoredField(name, pair, None, table, lambda value: tuple(value.items()), dict)
    if not issubclass(base, Sequence):
        raise TypeError(f"the field {name} of type {hint} cannot be stored")
    if _is_record(items[0]):
        return StoredField(name, items[0], None, table, lambda value: cast(Sequence[Any], value))
    single = _row({table.value: items[0]})
    split, join = (lambda values: tuple(zip(values, strict=True))), (lambda rows: tuple(chain.from_iterable(rows)))
    return StoredField(name, single, None, table, split, join)


def _is_record(kind: Any) -> bool:
    return is_dataclass(kind) or hasattr(kind, "_fields")


def _row(columns: dict[str, Any]) -> Any:
    row = namedtuple("row", columns)  # type: ignore[misc]  # its fields are known only at run time
    row.__annotations__ = columns
    return row


def column_kinds(record: type) -> dict[str, Kind]:
    """Return the columns of a record's own table.

    Args:
        record: A dataclass or named tuple.

    Returns:
        Kind by name, in the order of the file.
    """
    kinds: dict[str, Kind] = {}
    for field in stored_fields(record):
        if field.column:
            kinds[field.column.name] = cast(Kind, field.column.kind)
        elif field.table is None and field.type is not Config:
            kinds |= column_kinds(field.type)
    return kinds


# Writing


def tables_of(
    record: type, rows: Sequence[Any], table: Table = ROOT, owners: Owners = NO_OWNERS
) -> Iterator[tuple[str, Columns]]:
    """Convert records to the columns of their table, and of all tables of what they contain.

    Args:
        record: Type of the records.
        rows: The records; those with a method `column` are not converted to records, but asked for each column.
        table: Their table.
        owners: References to the rows that contain them, one key per record.

    Yields:
        Name and columns of each table, first that of the records; the name of the root's is "".
    """
    columns: Columns = {
        name: (kind, [key[place] for key in owners.keys]) for place, (name, kind) in enumerate(owners.kinds.items())
    }
    contained: list[tuple[StoredField, Sequence[Any]]] = []
    _add_columns(record, rows, columns, contained)
    yield table.name, columns
    inner = owners.inner(table, columns[table.by][1] if table.by else ())
    for field, values in contained:
        if field.split is None:
            yield from tables_of(field.type, values, cast(Table, field.table), Owners({}, [()] * len(values)))
            continue
        groups = [field.split(value) for value in values]
        items = groups[0] if len(groups) == 1 else list(chain.from_iterable(groups))
        if items or not cast(Table, field.table).optional:
            keys = list(chain.from_iterable(map(repeat, inner.keys, map(len, groups))))
            yield from tables_of(field.type, items, cast(Table, field.table), Owners(inner.kinds, keys))


def _add_columns(record: type, rows: Any, columns: Columns, contained: list[tuple[StoredField, Sequence[Any]]]) -> None:
    for place, field in enumerate(stored_fields(record)):
        if hasattr(rows, "column"):
            values = rows.column(field.name) if field.column else rows
        elif issubclass(record, tuple):
            values = [row[place] for row in rows]
        else:
            values = [getattr(row, field.name) for row in rows]
        if field.column:
            offset = field.column.offset
            stored = [value + offset for value in values] if offset else values
            columns[field.column.name] = cast(Kind, field.column.kind), stored
        elif field.table:
            contained.append((field, values))
        elif field.type is not Config and not (field.optional and None in values):
            _add_columns(field.type, values, columns, contained)


# Reading


def read_record(reader: Reader, record: type[T]) -> T:
    """Read the record that a file stores.

    Args:
        reader: Reader of the open file.
        record: Type of the record.

    Returns:
        The record.
    """
    optional = {
        name for field in stored_fields(cast(Any, record)) if field.optional for name in column_kinds(field.type)
    }
    kinds = {name: kind for name, kind in column_kinds(record).items() if name not in optional or reader.has(name)}
    columns = {name: [reader.value(name, kind)] for name, kind in kinds.items()}
    return cast(T, _records(reader, record, columns, NO_OWNERS)[0])


def _records(reader: Reader, record: type, columns: Mapping[str, list[Any]], owners: Owners) -> list[Any]:
    """Return records of columns; `owners` are the references to them, one key per record."""
    return list(map(record, *(_values(reader, field, columns, owners) for field in stored_fields(record))))


def _values(reader: Reader, field: StoredField, columns: Mapping[str, list[Any]], owners: Owners) -> Sequence[Any]:
    """Return the values of a field, one per record."""
    table, count = field.table, len(owners.keys)
    if field.column:
        values, offset = columns[field.column.name], field.column.offset
        return [field.type(value - offset) for value in values] if offset or field.type is bool else values
    if field.type is Config:
        return [reader.config] * count
    if table is None:
        absent = field.optional and not column_kinds(field.type).keys() <= columns.keys()
        return [None] if absent else _records(reader, field.type, columns, owners)
    stored = not table.optional or reader.has(table.name)
    if field.split is None:
        [values] = _groups(reader, field, NO_OWNERS) if stored else [[field.type()] * count]
        if len(values) != count:
            raise reader.fail(f"table {table.name} has {len(values)} rows instead of {count}")
        return values
    groups = _groups(reader, field, owners) if stored else [[]] * count
    joined = [field.join(group) for group in groups]
    if field.join is dict and list(map(len, joined)) != list(map(len, groups)):
        raise reader.fail(f"table {table.name} has the same key twice")
    return joined


def _groups(reader: Reader, field: StoredField, owners: Owners) -> list[list[Any]]:
    """Return the rows of the table of a field: one list for each key of `owners`, in the order of the file."""
    table = cast(Table, field.table)
    columns = reader.columns(table.name, {**owners.kinds, **column_kinds(field.type)})
    refs = list(zip(*(columns[name] for name in owners.kinds), strict=True))
    if not owners.kinds:
        refs = [()] * len(next(iter(columns.values())))
    inner = Owners(owners.kinds, refs).inner(table, columns.get(table.by, ()))
    records = _records(reader, field.type, columns, inner)
    if not owners.kinds:
        return [records]
    groups: dict[Key, list[Any]] = {key: [] for key in owners.keys}
    if len(groups) != len(owners.keys):
        [(twice, _)] = Counter(owners.keys).most_common(1)
        raise reader.fail(f"{show(twice[-1])} occurs twice, so table {table.name} cannot refer to it")
    for ref, record in zip(refs, records, strict=True):
        if ref not in groups:
            wanted = " of ".join(map(show, reversed(ref)))
            raise reader.fail(f"dataset {table.name}/{[*owners.kinds][-1]} refers to {wanted}, not in the file")
        groups[ref].append(record)
    return list(groups.values())
