"""Records of all iterations of a serving run, kept as columns: about 140 bytes per iteration in place of 1 kB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, NamedTuple, overload

from pimsim.base.stored_columns import Table
from pimsim.results.memory_traffic import NO_TRAFFIC, MemoryTraffic
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


TRAFFIC_COLUMNS = tuple(MemoryTraffic.__dataclass_fields__)
COLUMNS = IterationRecord._fields[:-1]
"""Names of the columns without those of the memory traffic."""


class IterationTable(Sequence[IterationRecord]):
    """Table of iterations, in order. It is read as a sequence of records, or column by column.

    Args:
        records: Records to begin with.
    """

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __init__(self, records: Iterable[IterationRecord] = ()) -> None:
        self._columns = columns_of(len(COLUMNS) + len(TRAFFIC_COLUMNS))
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
        for column, value in zip(self._columns, (*record[:-1], *traffic), strict=True):
            column.append(value)

    @property
    def last_end_ps(self) -> int:
        """End of the last iteration, ps; the table must not be empty."""
        return int(self._columns[1].values[-1])

    def add_waiting_to_last(self) -> None:
        """Count one more request that has arrived before the end of the last iteration and is not admitted."""
        values = self._columns[COLUMNS.index("waiting")].values
        values[-1] = int(values[-1]) + 1

    def column(self, name: str) -> Sequence[int | float]:
        """Return one column.

        Args:
            name: Field of `IterationRecord` or of `MemoryTraffic`.

        Returns:
            Its values, one per iteration, which must not be changed.
        """
        return self._columns[(*COLUMNS, *TRAFFIC_COLUMNS).index(name)].values

    def __len__(self) -> int:
        return len(self._columns[0].values)

    def __iter__(self) -> Iterator[IterationRecord]:
        count = len(COLUMNS)
        for row in zip(*(column.values for column in self._columns), strict=True):
            yield _record(row[:count], row[count:])

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
        """
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        row = [column.values[index] for column in self._columns]
        return _record(row[: len(COLUMNS)], row[len(COLUMNS) :])

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
