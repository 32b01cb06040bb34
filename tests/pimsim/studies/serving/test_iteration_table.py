"""The table of iterations is a sequence of records, in 8 bytes per number."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.results.memory_traffic import MemoryTraffic
from pimsim.studies.serving.iteration_table import COLUMNS, TRAFFIC_COLUMNS, IterationRecord, IterationTable

COUNT = st.integers(0, 2**66)
RECORDS = st.lists(
    st.builds(
        IterationRecord,
        start_ps=COUNT, end_ps=COUNT, prefills=COUNT, decodes=COUNT, new_tokens=COUNT, running=COUNT, waiting=COUNT,
        kv_bytes=COUNT, dynamic_energy_j=st.floats(0, 9), leakage_energy_j=st.floats(0, 9), estimated=st.integers(0, 1),
        traffic=st.builds(MemoryTraffic, COUNT | st.floats(0, 9), COUNT, COUNT, st.floats(0, 9), COUNT, COUNT),
    ),
    max_size=5,
)  # fmt: skip


@given(RECORDS)
def test_records_are_those_that_were_added(records: list[IterationRecord]) -> None:
    table = IterationTable(records)
    assert list(table) == records
    assert table == records
    assert table == IterationTable(records)
    assert [table[number] for number in range(len(records))] == records
    assert table[1:] == records[1:]
    assert list(map(repr, table)) == list(map(repr, records))  # integers are integers, floats are floats
    assert list(table.column("end_ps")) == [each.end_ps for each in records]
    assert list(table.column("kv_read_bytes")) == [each.traffic.kv_read_bytes for each in records]
    assert table != [*records, *records[:1]] or not records
    with pytest.raises(IndexError):
        table[len(records)]


def test_an_iteration_needs_136_bytes() -> None:
    """17 numbers of 8 bytes; arrays reserve up to an eighth more."""
    record = IterationRecord(1, 2, 3, 4, 5, 6, 7, 8, 9.0, 10.0, 0, MemoryTraffic(10**9, 10**9, 10**6, 10**6, 0, 0))
    table = IterationTable()
    for number in range(5000):
        table.append(record._replace(start_ps=10**15 + number, end_ps=10**15 + number))
    size = sum(sys.getsizeof(table.column(name)) for name in (*COLUMNS, *TRAFFIC_COLUMNS))
    assert 5000 * 136 <= size < 5000 * 136 * 1.125
