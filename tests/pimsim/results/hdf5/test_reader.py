"""Damaged and untrusted files: each is refused with one sentence, and nothing large is allocated."""

from __future__ import annotations

import os
import random
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pimsim.base.errors import ResultFileError
from pimsim.results.hdf5 import reader
from pimsim.results.hdf5.decoding import charged_bytes
from pimsim.results.hdf5.kinds import MEMORY_PER_BYTE
from pimsim.results.run_result import RunResult
from pimsim.results.store import read_config, read_result
from tests.pimsim.results.hdf5.hostile_files import HOSTILE, bomb, put
from tests.support.counts import scaled


def refuses(path: Path, match: str) -> None:
    with pytest.raises(ResultFileError, match=match) as caught:
        read_result(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def equal_or_refused(path: Path, result: RunResult, what: str) -> None:
    problem = ""
    try:
        assert read_result(path) == result, what
    except ResultFileError as error:
        problem = str(error)
    assert problem.isprintable(), what
    assert len(problem) < 1000, what


def test_a_truncated_file_is_refused(image: tuple[RunResult, bytes], tmp_path: Path) -> None:
    rng = random.Random(0)
    path = tmp_path / "result.h5"
    for size in {*range(17), *(rng.randrange(len(image[1])) for _ in range(50))}:
        path.write_bytes(image[1][:size])
        refuses(path, "does not have the signature of HDF5|the HDF5 file is truncated")
        with pytest.raises(ResultFileError):
            read_config(path)


def test_a_flipped_bit_is_noticed_or_does_no_harm(image: tuple[RunResult, bytes], tmp_path: Path) -> None:
    result, data = image
    path = tmp_path / "result.h5"
    for index in range(scaled(100, 5000)):
        rng = random.Random(index)
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        equal_or_refused(path, result, f"damage {index}")


def test_overwritten_stretches_are_noticed(image: tuple[RunResult, bytes], tmp_path: Path) -> None:
    result, data = image
    path = tmp_path / "result.h5"
    for index in range(scaled(50, 1000)):
        rng = random.Random(index)
        damaged, start = bytearray(data), rng.randrange(len(data))
        junk = bytes(rng.randint(1, 64)) if index % 2 else rng.randbytes(rng.randint(1, 64))
        damaged[start : start + len(junk)] = junk
        path.write_bytes(damaged[: len(data)])
        equal_or_refused(path, result, f"damage {index}")


def test_what_is_no_hdf5_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("name: x")
    os.mkfifo(tmp_path / "fifo")
    refuses(tmp_path / "text", "is not a result file: it does not have the signature of HDF5")
    refuses(tmp_path / "fifo", "is not a regular file")
    refuses(tmp_path, "is a directory")
    refuses(tmp_path / "none", "cannot be read: No such file")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name: str, path: Path) -> None:
    damage, match = HOSTILE[name]
    with h5py.File(path, "r+") as file:
        damage(file)
    refuses(path, match)


@contextmanager
def memory_limited(limit: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


def test_sizes_are_checked_before_anything_is_allocated(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        bomb(8, 1 << 26)(file)
    with memory_limited(1 << 22):
        refuses(path, "does not decompress")


def test_all_data_together_are_limited(path: Path, result: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    size = path.stat().st_size
    monkeypatch.setattr(reader, "data_budget", lambda _: 10_000)
    refuses(path, "too large to read")
    monkeypatch.setattr(reader, "MAX_FILE_BYTES", size - 1)
    refuses(path, "is larger than the")


def test_a_file_of_a_program_that_adds_something_is_still_read(path: Path, result: RunResult) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["note"] = "mine"
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
        file["spans/colour"] = [1, 2, 3]
    assert read_result(path) == result


@pytest.mark.parametrize(
    "column",
    [
        np.full(20_000, b"q", "S1"),  # the smallest text
        np.array([f"{index:05d}".encode() for index in range(20_000)]),  # all different
        np.array(
            [f"{index:05d}".encode() + "\U00020000".encode() * 10 for index in range(20_000)]
        ),  # 4 bytes a character
    ],
    ids=["short", "different", "wide"],
)
def test_reading_takes_a_stated_multiple_of_the_data(path: Path, column: Any) -> None:
    """The bound is asserted on what is traced, and that a fifth of it is reached shows that it is not idle."""
    with h5py.File(path, "r+") as file:
        put("inputs/op", np.zeros(len(column), "<i8"))(file)
        text = h5py.string_dtype("utf-8", column.itemsize)
        put("inputs/input", column.astype(text))(file)
    data = sum(charged_bytes(len(column), each) for each in (8, column.itemsize))
    with memory_limited(MEMORY_PER_BYTE * (data + 300_000)):
        read_result(path)
    with pytest.raises(AssertionError), memory_limited(2 * data):
        read_result(path)


def test_rows_that_contain_tables_take_the_most(path: Path) -> None:
    rows = 20_000
    with h5py.File(path, "r+") as file:
        for name in ("duration_ps", "busy_ps"):
            put(f"profiles/{name}", np.ones(rows, "<i8"))(file)
        put("profiles/contended_for", np.full(rows, b"x", "S1").astype(h5py.string_dtype("utf-8", 1)))(file)
    data = sum(charged_bytes(rows, each) for each in (8, 8, 1))
    with memory_limited(MEMORY_PER_BYTE * (data + 300_000)):
        read_result(path)
    with pytest.raises(AssertionError), memory_limited(6 * data):
        read_result(path)


def test_data_that_unpack_to_more_than_a_file_of_its_size_may_hold_are_not_unpacked(path: Path) -> None:
    """A file of some hundred kB whose columns unpack to 160 MB, 1,000 times their size in the file."""
    with h5py.File(path, "r+") as file:
        bomb(10_000_000, 80_000_000)(file)
    assert path.stat().st_size < 200_000
    with memory_limited(1 << 22):
        refuses(path, r"ops/macs is too large to read: with its 10,000,000 values .* a file of this size may hold")
