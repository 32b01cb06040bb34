"""Records of traces that are longer than what is read at once, and files that are none."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.base.errors import WorkloadInputError
from pimsim.importers.request_traces import record_stream
from pimsim.importers.request_traces.record_stream import Record, RecordStream, open_records

VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\ufeff"), max_size=8)
ROWS = st.lists(st.fixed_dictionaries({"first": VALUES.map("x".__add__), "second": VALUES}), min_size=1, max_size=6)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that records, texts and line ends lie across chunks."""
    monkeypatch.setattr(record_stream, "_CHUNK", 5)


def records(text: str) -> list[Record]:
    return list(RecordStream(io.StringIO(text), "t"))


def refusal(text: str) -> str:
    with pytest.raises(WorkloadInputError) as caught:
        records(text)
    return str(caught.value)


@given(ROWS, st.sampled_from([None, 1]), st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_objects_are_those_that_were_written_with_their_lines(
    rows: list[dict[str, str]], indent: int | None, between: str
) -> None:
    lines = [json.dumps(row, indent=indent) for row in rows]
    line, wanted = 1, []
    for number, (row, text) in enumerate(zip(rows, lines, strict=True), 1):
        wanted.append(Record(line, number, row))
        line += text.count("\n") + between.count("\n")
    assert records(between.join(lines)) == wanted
    assert [each.fields for each in records(json.dumps(rows, indent=indent))] == rows


@given(ROWS, st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]))
def test_rows_of_a_table_are_those_that_were_written(rows: list[dict[str, str]], delimiter: str, ends: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["first", "second"], delimiter=delimiter, lineterminator=ends)
    writer.writeheader()
    writer.writerows(rows)
    assert [each.fields for each in records(text.getvalue())] == rows


def test_the_line_of_a_row_counts_line_ends_inside_quotes() -> None:
    found = records('\n\na,b\n1,"x\ny"\n\n3,4\n')
    assert [each.line for each in found] == [5, 7]
    assert "line 7: has 1 value, but line 3 names 2 columns" in refusal('\n\na,b\n1,"x\ny"\n\n3\n')


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"a": 1}\n{"a": \n', "line 3: it is not JSON"),
        ('[{"a": 1}\n{"a": 2}]', "line 2: it is not JSON: a comma or ] is missing"),
        ('[{"a": 1},\n{"a": 2}', "line 2: it is not JSON: the list has no end"),
        ('[{"a": 1}]\n x', "line 2: it is not JSON: 'x' follows the list"),
        ('[{"a": 1},\n 7]', "line 2: a request must be an object, not 7"),
        ('{"a": 1}\n{"a": 1, "a": 2}', "line 2: 'a' occurs twice"),
        ('{"a": NaN}', "line 1: it is not JSON: NaN is not a JSON number"),
        ("[" * 100_000, "line 1: it is not usable JSON: nested too deeply"),
        ('a,b\n1,2\n"3"4,5\n', "line 3: it is not a valid row of a CSV table"),
        ("a,a\n1,2", "line 1: the column 'a' occurs twice"),
    ],
)
def test_the_line_of_a_fault_is_named(text: str, wanted: str) -> None:
    assert wanted in refusal(text)


def test_a_record_without_end_is_not_read_to_the_end_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_stream, "MAX_RECORD_CHARACTERS", 100)
    assert "line 1: a record of more than" in refusal("a," + "x" * 1000)
    assert "line 2: a record of more than" in refusal('{"a": 1}\n{"a": "' + "x" * 1000)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"PAR1", "is a Parquet file"),
        (b"PK\x03\x04", "is a zip archive or a spreadsheet"),
        ("a,b".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (b"a,b\n1,\xff\n", "it is not UTF-8 text"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-4], "cannot be read to its end"),
        (gzip.compress(b"a,b\n" + b"1,2\n" * 99, mtime=0), "has more than"),
    ],
)
def test_other_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, wanted: str) -> None:
    monkeypatch.setattr(record_stream, "MAX_CHARACTERS", 300)
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(WorkloadInputError, match=wanted), open_records(tmp_path / "x") as stream:
        list(stream)
    for path in (tmp_path, tmp_path / "none", Path("/dev/null"), Path("\0")):
        with pytest.raises(WorkloadInputError, match="cannot read requests"), open_records(path):
            pass
