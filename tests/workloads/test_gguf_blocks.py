"""Decoded blocks: against the library gguf bit for bit, and against blocks packed element by element."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support import gguf_files as gguf
from workloads.gguf_blocks import decode_blocks, decode_i2_s
from workloads.gguf_header import read_header
from workloads.gguf_tensors import GgufTensor
from workloads.gguf_types import AS_FLOATS, I2_S, TYPES

ROWS, BLOCKS = 5, 3
BY_NAME = {block.name: block for block in TYPES.values()}


def random_blocks(name: str) -> Any:
    """Random bytes, whose float16 numbers (scales and minima) are replaced by finite ones of both signs."""
    random = np.random.default_rng(3)
    raw = random.integers(0, 256, (ROWS, BLOCKS, BY_NAME[name].size), np.uint8)
    halves = random.standard_normal((ROWS, BLOCKS, 2)).astype(np.float16).view(np.uint8)
    places = {"Q4_1": (0, 2), "TQ1_0": (52,), "TQ2_0": (64,)}.get(name, (0,))
    for number, place in enumerate(places):
        raw[..., place : place + 2] = halves[..., 2 * number : 2 * number + 2]
    return raw


@pytest.mark.parametrize("name", ["Q4_0", "Q4_1", "Q8_0", "TQ1_0", "TQ2_0"])
def test_the_library_has_the_same_floats_bit_for_bit(name: str) -> None:
    library: Any = pytest.importorskip("gguf", reason="the extra gguf is not installed")
    raw = random_blocks(name)
    ours = decode_blocks(name, raw).floats()
    theirs = library.quants.dequantize(raw.reshape(ROWS, -1), library.GGMLQuantizationType[name])
    assert ours.shape == theirs.shape == (ROWS, BLOCKS * BY_NAME[name].elements)
    assert ours.tobytes() == theirs.tobytes()


def test_the_library_has_the_same_types() -> None:
    library: Any = pytest.importorskip("gguf", reason="the extra gguf is not installed")
    ours = {number: (each.name, each.elements, each.size) for number, each in TYPES.items() if each.name != I2_S}
    theirs = {int(kind): (kind.name, *sizes) for kind, sizes in library.GGML_QUANT_SIZES.items()}
    common = ours.keys() & theirs.keys()  # another version may have more or fewer
    assert {number: ours[number] for number in common} == {number: theirs[number] for number in common}
    assert {ours[number][0] for number in common} >= {"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q8_0", "TQ1_0", "TQ2_0"}


def test_formats_of_the_library_are_read_as_floats(tmp_path: Any) -> None:
    library: Any = pytest.importorskip("gguf", reason="the extra gguf is not installed")
    writer = library.GGUFWriter(tmp_path / "w.gguf", "llama")
    values = np.random.default_rng(4).standard_normal((4, 64)).astype(np.float32)
    kinds = [kind for kind in library.GGMLQuantizationType if kind.name in ("Q5_0", "Q5_1", "Q8_0", "BF16", "F16")]
    for kind in kinds:
        writer.add_tensor(kind.name, library.quants.quantize(values, kind), raw_dtype=kind)
    writer.add_array("numbers", [1, 2, 3])
    writer.add_array("texts", ["one", "two"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header, reader = read_header(tmp_path / "w.gguf"), library.GGUFReader(tmp_path / "w.gguf")
    assert header.values["texts"] == ["one", "two"]
    assert header.values["numbers"].tolist() == [1, 2, 3]
    assert len(reader.tensors) == len(header.tensors) == len(kinds)
    for tensor in reader.tensors:
        ours = GgufTensor(tensor.name, header.file, header.tensors[tensor.name]).read()
        assert ours.tobytes() == library.quants.dequantize(tensor.data, tensor.tensor_type).tobytes()


def test_blocks_packed_element_by_element() -> None:
    random = np.random.default_rng(5)
    codes = random.integers(0, 16, (3, 64))
    scales, minima = random.standard_normal((2, 3, 2)).astype(np.float16).astype(np.float32)
    for minimum in (None, minima):
        stored = gguf.q4(codes, scales, minimum)
        raw = np.frombuffer(stored.data, np.uint8).reshape(3, 2, -1)
        blocks = decode_blocks(stored.type, raw)
        assert (blocks.codes == codes - (8 if minimum is None else 0)).all()
        assert (blocks.scales == scales).all()
        assert blocks.minima is None if minimum is None else (blocks.minima == minimum).all()
    ternary = random.integers(-1, 2, (4, 96)).astype(np.int8)
    found, invalid = decode_i2_s(np.frombuffer(gguf.i2_s(ternary, 0.75).data, np.uint8), (4, 96))
    assert (found.codes == ternary).all()
    assert found.scales.tolist() == [[0.75]]
    assert not invalid


def test_ternary_digits_of_tq1_0() -> None:
    """All 243 values of five digits: the byte is the integer above digits / 243 * 256 (ggml-quants.c of llama.cpp)."""
    raw = np.zeros((1, 8, 54), np.uint8)
    digits = np.array([[n // 3**place % 3 for place in (4, 3, 2, 1, 0)] for n in range(243)])
    numbers = digits @ np.array([81, 27, 9, 3, 1])
    raw.reshape(8, 54)[:, :32] = np.resize((numbers * 256 + 242) // 243, 256).reshape(8, 32)
    codes = decode_blocks("TQ1_0", raw).codes.reshape(8, 256)[:, :160].reshape(8, 5, 32)
    assert (codes.swapaxes(1, 2).reshape(256, 5) == np.resize(digits, (256, 5)) - 1).all()


def test_every_format_that_is_read_has_a_size() -> None:
    assert set(AS_FLOATS) <= set(BY_NAME)
