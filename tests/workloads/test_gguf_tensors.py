"""Tensors of GGUF files: what they refuse to be read as, and the library that only some formats need."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support import gguf_files as gguf
from workloads import CheckpointError
from workloads.gguf_header import read_header
from workloads.gguf_tensors import GgufTensor


def tensor_of(folder: Path, stored: gguf.Stored, heads: int = 0) -> GgufTensor:
    header = read_header(gguf.write(folder / "t.gguf", {}, {"w": stored}))
    return GgufTensor("w", header.file, header.tensors["w"], heads)


def test_a_format_of_the_library_names_the_extra_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(CheckpointError, match=r'w is Q5_0, which needs the library gguf.*pip install "pimsim\[gguf\]"'):
        tensor_of(tmp_path, gguf.Stored("Q5_0", (1, 32), bytes(22))).read()
    assert tensor_of(tmp_path, gguf.q4(np.ones((1, 32), int), np.ones((1, 1)))).read().shape == (1, 32)


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        (gguf.Stored("I32", (2,), bytes(8)), "its format is I32, supported are F32, F16"),
        (gguf.floats(np.array([1, np.inf])), "contains a number that is not finite"),
        (gguf.Stored("F16", (1,), b"\x00\x7c"), "contains a number that is not finite"),
        (gguf.q4(np.ones((1, 32), int), np.array([[np.nan]])), "contains a number that is not finite"),
        (gguf.i2_s(np.full((1, 128), 2), 1.0), "contains a packed value of 3"),
        (gguf.i2_s(np.zeros((1, 128)), float("inf")), "contains a scale that is not finite"),
    ],
)
def test_numbers_that_are_refused(stored: gguf.Stored, problem: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=problem):
        tensor_of(tmp_path, stored).read()


def test_scales_that_are_not_finite(tmp_path: Path) -> None:
    for codes in (np.ones((1, 32), int), np.zeros((1, 32), int)):
        with pytest.raises(CheckpointError, match="contains a scale that is not finite"):
            tensor_of(tmp_path, gguf.q4(codes, np.array([[np.inf]]))).blocks()


def test_rows_of_heads_are_put_back_in_floats_and_codes(tmp_path: Path) -> None:
    """Rows 0 to 7 of two heads of four: a converter writes 0 2 1 3 and 4 6 5 7."""
    values = np.arange(8)[:, None] + np.zeros((8, 32))
    stored = gguf.interleaved(values, 2)
    assert stored[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    assert tensor_of(tmp_path, gguf.floats(stored), 2).read()[:, 0].tolist() == list(range(8))
    codes = tensor_of(tmp_path, gguf.q4(stored.astype(int), stored[:, :1] + 1), 2).blocks()
    assert codes.codes[:, 0].tolist() == [row - 8 for row in range(8)]
    assert codes.scales[:, 0].tolist() == [row + 1 for row in range(8)]
    with pytest.raises(CheckpointError, match="an even number of rows for each of 8 heads"):
        tensor_of(tmp_path, gguf.floats(stored), 8).read()
