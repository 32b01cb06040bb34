"""Parts of a matrix beside the whole matrix, of safetensors and GGUF files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.gguf_files import grouped_file
from tests.support.tiny_checkpoints import bfloat16, write_safetensors
from workloads.gguf_config import read_gguf_model
from workloads.safetensors_files import open_tensors
from workloads.tensor_rows import row_parts
from workloads.workload_errors import CheckpointError


def test_parts_of_safetensors_are_the_matrix(tmp_path: Path) -> None:
    values = np.random.default_rng(1).standard_normal((11, 6)).astype(np.float32)
    write_safetensors(tmp_path / "model.safetensors", {"a": values, "b": bfloat16(values), "c": values})
    for tensor in open_tensors(tmp_path).values():
        parts = [*row_parts(tensor, 4)]
        assert [len(part) for part in parts] == [4, 4, 3]
        assert (np.concatenate(parts) == tensor.read()).all()


@pytest.mark.parametrize("kind", ["Q4_1", "Q8_0"])
def test_parts_of_gguf_files_are_the_matrix(tmp_path: Path, kind: str) -> None:
    tensors = read_gguf_model(grouped_file(tmp_path, kind)).tensors()
    for name in ("token_embd.weight", "blk.0.ffn_up.weight", "blk.1.attn_q.weight"):  # F16, blocks, reordered rows
        assert (np.concatenate([*row_parts(tensors[name], 7)]) == tensors[name].read()).all()


def test_a_part_with_a_number_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    values = np.zeros((6, 2), np.float32)
    values[5, 1] = np.nan
    write_safetensors(tmp_path / "model.safetensors", {"a": values})
    parts = row_parts(open_tensors(tmp_path)["a"], 4)
    next(parts)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: a contains a number that is not finite"):
        next(parts)
