"""Untrusted weight files: a matrix of integers is read, and any other file is refused in one clear line."""

from __future__ import annotations

import io
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.base.errors import WorkloadInputError
from pimsim.studies.array.weight_files import read_weights
from tests.support.counts import scaled


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def with_header(text: str, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """An .npy file with a header of our own."""
    header = text.encode("latin-1") + b"\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + size + header + data


def header(shape: str, descr: str = "'|i1'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", ">i4", "int64", "uint64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_integers_come_back_as_they_were(kind: str, order: Any, tmp_path: Path) -> None:
    matrix = np.asarray(np.arange(12).reshape(3, 4), kind, order=order)
    (tmp_path / "w.npy").write_bytes(npy(matrix))
    read = read_weights(tmp_path / "w.npy")
    assert read.dtype == matrix.dtype
    assert np.array_equal(read, matrix)


def test_a_header_of_the_second_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "w.npy").write_bytes(with_header(header("(2, 3)"), bytes(6), (2, 0)))
    assert np.array_equal(read_weights(tmp_path / "w.npy"), np.zeros((2, 3)))


GOOD = npy(np.ones((3, 4), np.int8))
REFUSED = {
    "floats": (npy(np.ones((2, 2))), "contains float64; weights must be integers"),
    "booleans": (npy(np.ones((2, 2), bool)), "contains bool"),
    "text": (npy(np.array([["a"]])), "contains <U1"),
    "a structure": (npy(np.zeros((2, 2), [("a", "i1")])), r"contains \[\('a'"),
    "objects": (npy(np.array([[1, None]], object), allow_pickle=True), "contains object"),
    "a vector": (npy(np.ones(4, np.int8)), r"has the shape \[4\]"),
    "a cube": (npy(np.ones((2, 2, 2), np.int8)), r"has the shape \[2, 2, 2\]"),
    "a number": (npy(np.int8(4)), r"has the shape \[\]"),
    "nothing": (npy(np.ones((0, 4), np.int8)), r"has the shape \[0, 4\]"),
    "cut short": (GOOD[:-1], "should contain 3 x 4 weights of 1 bytes, but 11 bytes follow its header"),
    "too long": (GOOD + b"x", "but 13 bytes follow"),
    "no data": (with_header(header("(3, 3)")), "but 0 bytes follow"),
    "a huge claim": (with_header(header("(1000000000, 1000000000)"), b"x"), "but 1 bytes follow"),
    "more than any claim": (with_header(header(f"({'9' * 400}, 2)"), b"x"), "but 1 bytes follow"),
    "a negative shape": (with_header(header("(-3, -3)"), bytes(9)), r"has the shape \[-3, -3\]"),
    "a cut header": (GOOD[:40], "is not a readable .npy file"),
    "a cut magic": (GOOD[:4], "is not a readable .npy file"),
    "empty": (b"", "is not a readable .npy file"),
    "a later version": (b"\x93NUMPY\x03\x00" + GOOD[8:], "version is 3.0"),
    "an endless header": (with_header(header("(3, 3)") + " " * 20_000, bytes(9)), "is not a readable .npy file"),
    "code in the header": (with_header("__import__('os').system('false')"), "is not a readable .npy file"),
    "a deep header": (with_header("(" * 9000), "is not a readable .npy file"),
    "another header": (with_header("{'shape': (3, 3)}"), "is not a readable .npy file"),
    "an unknown type": (with_header(header("(3, 3)", "'spam'")), "is not a readable .npy file"),
    "a pickle": (pickle.dumps([1, 2]), "is not a readable .npy file"),
    "an archive": (b"PK\x03\x04" + bytes(100), "is not a readable .npy file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_told_in_a_line(name: str, tmp_path: Path) -> None:
    data, told = REFUSED[name]
    (tmp_path / "w.npy").write_bytes(data)
    with pytest.raises(WorkloadInputError, match=told) as error:
        read_weights(tmp_path / "w.npy")
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500


def test_a_pickle_inside_is_never_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "went off",))

    (tmp_path / "w.npy").write_bytes(npy(np.array([[Bomb()]], object), allow_pickle=True))
    with pytest.raises(WorkloadInputError):
        read_weights(tmp_path / "w.npy")
    assert not (tmp_path / "went off").exists()


@pytest.mark.parametrize("what", ["missing", "a folder", "a pipe"])
def test_what_is_no_file_is_told(what: str, tmp_path: Path) -> None:
    path = tmp_path / "w.npy"
    if what == "a folder":
        path.mkdir()
    if what == "a pipe":
        os.mkfifo(path)
    with pytest.raises(WorkloadInputError, match=r"w\.npy"):
        read_weights(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "w.npy"
    with path.open("wb") as file:
        file.write(with_header(header("(65536, 65536)")))
        file.truncate(2**32)  # sparse
    with pytest.raises(WorkloadInputError, match="is larger than"):
        read_weights(path)


@settings(max_examples=scaled(100, 10_000), deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_file_is_read_or_refused(
    changes: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = bytearray(GOOD)
    for place, value in changes:
        damaged[place] = value
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    path.write_bytes(damaged)
    try:
        read = read_weights(path)
        assert read.ndim == 2
        assert np.array_equal(read, np.load(path, allow_pickle=False))
    except WorkloadInputError as error:
        assert str(error).isprintable()  # noqa: PT017 - either is right
