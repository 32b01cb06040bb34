"""The journal: what is written is read, what is not whole is not believed, and nobody else writes."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.base.errors import OutputError, SweepError
from pimsim.studies.sweep.running.evaluate_point import Outcome
from pimsim.studies.sweep.running.journal import Header, Journal

HEADER = Header(("a", "b"), "code")
OUTCOMES = [
    Outcome("k1", (1.0, 2.5)),
    Outcome("k2", (), "went wrong: \u00e9 \U0001f600"),
    Outcome("k3", (0.1 + 0.2, math.inf)),
    Outcome("k4", (5e-324, -1e308)),
]


BEGINNING = b'01234567 {"journal":'
"""Length of what a file must begin with to be taken for a journal; a shorter one is a foreign file."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.journal"


def write(path: Path, *outcomes: Outcome, header: Header = HEADER) -> None:
    journal = Journal(path)
    list(journal.read())
    journal.begin(header)
    journal.append(outcomes)
    journal.close()


def read(path: Path) -> list[Outcome]:
    journal = Journal(path)
    found = [outcome for _, outcome in journal.read()]
    journal.close()
    return found


def test_outcomes_come_back_bit_for_bit(path: Path) -> None:
    write(path, *OUTCOMES)
    assert read(path) == OUTCOMES
    assert read(path) == OUTCOMES, "reading changes nothing"


def test_not_a_number_comes_back(path: Path) -> None:
    write(path, Outcome("k", (math.nan, -0.0)))
    [outcome] = read(path)
    assert math.isnan(outcome.values[0])
    assert math.copysign(1, outcome.values[1]) == -1


def test_a_header_holds_for_what_follows_it(path: Path) -> None:
    write(path, OUTCOMES[0], header=Header(("a", "b"), "old", replacing=True))
    write(path, Outcome("k5", (7.0,)), header=Header(("c",), "new"))
    journal = Journal(path)
    entries = list(journal.read())
    journal.close()
    assert [(header.metrics, header.code_hash) for header, _ in entries] == [(("a", "b"), "old"), (("c",), "new")]
    assert journal.replacing, "of the first header"


@given(st.integers(0, 400), st.binary(max_size=20))
def test_a_torn_tail_is_cut_off_and_the_next_line_is_whole(tmp_path_factory, keep: int, torn: bytes) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("torn") / "x.journal"
    write(path, *OUTCOMES)
    whole = path.read_bytes()
    ends = [index + 1 for index, byte in enumerate(whole) if byte == 10]
    keep = keep if keep >= len(BEGINNING) else 0
    path.write_bytes(whole[:keep] + (torn if keep else b""))
    complete = max(0, sum(end <= keep for end in ends) - 1)
    found = read(path)
    if found == OUTCOMES[: complete + 1] and torn:
        return  # what was torn off came back by chance, as far as it was missing
    assert found == OUTCOMES[:complete]
    write(path, Outcome("next", (1.0, 2.0)))
    assert read(path) == [*OUTCOMES[:complete], Outcome("next", (1.0, 2.0))]


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_costs_a_line_at_most(tmp_path_factory, place: int, flip: int) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("flipped") / "x.journal"
    write(path, *OUTCOMES)
    data = bytearray(path.read_bytes())
    header_end = data.index(10) + 1
    place = header_end + place % (len(data) - header_end)
    data[place] ^= flip
    path.write_bytes(data)
    found = read(path)
    assert all(outcome in OUTCOMES for outcome in found)
    assert len(found) >= len(OUTCOMES) - 2, "a line, and the next one if the end between them is lost"


def line(content: object) -> bytes:
    text = json.dumps(content).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


@pytest.mark.parametrize(
    "foreign",
    [
        [],
        5,
        {},
        {"key": 1, "values": [], "error": ""},
        {"key": "k", "values": ["x", "y"], "error": ""},
        {"key": "k", "values": [1.0], "error": ""},
        {"key": "k", "values": [1.0, 2.0, 3.0], "error": ""},
        {"metrics": "ab", "journal": 1, "code": "", "replacing": False},
        {"metrics": ["a"], "journal": 2, "code": "", "replacing": False},
        {"metrics": ["a"], "journal": 1},
    ],
)
def test_what_a_journal_does_not_say_is_passed_over(path: Path, foreign: object) -> None:
    write(path, *OUTCOMES)
    path.write_bytes(path.read_bytes() + line(foreign))
    write(path, Outcome("next", (1.0, 2.0)))
    assert read(path) == [*OUTCOMES, Outcome("next", (1.0, 2.0))]


def test_outcomes_without_a_header_are_not_believed(path: Path) -> None:
    damaged = line({"journal": 1, "metrics": ["a"], "code": "", "replacing": False}).replace(b'"a"', b'"b"')
    path.write_bytes(damaged + line({"key": "k", "values": [], "error": ""}))
    assert read(path) == []


def test_one_process_at_a_time(path: Path) -> None:
    first = Journal(path)
    with pytest.raises(SweepError, match="another process is sweeping into this file"):
        Journal(path)
    first.close()
    second = Journal(path)
    second.remove()
    assert not path.exists()


def test_a_journal_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for bad in (tmp_path / "none" / "x", tmp_path / "file" / "x", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(OutputError, match="cannot be written"):
            Journal(bad)


def test_a_write_that_fails_leaves_whole_lines(path: Path) -> None:
    journal = Journal(path)
    journal.begin(HEADER)
    journal.append(OUTCOMES[:2])
    before = path.read_bytes()
    file = journal._file

    class Full:
        """A file on a disk with room for ten more bytes."""

        def __getattr__(self, name: str) -> object:
            return getattr(file, name)

        def write(self, data: memoryview) -> int:
            if len(data) > 10 and file.tell() == len(before):
                return file.write(data[:10])
            raise OSError(28, "No space left on device")

    journal._file = Full()  # type: ignore[assignment]
    with pytest.raises(OutputError, match="No space left on device"):
        journal.append(OUTCOMES[2:])
    assert path.read_bytes() == before
    journal._file = file
    journal.append(OUTCOMES[2:])
    journal.close()
    assert read(path) == OUTCOMES
