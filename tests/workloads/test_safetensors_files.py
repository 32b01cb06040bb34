"""Untrusted safetensors files: any bytes give tensors or one error, with memory bounded by the file size."""

from __future__ import annotations

import json
import os
import struct
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import tiny_checkpoints as tiny
from workloads import WorkloadError, load_network
from workloads.safetensors_files import FILE_NAME, INDEX_NAME, MAX_HEADER_BYTES, open_tensors
from workloads.workload_errors import CheckpointError

SMALL: tiny.Tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(4, dtype=np.uint8)}
VALID = tiny.safetensors_bytes(SMALL, {"format": "pt"})
SLACK_BYTES = 200_000
"""Memory of Python itself: messages, frames, the parser."""


def opened(data: bytes, folder: Path) -> Any:
    (folder / FILE_NAME).write_bytes(data)
    return open_tensors(folder)


def refused(data: bytes, folder: Path) -> str:
    """Return the error message of a file that must be rejected with little memory."""
    (folder / FILE_NAME).write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        open_tensors(folder)
    text = str(caught.value)
    assert len(text) < 4000
    assert text.replace("\n", "").isprintable()
    return text


def attempt(data: bytes) -> None:
    """Open and read all tensors; success and rejection are valid, and the file size bounds the memory of both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / FILE_NAME).write_bytes(data)
        text = ""
        tracemalloc.start()
        try:
            for tensor in open_tensors(folder).values():
                tensor.read()
        except CheckpointError as error:
            text = str(error)
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < SLACK_BYTES + 50 * len(data)
        assert len(text) < 4000


def test_tensors_are_what_was_written(tmp_path: Path) -> None:
    tensors = opened(VALID, tmp_path)
    assert list(tensors) == ["a", "b"]
    for name, values in SMALL.items():
        assert tensors[name].shape == values.shape
        found = tensors[name].read()
        assert found.dtype == values.dtype
        assert (found == values).all()


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1, 1, 1, 1, 1, 1, 1, 1)])
def test_tensors_without_dimensions_or_elements(shape: tuple[int, ...], tmp_path: Path) -> None:
    tensors = opened(tiny.safetensors_bytes({"x": np.ones(shape, np.float32), "y": np.ones(2, np.float16)}), tmp_path)
    assert tensors["x"].read().shape == shape
    assert (tensors["y"].read() == 1).all()


def test_a_truncated_file_is_rejected(tmp_path: Path) -> None:
    for length in range(len(VALID)):
        refused(VALID[:length], tmp_path)
    assert "the file at byte" in refused(VALID + b"\0", tmp_path)


def test_a_file_that_shrinks_after_it_was_opened(tmp_path: Path) -> None:
    tensors = opened(VALID, tmp_path)
    (tmp_path / FILE_NAME).write_bytes(VALID[:-2])
    with pytest.raises(CheckpointError, match="b cannot be read: the file ended after 2 of its 4 bytes"):
        tensors["b"].read()
    (tmp_path / FILE_NAME).unlink()
    with pytest.raises(CheckpointError, match="b cannot be read: No such file"):
        tensors["b"].read()


@given(st.integers(0, len(VALID) - 1), st.integers(0, 255))
def test_any_byte_may_be_changed(place: int, byte: int) -> None:
    attempt(VALID[:place] + bytes([byte]) + VALID[place + 1 :])


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    attempt(data)


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_any_header(header: bytes, data: bytes) -> None:
    attempt(tiny.file_of(header, data))


SIZES = st.one_of(st.integers(-2, 40), st.integers(), st.sampled_from([2**31, 2**32, 2**40, 2**63, 2**64]))
WRONG = st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5), SIZES, st.lists(SIZES, max_size=3))
TENSORS = st.fixed_dictionaries(
    {
        "dtype": st.one_of(st.sampled_from(["F32", "F64", "F16", "BF16", "U8", "I8", "BOOL", "F8_E4M3", "C64"]), WRONG),
        "shape": st.one_of(st.lists(SIZES, max_size=9), WRONG),
        "data_offsets": st.one_of(st.lists(SIZES, min_size=2, max_size=2), WRONG),
    },
    optional={"more": WRONG},
)


@given(st.dictionaries(st.text(max_size=8), st.one_of(TENSORS, WRONG), max_size=4), st.binary(max_size=64))
def test_any_tensors(header: dict[str, Any], data: bytes) -> None:
    attempt(tiny.file_of(json.dumps(header).encode(), data))


def header(**tensors: Any) -> bytes:
    return json.dumps(tensors).encode()


def entry(dtype: str, shape: list[int], first: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, end]}


WRONG_HEADERS: list[tuple[bytes, str]] = [
    (b"[]", "must be an object, not a list of 0"),
    (b"{", "it is not JSON"),
    (b'{"a":\xff}', "it is not UTF-8 text"),
    (b'{"a": NaN}', "NaN is not a JSON number"),
    (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    (b'{"a": 1' + b"0" * 5000 + b"}", "an integer of 5001 digits"),
    (b'{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"a":{}}', "a occurs twice"),
    (b'{"a":{"dtype":"U8","dtype":"I8","shape":[8],"data_offsets":[0,8]}}', "a.dtype occurs twice"),
    (header(a={"dtype": "U8", "shape": [8]}), "a.data_offsets is missing"),
    (header(a={**entry("U8", [8], 0, 8), "ofset": 1}), "a.ofset is not a key of a tensor"),
    (
        header(a=entry("U9", [8], 0, 8)),
        "a.dtype must be a type of safetensors, such as F64, F32, F16, BF16, U8, I8, not 'U9'",
    ),
    (
        header(a=entry("U8", [2**40, 2**40], 0, 8)),
        "a has 8 bytes, but U8 of shape [1099511627776, 1099511627776] needs",
    ),
    (header(a=entry("U8", [2**63], 0, 8)), "a.shape must be a list of at most 8 sizes"),
    (header(a=entry("U8", [-8], 0, 8)), "a.shape must be a list"),
    (header(a=entry("U8", [1] * 9, 0, 1)), "a.shape must be a list"),
    (
        header(a=entry("U8", [2**36], 0, 2**36)),
        "a.data_offsets end at byte 68719476736, but the data has 8 bytes: the file is truncated",
    ),
    (header(a=entry("U8", [8], 8, 0)), "a.data_offsets must be the first byte and the end, not [8, 0]"),
    (header(a=entry("F32", [1], 0, 8)), "a has 8 bytes, but F32 of shape [1] needs 4"),
    (header(a=entry("U8", [8], 0, 8), b=entry("U8", [4], 4, 8)), "b overlaps a"),
    (header(a=entry("U8", [2], 0, 2), b=entry("U8", [4], 4, 8)), "b leaves a gap after a"),
    (header(a=entry("U8", [7], 1, 8)), "a leaves a gap after the header"),
    (header(a=entry("U8", [7], 0, 7)), "the tensors end at byte"),
    (header(__metadata__={"a": 1}), "__metadata__.a must be a string, not 1"),
    (header(__metadata__=[]), "__metadata__ must be an object"),
]


@pytest.mark.parametrize(("text", "problem"), WRONG_HEADERS, ids=[problem[:40] for _, problem in WRONG_HEADERS])
def test_errors_name_the_problem(text: bytes, problem: str, tmp_path: Path) -> None:
    assert problem in refused(tiny.file_of(text, bytes(8)), tmp_path)


def test_headers_are_limited_in_size(tmp_path: Path) -> None:
    assert "it is truncated" in refused(struct.pack("<Q", 2**63) + b"{}", tmp_path)
    assert "are allowed" in refused(tiny.file_of(b" " * (MAX_HEADER_BYTES + 1), b""), tmp_path)


def test_a_huge_sparse_file_is_not_read(tmp_path: Path) -> None:
    text = header(a=entry("F32", [2**38], 0, 2**40))
    with (tmp_path / FILE_NAME).open("wb") as file:
        file.write(tiny.file_of(text, b""))
        try:
            file.truncate(8 + len(text) + 2**40)
        except OSError:
            pytest.skip("no sparse files of a terabyte here")
    tracemalloc.start()
    assert open_tensors(tmp_path)["a"].size == 2**40
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < SLACK_BYTES


def test_types_of_parts_of_a_byte_have_a_whole_number_of_bytes(tmp_path: Path) -> None:
    """Sizes by hand: 4 and 6 bits an element; safetensors 0.8.0 opens such files and refuses the last one too."""
    sub_byte = header(a=entry("F4", [3, 2], 0, 3), b=entry("F6_E2M3", [4], 3, 6), c=entry("F8_E4M3FNUZ", [2], 6, 8))
    assert [tensor.size for tensor in opened(tiny.file_of(sub_byte, bytes(8)), tmp_path).values()] == [3, 3, 2]
    odd = header(a=entry("F4", [15], 0, 8))
    assert "a has 8 bytes, but F4 of shape [15] needs 7.5" in refused(tiny.file_of(odd, bytes(8)), tmp_path)


def test_an_unsupported_type_is_an_error_only_when_it_is_read(tmp_path: Path) -> None:
    tensors = opened(tiny.file_of(header(a=entry("F8_E4M3", [8], 0, 8)), bytes(8)), tmp_path)
    with pytest.raises(CheckpointError, match="a cannot be read: its dtype is F8_E4M3, supported are F64, F32"):
        tensors["a"].read()


def shards(folder: Path, weight_map: Any, **files: tiny.Tensors) -> None:
    folder.mkdir(exist_ok=True)
    for name, tensors in files.items():
        tiny.write_safetensors(folder / f"{name}.safetensors", tensors)
    (folder / INDEX_NAME).write_text(json.dumps({"metadata": {"total_size": 28}, "weight_map": weight_map}))


def test_shards_are_one_checkpoint(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    tensors = tiny.write_checkpoint(whole, "llama")
    names = list(tensors)
    parts = {"one": dict(list(tensors.items())[:9]), "two": dict(list(tensors.items())[9:])}
    sharded = tmp_path / "sharded"
    shards(sharded, {name: f"{'one' if name in names[:9] else 'two'}.safetensors" for name in names}, **parts)
    tiny.write_config(sharded, tiny.CONFIGS["llama"])
    loaded = load_network(sharded)
    assert [file.name for file in loaded.files] == ["config.json", "one.safetensors", "two.safetensors"]
    other = load_network(whole).network.layers[1].down.values
    assert (loaded.network.layers[1].down.values == other).all()


@pytest.mark.parametrize(
    "shard",
    [
        "../x.safetensors",
        "/etc/x.safetensors",
        "a/x.safetensors",
        "C:\\x.safetensors",
        "x.bin",
        "",
        3,
        None,
        "\0.safetensors",
    ],
)
def test_shards_stay_in_their_folder(shard: object, tmp_path: Path) -> None:
    shards(tmp_path, {"a": shard})
    with pytest.raises(
        CheckpointError, match=r"weight_map.a must be the name of a .safetensors file in the same folder"
    ):
        open_tensors(tmp_path)


@pytest.mark.parametrize("name", [FILE_NAME, "one.safetensors"])
def test_links_out_of_the_folder_are_rejected(name: str, tmp_path: Path) -> None:
    outside, home = tmp_path / "outside.safetensors", tmp_path / "home"
    outside.write_bytes(VALID)
    shards(home, {"a": "one.safetensors"})
    (home / name).symlink_to(outside)
    with pytest.raises(CheckpointError, match="is a link to a file outside its folder"):
        open_tensors(home)


def test_the_hubs_cache_is_made_of_links(tmp_path: Path) -> None:
    repository = tmp_path / "models--someone--tiny"
    home, blobs = repository / "snapshots" / "0123", repository / "blobs"
    home.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "abcd").write_bytes(VALID)
    (home / FILE_NAME).symlink_to(os.path.relpath(blobs / "abcd", home))
    assert list(open_tensors(home)) == ["a", "b"]


def test_invalid_indexes(tmp_path: Path) -> None:
    shards(tmp_path, {"a": "one.safetensors", "c": "one.safetensors"}, one=SMALL)
    with pytest.raises(CheckpointError, match=r"weight_map.c is not in 'one.safetensors'"):
        open_tensors(tmp_path)
    shards(tmp_path, {"a": "three.safetensors"})
    with pytest.raises(CheckpointError, match=r"three.safetensors: cannot read the weights: No such file"):
        open_tensors(tmp_path)
    shards(tmp_path, {f"t{n}": f"{n}.safetensors" for n in range(1001)})
    with pytest.raises(CheckpointError, match="weight_map must name at most 1000 files, not 1001"):
        open_tensors(tmp_path)
    shards(tmp_path, [])
    with pytest.raises(CheckpointError, match="weight_map must be an object"):
        open_tensors(tmp_path)
    for text, problem in (("{}", "weight_map is missing"), ('{"weight_map":{},"weight_map":{}}', "occurs twice")):
        (tmp_path / INDEX_NAME).write_text(text)
        with pytest.raises(CheckpointError, match=problem):
            open_tensors(tmp_path)


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_index(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / INDEX_NAME).write_bytes(data)
        with pytest.raises(CheckpointError):
            open_tensors(name)


@pytest.mark.parametrize("name", [FILE_NAME, INDEX_NAME])
def test_folders_and_fifos_are_rejected(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(CheckpointError, match="not a regular file"):
        open_tensors(tmp_path)
    (tmp_path / name).rmdir()
    os.mkfifo(tmp_path / name)
    with pytest.raises(CheckpointError, match="not a regular file"):
        open_tensors(tmp_path)
    with pytest.raises(CheckpointError):
        open_tensors("a\0b")


LLAMA = tiny.safetensors_bytes(tiny.tensors_of("llama"))


@given(st.data())
def test_a_checkpoint_with_changed_bytes_loads_or_is_rejected(data: st.DataObject) -> None:
    text = bytearray(LLAMA)
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, 2500))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(text)), st.integers(0, len(text))))
    with tempfile.TemporaryDirectory() as name:
        tiny.write_config(Path(name), tiny.CONFIGS["llama"])
        (Path(name) / FILE_NAME).write_bytes(text[:cut])
        shown = ""
        tracemalloc.start()
        try:
            load_network(name)
        except WorkloadError as error:
            shown = str(error)
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < SLACK_BYTES + 5 * len(text)
        assert len(shown) < 4000
