"""Records of all iterations of a serving run, kept as columns: about 140 bytes per record in place of 1 kB.

A stretch of decode iterations is one record of sums, from which its rows are made when they are asked for.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Annotated, Any, NamedTuple, overload

from pimsim.base.stored_columns import Table
from pimsim.results.memory_traffic import NO_TRAFFIC, MemoryTraffic
from pimsim.studies.serving.decode_table import TRAFFIC_COLUMNS, StretchRows
from pimsim.studies.serving.number_column import columns_of


class IterationRecord(NamedTuple):
    """One iteration.

    Attributes:
        start_ps: Start time, ps.
        end_ps: End time, ps.
        prefills: Number of sequences with prompt tokens in this iteration.
        decodes: Number of sequences with a decode step in this iteration.
        new_tokens: Number of tokens processed.
        running: Number of admitted requests, in the iteration or not.
        waiting: Number of requests that have arrived and are not admitted at the end of the iteration.
        kv_bytes: KV cache reserved for the admitted requests, bytes.
        dynamic_energy_j: Dynamic energy, joules.
        leakage_energy_j: Leakage energy, joules.
        estimated: 1 if the cost was interpolated, else 0.
        traffic: Bytes read from memory and written to it.
    """

    start_ps: int
    end_ps: int
    prefills: int
    decodes: int
    new_tokens: int
    running: int
    waiting: int
    kv_bytes: int
    dynamic_energy_j: float
    leakage_energy_j: float
    estimated: int
    traffic: Annotated[MemoryTraffic, Table(optional=True)] = NO_TRAFFIC


COLUMNS = IterationRecord._fields[:-1]
"""Names of the columns without those of the memory traffic."""
_NAMES = (*COLUMNS, *TRAFFIC_COLUMNS)
_TOGETHER = 512
"""Number of records that are put into the columns together, which takes a third of the time."""


class Stretch(NamedTuple):
    """What the rows of a stretch need in addition to its record of sums.

    Attributes:
        rows: Times, energies and traffic of the rows.
        waiting: Waiting requests before the last row.
        kv_bytes: KV space of each row, bytes; None if it is that of the record in all rows.
    """

    rows: StretchRows
    waiting: int
    kv_bytes: Sequence[int] | None


class IterationTable(Sequence[IterationRecord]):
    """Table of iterations, in order. It is read as a sequence of records, or column by column.

    Args:
        records: Records to begin with.
    """

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __init__(self, records: Iterable[IterationRecord] = ()) -> None:
        self._columns = columns_of(len(_NAMES))
        self._new: list[tuple[Any, ...]] = []
        """Records that are not in the columns yet."""
        self._ends = array("q")
        """Number of rows up to the end of each record."""
        self._stretches: dict[int, Stretch] = {}
        for record in records:
            self.append(record)

    @staticmethod
    def of(records: Sequence[IterationRecord]) -> IterationTable:
        """Return a sequence of records as a table.

        Args:
            records: The records.

        Returns:
            `records` itself if it is a table.
        """
        return records if isinstance(records, IterationTable) else IterationTable(records)

    def append(self, record: IterationRecord) -> None:
        """Add an iteration at the end.

        Args:
            record: The iteration.
        """
        moved = record.traffic
        traffic = (
            moved.weight_read_bytes,
            moved.kv_read_bytes,
            moved.kv_write_bytes,
            moved.embedding_read_bytes,
            moved.other_read_bytes,
            moved.other_write_bytes,
        )
        self._append((*record[:-1], *traffic), 1)

    def append_stretch(self, record: IterationRecord, traffic: Sequence[float], steps: int, stretch: Stretch) -> None:
        """Add consecutive iterations at the end.

        Args:
            record: The iterations together: start of the first and end of the last one, sums of energies, the waiting
                requests at the end, and the largest KV space; the traffic is not used.
            traffic: Sum of the traffic by kind, bytes.
            steps: Number of iterations.
            stretch: Their rows.
        """
        self._stretches[len(self._ends)] = stretch
        self._append((*record[:-1], *traffic), steps)

    def _append(self, values: tuple[Any, ...], rows: int) -> None:
        self._new.append(values)
        self._ends.append((self._ends[-1] if self._ends else 0) + rows)
        if len(self._new) == _TOGETHER:
            self._store()

    def _store(self) -> None:
        """Put new records into the columns."""
        for column, values in zip(self._columns, zip(*self._new, strict=True), strict=self._new != []):
            column.extend(values)
        self._new.clear()

    @property
    def last_end_ps(self) -> int:
        """End of the last iteration, ps; 0 if there is none."""
        if not self._new and not self._columns[1].values:
            return 0
        return int(self._new[-1][1] if self._new else self._columns[1].values[-1])

    @property
    def first_start_ps(self) -> int:
        """Start of the first iteration, ps; the table must not be empty."""
        self._store()
        return int(self._columns[0].values[0])

    def add_waiting_to_last(self) -> None:
        """Count one more request that has arrived before the end of the last iteration and is not admitted."""
        self._store()
        values = self._columns[COLUMNS.index("waiting")].values
        values[-1] = int(values[-1]) + 1

    def sums(self, name: str) -> Sequence[float]:
        """Return one column of the records, of which each stretch of iterations has one.

        Args:
            name: Field of `IterationRecord` or of `MemoryTraffic`.

        Returns:
            Energies, traffic and ends of whole stretches, the largest KV space and number of waiting requests in them,
            and what is equal in all iterations of a stretch. It must not be changed.
        """
        self._store()
        return self._columns[_NAMES.index(name)].values

    def row_counts(self) -> Sequence[int]:
        """Return the number of iterations of each record of `sums`.

        Returns:
            The numbers.
        """
        return [end - begin for begin, end in zip((0, *self._ends), self._ends, strict=False)]

    def column(self, name: str) -> Sequence[float]:
        """Return one column.

        Args:
            name: Field of `IterationRecord` or of `MemoryTraffic`.

        Returns:
            Its values, one per iteration, which must not be changed.
        """
        if not self._stretches:
            return self.sums(name)
        found: list[float] = []
        for number, (value, rows) in enumerate(zip(self.sums(name), self.row_counts(), strict=True)):
            if number in self._stretches:
                found += self._row_values(number, name, 0, rows)
            else:
                found.append(value)
        return found

    def _row_values(self, number: int, name: str, first: int, rows: int) -> Sequence[float]:
        """Return one column of a part of a stretch.

        Args:
            number: Number of the record of the stretch.
            name: Name of the column.
            first: Number of its first row, from the beginning of the stretch.
            rows: Number of its rows.

        Returns:
            The values.
        """
        stretch = self._stretches[number]
        value = self.sums(name)[number]
        match name:
            case "start_ps" | "end_ps":
                started_ps = int(self.sums("start_ps")[number])
                latencies_ps = stretch.rows.latencies_ps(0, first + rows)
                times_ps = list(accumulate(latencies_ps, initial=started_ps))
                return times_ps[first:-1] if name == "start_ps" else times_ps[first + 1 :]
            case "waiting":
                last = self._ends[number] - (self._ends[number - 1] if number else 0) == first + rows
                return [*[stretch.waiting] * (rows - last), *[value] * last]
            case "kv_bytes":
                return [value] * rows if stretch.kv_bytes is None else stretch.kv_bytes[first : first + rows]
            case "dynamic_energy_j":
                return stretch.rows.dynamics_j(first, rows)
            case "leakage_energy_j":
                return stretch.rows.leakages_j(first, rows)
        if name in TRAFFIC_COLUMNS:
            return stretch.rows.traffic(TRAFFIC_COLUMNS.index(name), first, rows)
        return [value] * rows

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[IterationRecord]:
        begin = 0
        for number, end in enumerate(self._ends):
            yield from self._rows(number, 0, end - begin)
            begin = end

    def _rows(self, number: int, first: int, rows: int) -> Iterator[IterationRecord]:
        """Yield rows of a record."""
        count = len(COLUMNS)
        if number not in self._stretches:
            self._store()
            row = [column.values[number] for column in self._columns]
            yield _record(row[:count], row[count:])
            return
        for row_values in zip(*(self._row_values(number, name, first, rows) for name in _NAMES), strict=True):
            yield _record(row_values[:count], row_values[count:])

    @overload
    def __getitem__(self, index: int) -> IterationRecord: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[IterationRecord]: ...

    def __getitem__(self, index: int | slice) -> IterationRecord | Sequence[IterationRecord]:
        """Return one iteration, or those of a slice.

        Args:
            index: Number of the iteration, from 0, or a slice.

        Returns:
            The record, or a list of records.

        Raises:
            IndexError: If there is no iteration of this number.
        """
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        place = index + len(self) * (index < 0)
        if not 0 <= place < len(self):
            raise IndexError(f"iteration {index} of {len(self):,}")
        number = bisect_right(self._ends, place)
        [row] = self._rows(number, place - (self._ends[number - 1] if number else 0), 1)
        return row

    def __eq__(self, other: object) -> bool:
        """Compare with another sequence of records.

        Args:
            other: The other sequence.

        Returns:
            Whether both have equal records in the same order.
        """
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        return all(mine == its for mine, its in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return f"<{len(self):,} iterations>"


def _record(values: Sequence[Any], traffic: Sequence[Any]) -> IterationRecord:
    return IterationRecord._make((*values, MemoryTraffic(*traffic)))
