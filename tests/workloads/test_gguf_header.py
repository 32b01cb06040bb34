"""Headers of GGUF files: values, places of tensors, and hostile files, each of which ends in one message."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import gguf_files as gguf
from workloads import CheckpointError, WorkloadError
from workloads.gguf_files import is_gguf
from workloads.gguf_header import MAX_HEADER_BYTES, read_header
from workloads.gguf_tensors import GgufTensor

VALUES = {"a": 7, "b": "text", "c": True, "d": 0.5, "e": ["x", "yz"], "f": np.array([1, 2], np.int32)}
TENSORS = {
    "t.weight": gguf.floats(np.arange(6.0).reshape(2, 3)),
    "q.weight": gguf.q4(np.ones((1, 32), int), np.ones((1, 1))),
}
FILE = gguf.file_bytes(VALUES, TENSORS)
HUGE = 2**63 - 1


def opened(data: bytes, folder: Path) -> Any:
    file = folder / "m.gguf"
    file.write_bytes(data)
    return read_header(file)


def refused(data: bytes, folder: Path) -> str:
    with pytest.raises(CheckpointError) as raised:
        opened(data, folder)
    message = str(raised.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def test_values_and_tensors(tmp_path: Path) -> None:
    header = opened(FILE, tmp_path)
    assert {key: header.values[key] for key in "abcde"} == {key: VALUES[key] for key in "abcde"}
    assert header.values["f"].tolist() == [1, 2]
    tensor = GgufTensor("t.weight", header.file, header.tensors["t.weight"])
    assert tensor.read().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert header.tensors["q.weight"].shape == (1, 32)
    os.truncate(header.file, header.tensors["t.weight"].start + 4)
    with pytest.raises(CheckpointError, match="the file ended after 4 of its 24 bytes"):
        tensor.read()


def test_a_file_is_recognised_by_its_name_or_its_first_letters(tmp_path: Path) -> None:
    (tmp_path / "sha256-1").write_bytes(FILE)
    (tmp_path / "dir.gguf").mkdir()
    os.mkfifo(tmp_path / "fifo")
    assert [is_gguf(tmp_path / name) for name in ("sha256-1", "none.gguf", "dir.gguf", "fifo", "x")] == [
        *(True, True),
        *(False, False, False),
    ]


@pytest.mark.parametrize("length", [0, 3, 4, 7, 20, 30, 60, len(FILE) - 33])
def test_a_truncated_file(length: int, tmp_path: Path) -> None:
    text = refused(FILE[:length], tmp_path)
    assert "truncated or invalid" in text


def head(tensors: int, keys: int, rest: bytes = b"", version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys) + rest


def key(raw: bytes, name: str = "k") -> bytes:
    return head(0, 1, gguf.text(name) + raw)


def tensor(dims: tuple[int, ...], kind: int = 0, offset: int = 0, count: int | None = None) -> bytes:
    counted = struct.pack(f"<I{len(dims)}Q", len(dims) if count is None else count, *dims)
    return head(1, 0, gguf.text("t") + counted + struct.pack("<IQ", kind, offset) + bytes(256))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"GGML" + bytes(60), "does not begin with the letters GGUF"),
        (head(0, 0, version=1), "has the version 1; supported are 2 and 3"),
        (head(0, 0, version=0x03000000), "big-endian"),
        (head(HUGE, 0), "9,223,372,036,854,775,807 tensors, but at most 100,000"),
        (head(0, HUGE), "9,223,372,036,854,775,807 keys, but at most 10,000"),
        (
            head(0, 1, struct.pack("<Q", HUGE)),
            "the name of a key has 9,223,372,036,854,775,807 bytes; allowed are 1 to",
        ),
        (head(0, 1, gguf.text("")), "the name of a key has 0 bytes"),
        (head(0, 1, gguf.text(b"\xff") + bytes(8)), "the name of a key is not UTF-8 text"),
        (key(struct.pack("<IQ", 8, HUGE)), "it ends within k: it is truncated"),
        (key(struct.pack("<I", 8) + gguf.text(b"\xc3")), "k is not UTF-8 text"),
        (key(struct.pack("<I", 13)), "k has the type 13; types of values are 0 to 12"),
        (key(struct.pack("<IB", 7, 2)), "k must be 0 or 1, not 2"),
        (key(struct.pack("<IIQ", 9, 8, HUGE)), "has 9,223,372,036,854,775,807 strings, more than the file has room"),
        (key(struct.pack("<IIQ", 9, 5, HUGE)), "has 9,223,372,036,854,775,807 numbers, more than the file has room"),
        (key(struct.pack("<IIQ", 9, 9, 1) * 100), "array of the type 9; arrays of arrays are not read"),
        (key(struct.pack("<IIQ", 9, 77, 1)), "array of the type 77"),
        (head(0, 2, (gguf.text("k") + struct.pack("<IB", 0, 1)) * 2), "k occurs twice"),
        (tensor((2**62, 2**62)), "but the file has"),
        (tensor((HUGE, HUGE, HUGE, HUGE), kind=34), "has blocks of 256"),
        (tensor((2,), count=2**31), "2,147,483,648 dimensions; at most 4"),
        (tensor((4,), kind=4), "has the type 4, which is not a type of ggml"),
        (tensor((33,), kind=2), "has 33 elements per row; Q4_0 has blocks of 32"),
        (tensor((32, 3), kind=36), "has 96 elements; I2_S has blocks of 128"),
        (tensor((4,), offset=32 * 2**40), "it is truncated or invalid"),
        (tensor((4,), offset=1), "begins at 1, which is not a multiple of the alignment, 32"),
        (head(2, 0, (gguf.text("t") + struct.pack("<IQIQ", 1, 4, 0, 0)) * 2 + bytes(99)), "tensor t occurs twice"),
        (
            head(2, 0, b"".join(gguf.text(n) + struct.pack("<IQIQ", 1, 16, 0, 32 * i) for i, n in enumerate("tu")))
            + bytes(256),
            "the tensor u overlaps t",
        ),
        *(
            (key(struct.pack("<II", 4, alignment), "general.alignment"), "general.alignment must be a power of two")
            for alignment in (0, 3, 2**31)
        ),
        (key(struct.pack("<I", 8) + gguf.text("32"), "general.alignment"), "must be a power of two, at most 65,536"),
    ],
)
def test_hostile_headers(data: bytes, problem: str, tmp_path: Path) -> None:
    assert problem in refused(data, tmp_path)


def test_a_huge_sparse_file_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(key(struct.pack("<IQ", 8, 2**39)))
    os.truncate(file, 2**40)
    with pytest.raises(CheckpointError, match=f"its header has more than {MAX_HEADER_BYTES // 2**20} MiB"):
        read_header(file)


@pytest.mark.parametrize("name", ["fifo", "none", "folder"])
def test_only_regular_files_are_opened(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CheckpointError, match=r"cannot read the model: (not a regular file|No such file)"):
        read_header(tmp_path / name)


@given(place=st.integers(0, len(FILE) - 1), byte=st.integers(0, 255))
def test_any_byte_may_be_changed(tmp_path_factory: pytest.TempPathFactory, place: int, byte: int) -> None:
    folder = tmp_path_factory.getbasetemp()
    data = bytearray(FILE)
    data[place] = byte
    try:
        header = opened(bytes(data), folder)
        for name, info in header.tensors.items():
            GgufTensor(name, header.file, info).read()
    except WorkloadError:
        pass
